// What the page's files promise: small, one idea each, nothing inline, and the vendored ones unchanged.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { WEBS } from "./mock.mjs";

const LINES_MAX = 300;
const SCRIPTS_MAX = 40_000;

const read = (...path) => readFileSync(join(...path));
const ours = WEBS.flatMap((web) => ["js", "css"].flatMap((folder) => readdirSync(join(web, folder)).map((name) => [web, folder, name])));
const pages = WEBS.flatMap((web) => readdirSync(web).filter((name) => name.endsWith(".html")).map((name) => [web, name]));

export async function files({ check }) {
  await check("our files are short, and our scripts small", () => {
    for (const path of ours) {
      const lines = read(...path).toString().split("\n").length;
      assert.ok(lines <= LINES_MAX, `${path.join("/")} has ${lines} lines`);
    }
    const scripts = ours.filter(([, folder]) => folder === "js");
    const bytes = scripts.reduce((sum, path) => sum + gzipSync(read(...path)).length, 0);
    assert.ok(bytes < SCRIPTS_MAX, `our scripts have ${bytes} bytes compressed`);
  });

  await check("nothing is inline, and nothing comes from elsewhere", () => {
    assert.equal(pages.length, 2);
    for (const page of pages) {
      const [html, name] = [read(...page).toString(), page.join("/")];
      assert.doesNotMatch(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)/, name);
      assert.doesNotMatch(html, /(src|href)="(https?:)?\/\//, name);
    }
  });

  await check("what is vendored is what it says", () => {
    const vendored = join(WEBS[0], "vendor/uplot");
    const said = read(vendored, "README.md").toString().matchAll(/^([0-9a-f]{64}) +(\S+)$/gm);
    const found = [...said].map(([, sum, name]) => [name, sum, createHash("sha256").update(read(vendored, name)).digest("hex")]);
    assert.equal(found.length, 3);
    for (const [name, sum, is] of found) assert.equal(is, sum, name);
  });
}
