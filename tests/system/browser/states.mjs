// States that a real service does not show on request: the mock server plays them.
import assert from "node:assert/strict";
import { create, fared, heading, ready, rush } from "./hands.mjs";

const HOUR = 3_600_000;

export async function states({ page, url, key, mock, check, portrait, context }) {
  const { shop } = mock;
  const fresh = async () => {
    await page.goto("about:blank");
    await page.goto(url);
  };

  await check("while nothing has come, a skeleton", async () => {
    mock.mood = "silent";
    await fresh();
    await page.waitForSelector('#main[data-phase="loading"][aria-busy] .skeleton');
    await portrait("loading");
  });

  await check("what is not a snapshot is an error, in words", async () => {
    mock.mood = "rubbish";
    await fresh();
    await heading(page, "The service cannot be read");
    assert.match(await page.textContent("#banner"), /not a snapshot/);
    await portrait("rubbish");
  });

  await check("so is 503, and the page recovers from it", async () => {
    mock.mood = "unavailable";
    await fresh();
    await heading(page, "The service cannot be read");
    assert.match(await page.textContent("#banner"), /answers 503: .*\(unavailable\)/);
    await portrait("unavailable");
    mock.mood = "well";
    await page.click("#banner-now");
    await heading(page, "No sales yet");
  });

  await check("without sales it says how to make one", async () => {
    await portrait("empty");
    await page.click("#sale button");
    await page.waitForSelector("#admin[open]");
    await portrait("admin-create");
    await page.keyboard.press("Escape");
  });

  await check("a lost answer is asked for again with the same key", async () => {
    await fresh();
    await ready(page);
    // What the page asks, not what comes: the browser may send again by itself, with the same key.
    const keys = [];
    const note = (request) => {
      if (request.method() !== "POST") return;
      keys.push(request.headers()["idempotency-key"]);
      if (keys.length === 2) mock.loseAnswers = 0;
    };
    page.on("request", note);
    mock.loseAnswers = Infinity;
    await create(page, key, { name: "Coupon SPRING-20", capacity: 5000, unit_price_minor: 0 });
    page.off("request", note);
    assert.ok(keys.length >= 2, "it did not ask again");
    assert.equal(new Set(keys).size, 1);
    assert.equal(shop.sales.size, 1, "it was created more than once");
  });

  await check("an answer that never comes leaves the key for the next try", async () => {
    mock.changes.length = 0;
    mock.loseAnswers = Infinity;
    await page.click("#admin-open");
    await page.fill("#panel-create [name=name]", "Early bird");
    await page.fill("#panel-create [name=capacity]", "25");
    await page.click("#panel-create [type=submit]");
    await page.waitForFunction(() => /It may have happened/.test(document.querySelector("#panel-create .error").textContent));
    mock.loseAnswers = 0;
    await page.click("#panel-create [type=submit]");
    await heading(page, "Early bird");
    assert.equal(new Set(mock.changes.map((c) => c.idempotency)).size, 1);
    assert.equal(shop.sales.size, 2);
  });

  await check("a rush counts lost answers as unknown, and stops on request", async () => {
    mock.loseAnswers = Infinity;
    await rush(page, key, { buyers: 3, seconds: 0, quantity: 1 });
    assert.deepEqual(await fared(page), { sold: 0, refused: 0, unknown: 3 });
    mock.loseAnswers = 0;
    mock.changes.length = 0;
    await rush(page, key, { buyers: 5000, seconds: 300, quantity: 1 });
    await page.waitForFunction(() => document.querySelector("#rush dd").textContent !== "0");
    await page.click("#rush button:text('Stop')");
    await page.waitForSelector("#rush button:text('Dismiss')");
    const asked = mock.changes.length;
    await page.waitForTimeout(400);
    assert.equal(mock.changes.length, asked, "it went on");
    await page.click("#rush button");
  });

  let night;
  await check("a busy sale, its lease changing hands, and a replica that is gone", async () => {
    shop.create({ name: "Late show, balcony", capacity: 40, unit_price_minor: 1800, currency: "EUR", opens_at: new Date(Date.now() + HOUR).toISOString() });
    shop.create({ name: "Matinée", capacity: 60, unit_price_minor: 900, currency: "EUR", closes_at: new Date(Date.now() - HOUR).toISOString() });
    night = shop.create({ name: "Opening night, stalls", capacity: 100, allowance: 5, per_buyer_max: 4, unit_price_minor: 4200, currency: "EUR" });
    Object.assign(night, { held: 7, waiting: 12 });
    await page.goto(`${url}/#sale=${night.sale_id}`);
    await heading(page, night.name);
    await page.evaluate(() => {
      window.shifted = 0;
      new PerformanceObserver((list) => { for (const e of list.getEntries()) if (!e.hadRecentInput) window.shifted += e.value; })
        .observe({ type: "layout-shift" });
    });
    let n = 0;
    const crowd = setInterval(() => {
      if (Math.random() < 0.8) shop.buy(night, 1);
      n += 1;
      if (n % 20 === 0) shop.pass(night);
      if (n === 90) {
        shop.replicas[1].stale_refused += 1;
        shop.kill("replica-2");
      }
    }, 150);
    let shifted;
    try {
      await page.waitForSelector(".replicas .gone", { timeout: 60_000 });
      shifted = await page.evaluate(() => window.shifted);
      await portrait("busy");
      await portrait("busy-whole", { fullPage: true });
    } finally {
      clearInterval(crowd);
    }
    assert.ok(shifted < 0.02, `the layout moved by ${shifted}`);
    assert.match(await page.getAttribute(".lanes", "aria-label"), /changed hands \d+ times/);
    assert.match(await page.textContent("#totals .stale-writes"), /1/);
  });

  await check("announced and closed sales say so", async () => {
    for (const [name, state] of [["Late show, balcony", "announced"], ["Matinée", "closed"]]) {
      await page.click(`.sales a:has-text("${name}")`);
      await heading(page, name);
      await page.waitForSelector(`#sale .state[data-state="${state}"]`);
      await portrait(state);
    }
  });

  await check("a browser that is offline for a while recovers", async () => {
    await context.setOffline(true);
    try {
      await page.waitForSelector("#banner:not([hidden])");
    } finally {
      await context.setOffline(false);
    }
    await page.waitForSelector("#banner", { state: "hidden" });
  });
}
