// What a person does and sees, in the words of checks.
import assert from "node:assert/strict";

export const ready = (page) => page.waitForSelector('#main[data-phase="ready"]');

export const heading = (page, name) =>
  page.waitForFunction((n) => document.querySelector("#sale h1")?.textContent === n, name);

/** Presses Tab until `selector` has the focus; every stop on the way must be seen. */
export async function tabTo(page, selector, most = 60) {
  for (let n = 0; n < most; n += 1) {
    if (await page.evaluate((s) => document.activeElement?.matches(s), selector)) return;
    await page.keyboard.press("Tab");
    const seen = await page.evaluate(() => {
      const at = document.activeElement;
      return at === document.body || getComputedStyle(at).outlineStyle !== "none" ? "" : at.outerHTML.slice(0, 120);
    });
    assert.equal(seen, "", `the focus is not visible on ${seen}`);
  }
  assert.fail(`${selector} is not reached with ${most} tabs`);
}

/** Fills the open form by the names of its fields. */
export async function fill(page, form, fields) {
  for (const [name, value] of Object.entries(fields)) await page.fill(`#panel-${form} [name=${name}]`, String(value));
}

export async function withKey(page, key) {
  if (!(await page.inputValue("#f-key"))) await page.fill("#f-key", key);
}

export async function create(page, key, fields) {
  await page.click("#admin-open");
  await withKey(page, key);
  await fill(page, "create", fields);
  await page.click("#panel-create [type=submit]");
  await page.waitForSelector("#admin", { state: "hidden" });
  await heading(page, fields.name);
}

export async function rush(page, key, plan) {
  await page.click(".sale-actions button");
  await withKey(page, key);
  await fill(page, "rush", plan);
  await page.click("#panel-rush [type=submit]");
  await page.waitForSelector("#admin", { state: "hidden" });
}

/** The rush's counts, once it has ended. */
export async function fared(page) {
  await page.waitForSelector("#rush button:text('Dismiss')", { timeout: 60_000 });
  const [sold, refused, unknown] = await page.$$eval("#rush dd", (all) => all.map((one) => Number(one.textContent.replace(/\D/g, ""))));
  return { sold, refused, unknown };
}

/** Waits for it: how soon a page is laid out anew depends on the machine. */
export async function fitsAt375(page) {
  await page.setViewportSize({ width: 375, height: 812 });
  const seen = () => page.evaluate(() => {
    const over = [...document.querySelectorAll("body *")].filter((e) =>
      e.getBoundingClientRect().right > 376 && !e.closest(".scroll, pre, .hidden-text, .wide-only, .skip"));
    return { page: document.documentElement.scrollWidth, over: over.slice(0, 3).map((e) => e.outerHTML.slice(0, 100)) };
  });
  const until = Date.now() + 10_000;
  let wide = await seen();
  while ((wide.page > 375 || wide.over.length) && Date.now() < until) {
    await page.waitForTimeout(50);
    wide = await seen();
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  assert.ok(wide.page <= 375, `the page is ${wide.page} px wide at 375 px`);
  assert.deepEqual(wide.over, [], "something is cut off at 375 px");
}

/** Serious and critical findings of axe-core, in both colours. */
export async function accessible(page, axe) {
  for (const colorScheme of ["light", "dark"]) {
    await page.emulateMedia({ colorScheme });
    // Half-way between two colours there is any contrast.
    await page.waitForFunction(() => document.getAnimations()
      .every((a) => a.playState !== "running" || a.effect.getComputedTiming().endTime === Infinity));
    await page.evaluate(axe);
    const found = await page.evaluate(async () => {
      const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
      return violations.filter((v) => ["serious", "critical"].includes(v.impact))
        .flatMap((v) => v.nodes.slice(0, 3).map((n) => `${v.id}: ${n.target} ${n.any[0]?.message ?? ""}`));
    });
    assert.deepEqual(found, [], `axe-core, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: "light" });
}
