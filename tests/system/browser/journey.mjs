// What holds for the mock server and for a real service alike.
import assert from "node:assert/strict";
import { accessible, create, fared, fitsAt375, heading, ready, rush, tabTo } from "./hands.mjs";

const run = Date.now().toString(36);

export async function journey({ page, url, key, check, portrait, stream, axe }) {
  const night = `Opening night ${run}`;

  await check("the page loads, without an error and within its policy", async () => {
    const answer = await page.goto(url);
    assert.match(answer.headers()["content-security-policy"] ?? "", /default-src 'none'/);
    await ready(page);
    await page.waitForSelector('#link[data-kind="live"]');
  });

  await check("a sale is created by keyboard alone", async () => {
    await page.evaluate(() => document.activeElement.blur());
    await tabTo(page, "#admin-open");
    await page.keyboard.press("Enter");
    await tabTo(page, "#f-key");
    await page.keyboard.type(key);
    await tabTo(page, "[role=tab]");
    await page.keyboard.press("ArrowRight");
    await page.waitForSelector("#panel-change:not([hidden])");
    await page.keyboard.press("ArrowLeft");
    await tabTo(page, "#panel-create [name=name]");
    await page.keyboard.type(night);
    await tabTo(page, "#panel-create [name=capacity]");
    await page.keyboard.press("Control+a");
    await page.keyboard.type("40");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#admin", { state: "hidden" });
    await heading(page, night);
    assert.match(page.url(), /#sale=/);
    assert.ok(!page.url().includes(key), "the key is in the address");
    assert.equal(await page.evaluate(() => document.activeElement.id), "admin-open", "the focus went astray");
  });

  await check("a dialog keeps the focus, and Escape closes it", async () => {
    await page.click("#admin-open");
    for (let n = 0; n < 30; n += 1) {
      await page.keyboard.press("Tab");
      const inside = await page.evaluate(() => document.activeElement === document.body || !!document.activeElement.closest("dialog"));
      assert.ok(inside, "the focus left the dialog");
    }
    await accessible(page, axe);
    await fitsAt375(page);
    await page.keyboard.press("Escape");
    await page.waitForSelector("#admin", { state: "hidden" });
  });

  await check("a rush sells it out, and buyers are told", async () => {
    await rush(page, key, { buyers: 100, seconds: 4, quantity: 1 });
    await page.waitForTimeout(1500);
    await portrait("rush");
    const told = await fared(page);
    assert.deepEqual(told, { sold: 40, refused: 60, unknown: 0 });
    await page.waitForFunction(() => document.querySelector(".left-n")?.textContent === "0");
    await page.waitForSelector('#sale .state[data-state="sold_out"]');
    await page.waitForFunction(() => /sold out, 0 of 40 left/.test(document.querySelector("#spoken").textContent));
    assert.match(await page.getAttribute(".row .plot", "aria-label"), /Units left.*now 0/);
    await portrait("sold-out");
    await page.click("#rush button");
  });

  await check("its stock can be changed, and it sells again", async () => {
    await page.click(".sale-actions button.quiet");
    await page.fill("#panel-change [name=capacity]", "45");
    await page.click("#panel-change [type=submit]");
    await page.waitForSelector('#sale .state[data-state="open"]');
    await page.waitForFunction(() => document.querySelector(".left-n").textContent === "5");
  });

  await check("a lost stream is shown, and comes back by itself", async () => {
    await stream.lose();
    await page.waitForSelector("#banner:not([hidden])", { timeout: 60_000 });
    await page.waitForSelector("body.stale");
    await page.waitForFunction(() => /old$/.test(document.querySelector("#sale .asof").textContent));
    await page.waitForTimeout(2500);
    await portrait("reconnecting");
    await stream.regain();
    await page.waitForSelector("#banner", { state: "hidden", timeout: 60_000 });
    assert.equal(await page.$("body.stale"), null);
    assert.equal(await page.textContent("#sale h1"), night);
  });

  await check("a name with markup is text", async () => {
    const name = `<img src=x onerror=alert(1)> ${run}`;
    await create(page, key, { name, capacity: 3 });
    assert.equal(await page.$("#main img"), null);
    await page.click("#admin-open");
    await page.click("#tab-rush");
    assert.equal(await page.$("dialog img"), null);
    await page.keyboard.press("Escape");
  });

  await check("an address names a sale, also one that is not there", async () => {
    const address = page.url();
    await page.goto("about:blank");
    await page.goto(address);
    await ready(page);
    await heading(page, `<img src=x onerror=alert(1)> ${run}`);
    await page.goto(`${url}/#sale=00000000-0000-4000-8000-00000000dead`);
    await heading(page, "There is no such sale");
  });

  await check("a wrong key is refused in words", async () => {
    await page.goto("about:blank");
    await page.goto(url);
    await ready(page);
    await page.click("#admin-open");
    await page.fill("#f-key", "not-a-key");
    await page.fill("#panel-create [name=name]", "Never");
    await page.click("#panel-create [type=submit]");
    await page.waitForFunction(() => /unauthorized/.test(document.querySelector("#panel-create .error").textContent));
    await portrait("admin-error");
    await page.keyboard.press("Escape");
  });

  await check("no serious finding, light and dark", async () => {
    await accessible(page, axe);
  });

  await check("nothing is wider than 375 px", async () => {
    await fitsAt375(page);
  });

  await check("colours are chosen and remembered", async () => {
    const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await ground();
    await page.click("#theme");
    await page.click("#theme");
    assert.equal(await page.textContent("#theme-now"), "dark");
    const dark = await ground();
    assert.notEqual(light, dark);
    await page.reload();
    await ready(page);
    assert.equal(await ground(), dark);
    await page.click("#theme");
    assert.equal(await ground(), light);
  });

  await check("those who want no motion get none", async () => {
    await page.emulateMedia({ reducedMotion: "reduce" });
    const moving = await page.evaluate(() => document.getAnimations().length + [...document.querySelectorAll("body *")]
      .filter((e) => getComputedStyle(e).transitionDuration !== "0s" || getComputedStyle(e).animationName !== "none").length);
    await page.emulateMedia({ reducedMotion: "no-preference" });
    assert.equal(moving, 0);
  });
}
