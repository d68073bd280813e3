// Drives the live page with a browser, over the mock server or over a service that runs.
//
//   node page.mjs [--out DIR]
//   node page.mjs --url http://127.0.0.1:8080 --admin-key KEY [--out DIR]
//                 [--lose-command "…" --regain-command "…"]
//   node page.mjs --docs --url http://127.0.0.1:3501 [--out DIR]
//
// `--lose-command` makes the live stream end (else the browser goes offline), `--regain-command` lets it
// come back. `--docs` looks at the documentation page alone: of a service without a live page. `--modules DIR` is where npm puts what this needs, once; without it the temporary folder.
// `--chromium PATH` is the browser. Ends with 1 when a check fails, with a line for each.
import { execSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launch, modules, watched } from "./browser.mjs";
import { docs } from "./docs.mjs";
import { files } from "./files.mjs";
import { journey } from "./journey.mjs";
import { ADMIN_KEY, Mock } from "./mock.mjs";
import { states } from "./states.mjs";

const names = ["url", "admin-key", "out", "lose-command", "regain-command", "modules", "chromium"];
const { values: args } = parseArgs({
  options: { docs: { type: "boolean" }, ...Object.fromEntries(names.map((name) => [name, { type: "string" }])) },
});
if (args.docs ? !args.url : args.url && !args["admin-key"]) {
  console.error("--url needs --admin-key or --docs, and --docs needs --url");
  process.exit(2);
}

const load = modules(args.modules);
const mock = args.url ? null : new Mock();
const url = args.url?.replace(/\/$/, "") ?? (await mock.start());
const key = args["admin-key"] ?? ADMIN_KEY;
const browser = await launch(load, args.chromium);
const { page, faults } = await watched(browser.context);
// Long enough for a machine that does other things too.
page.setDefaultTimeout(60_000);
if (args.out) mkdirSync(args.out, { recursive: true });

let failed = 0;
let done = 0;

/** One check; what the page complained about since the last one fails it as well. */
async function check(name, run) {
  try {
    await run();
    const found = faults();
    if (found.length) throw new Error(found.join("\n"));
    done += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    failed += 1;
    faults();
    console.log(`FAILED  ${name}\n        ${String(error.message).replaceAll("\n", "\n        ")}`);
    if (args.out) await page.screenshot({ path: join(args.out, `failed-${failed}.png`) }).catch(() => {});
    // The next check begins where a person would: nothing open, nothing broken on purpose.
    if (mock) Object.assign(mock, { mood: "well", loseAnswers: 0 });
    await browser.context.setOffline(false).catch(() => {});
    await page.reload().catch(() => {});
  }
}

/** The page as it is now: wide and narrow, light and dark. */
async function portrait(name, { fullPage = false } = {}) {
  if (!args.out) return;
  for (const [size, width, height] of [["wide", 1280, 800], ["narrow", 375, 812]]) {
    await page.setViewportSize({ width, height });
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      if (!fullPage) await page.evaluate(() => scrollTo(0, 0));
      // Charts take a new size and new colours with the page's next tick.
      await page.waitForTimeout(650);
      await page.screenshot({ path: join(args.out, `${name}-${size}-${colorScheme}.png`), fullPage });
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.emulateMedia({ colorScheme: "light" });
}

/** The live stream ends, and later comes back. */
const stream = {
  async lose() {
    if (mock) mock.cut("unavailable");
    else if (args["lose-command"]) execSync(args["lose-command"], { stdio: "inherit" });
    else await browser.context.setOffline(true);
  },
  async regain() {
    if (mock) mock.mood = "well";
    else if (args["regain-command"]) execSync(args["regain-command"], { stdio: "inherit" });
    else await browser.context.setOffline(false);
  },
};

const axe = load("axe-core").source;
const world = { page, url, key, mock, check, portrait, stream, axe, context: browser.context };
try {
  if (!args.docs) {
    await files(world);
    if (mock) await states(world);
    await journey(world);
  }
  await docs(world);
} finally {
  await browser.close();
  mock?.stop();
}
console.log(`${done} checks passed, ${failed} failed`);
process.exitCode = failed || !done ? 1 : 0;
