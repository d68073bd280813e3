// The documentation page, which every service has.
import assert from "node:assert/strict";
import { accessible, fitsAt375 } from "./hands.mjs";

export async function docs({ page, url, check, portrait, axe }) {
  const description = await (await fetch(`${url}/v1/openapi.json`)).json();
  const operations = Object.values(description.paths).flatMap((item) => Object.values(item)).filter((one) => one.responses);

  await check("the API's description is readable and can be searched", async () => {
    await page.goto(`${url}/docs`);
    await page.waitForSelector("article.op");
    await accessible(page, axe);
    await fitsAt375(page);
    const all = await page.$$eval("article.op", (list) => list.length);
    assert.equal(all, operations.length);
    const wanted = Object.keys(description.paths).find((path) => path.startsWith("/v1/"));
    await page.keyboard.press("/");
    await page.keyboard.type(wanted);
    const found = await page.$$eval("article.op:not([hidden])", (list) => list.length);
    assert.ok(found > 0 && found < all, `${found} of ${all} found`);
    const line = await page.textContent("article.op:not([hidden]) .curl code");
    assert.match(line, /^curl .*\/v1\//);
    await page.fill("#search", "");
    await portrait("docs", { fullPage: true });
  });

  await check("the documentation page leads to a live page where there is one", async () => {
    assert.equal(await page.isVisible("#live"), "/v1/live" in description.paths);
    await page.click(".brand");
    await page.waitForLoadState();
    assert.equal(new URL(page.url()).pathname, "/v1/live" in description.paths ? "/" : "/docs");
  });
}
