// One browser with a folder of its own, and a page that keeps what went wrong in it.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createHash } from "node:crypto";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const FLAGS = [
  "--no-sandbox", "--headless", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

/** npm's packages, in a folder that is filled once for this lock file: below `given` or the temporary one. */
export function modules(given) {
  const lock = readFileSync(join(HERE, "package-lock.json"));
  const folder = join(given ?? tmpdir(), `leasehold-browser-${createHash("sha256").update(lock).digest("hex").slice(0, 12)}`);
  if (!existsSync(join(folder, "node_modules/.package-lock.json"))) {
    mkdirSync(folder, { recursive: true });
    for (const name of ["package.json", "package-lock.json"]) copyFileSync(join(HERE, name), join(folder, name));
    execFileSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund"], { cwd: folder, stdio: ["ignore", "ignore", "inherit"] });
  }
  return createRequire(join(folder, "x.js"));
}

export async function launch(load, chromium = "/usr/bin/chromium") {
  const profile = mkdtempSync(join(tmpdir(), "leasehold-chromium-"));
  const options = { executablePath: chromium, args: FLAGS, viewport: { width: 1280, height: 800 } };
  const context = await load("playwright-core").chromium.launchPersistentContext(profile, options);
  return { context, close: () => context.close().finally(() => rmSync(profile, { recursive: true, force: true })) };
}

/** Expected: the browser's own lines for a request that failed. Everything else on the console is a fault. */
const NETWORK = /^Failed to load resource/;

/** Notes errors of a page; `faults()` returns those since the last call. */
export async function watched(context) {
  const page = await context.newPage();
  let found = [];
  page.on("pageerror", (error) => found.push(`uncaught: ${error.message}`));
  page.on("dialog", (dialog) => (found.push(`a dialog opened: ${dialog.message()}`), dialog.dismiss()));
  page.on("console", (line) => {
    const bad = ["error", "warning"].includes(line.type());
    if (bad && !NETWORK.test(line.text())) found.push(`console: ${line.text()}`);
  });
  await page.addInitScript(() => {
    addEventListener("securitypolicyviolation", (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
  });
  return { page, faults: () => found.splice(0) };
}
