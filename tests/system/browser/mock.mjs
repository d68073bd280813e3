// Serves the page as the service does, with the same policy, over a shop in memory. Its live stream can be
// cut, refused or filled with rubbish.
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { Shop } from "./shop.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
/** Where the pages' files are: the live page's, and the documentation page's, which are shared. */
export const WEBS = ["purchase", "kit"].map((name) => join(HERE, "../../../service", name, "web"));
export const ADMIN_KEY = "admin-key-of-the-mock-server";

export const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
  + "img-src 'self' data:; font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

const TYPES = {
  ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
};

export class Mock {
  shop = new Shop();
  /** How the live stream answers: "well", "silent" (nothing yet), "unavailable" or "rubbish". */
  mood = "well";
  /** So many of the next changes are done, but their answers are lost. */
  loseAnswers = 0;
  /** What came, for tests to look at: method, path and Idempotency-Key. */
  changes = [];
  #streams = new Set();

  async start(port = 0) {
    this.server = createServer((request, response) => {
      this.#answer(request, response).catch((error) => response.destroy(error));
    });
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    this.timer = setInterval(() => this.tell(), 500);
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  stop() {
    clearInterval(this.timer);
    this.server.closeAllConnections();
    this.server.close();
  }

  /** Ends the streams as a dying replica does, and answers later ones as `mood` says. */
  cut(mood = "unavailable") {
    this.mood = mood;
    for (const stream of this.#streams) stream.destroy();
    this.#streams.clear();
  }

  tell() {
    const frame = `event: snapshot\ndata: ${JSON.stringify(this.shop.snapshot())}\n\n`;
    for (const stream of this.#streams) stream.write(frame);
  }

  async #answer(request, response) {
    response.setHeader("content-security-policy", POLICY);
    response.setHeader("x-content-type-options", "nosniff");
    response.setHeader("referrer-policy", "no-referrer");
    const { pathname: path } = new URL(request.url, "http://mock");
    if (path === "/v1/live") return this.#live(response);
    if (path === "/v1/openapi.json") return this.#file(response, join(HERE, "openapi.sample.json"), "application/json");
    if (path.startsWith("/v1/")) return this.#api(request, response, path);
    const name = { "/": "index.html", "/docs": "docs.html" }[path] ?? normalize(path).replace(/^\/assets\//, "");
    const web = WEBS.find((folder) => existsSync(join(folder, name))) ?? WEBS[0];
    return this.#file(response, join(web, name), TYPES[extname(name)]);
  }

  async #file(response, path, type) {
    const bytes = await readFile(path).catch(() => null);
    if (!bytes) return problem(response, 404, "not_found", "there is no such route");
    response.writeHead(200, { "content-type": type }).end(bytes);
  }

  #live(response) {
    if (this.mood === "silent") return;
    if (this.mood === "unavailable") return problem(response, 503, "unavailable", "a server that is needed does not answer");
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    if (this.mood === "rubbish") return response.write("event: snapshot\ndata: {\"sales\":7\n\n");
    this.#streams.add(response);
    response.on("close", () => this.#streams.delete(response));
    this.tell();
  }

  async #api(request, response, path) {
    const { shop } = this;
    const [, , , id, what] = path.split("/");
    const sale = shop.sales.get(id);
    if (id && !sale) return problem(response, 404, "not_found", "there is no such sale");
    if (request.method === "GET") {
      return json(response, 200, sale ? shop.view(sale) : { sales: [...shop.sales.values()].map((s) => shop.view(s)), next: null });
    }
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString() || "{}");
    const idempotency = request.headers["idempotency-key"];
    this.changes.push({ method: request.method, path, idempotency });
    if (request.headers.authorization !== `Bearer ${ADMIN_KEY}`) return problem(response, 401, "unauthorized", "the API key is not known");
    if (!idempotency) return problem(response, 400, "idempotency_key_missing", "send an Idempotency-Key");
    const reply = shop.replies.get(idempotency) ?? this.#change(request.method, sale, what, body);
    if (reply[0] < 300) shop.replies.set(idempotency, reply);
    if (this.loseAnswers > 0) {
      this.loseAnswers -= 1;
      return response.destroy();
    }
    return json(response, ...reply);
  }

  #change(method, sale, what, body) {
    const { shop } = this;
    if (!sale) {
      if (body.capacity > 1_000_000) return [400, refused(400, "invalid_request", "capacity is over 1000000")];
      return [201, shop.view(shop.create(body))];
    }
    if (method === "PATCH") return [200, shop.view(Object.assign(sale, body, { version: sale.version + 1 }))];
    if (what !== "purchases") return [404, refused(404, "not_found", "there is no such route")];
    const outcome = shop.buy(sale, body.quantity);
    if (outcome === "granted") return [201, { purchase_id: crypto.randomUUID(), sale_id: sale.sale_id, ...body, status: "confirmed" }];
    if (outcome === "sold_out") return [409, refused(409, "sold_out", "nothing is left")];
    return [503, refused(503, "unavailable", "no replica is up")];
  }
}

const refused = (status, code, detail) => ({ title: code, status, code, detail });
const problem = (response, status, code, detail) => json(response, status, refused(status, code, detail));

function json(response, status, value) {
  const type = status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { "content-type": type }).end(JSON.stringify(value));
}

// On its own, for work on the page: `node mock.mjs [PORT]`.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = new Mock();
  const sale = mock.shop.create({ name: "Opening night", capacity: 200, unit_price_minor: 2500, currency: "EUR" });
  console.log(`${await mock.start(Number(process.argv[2] ?? 8099))} with the admin key ${ADMIN_KEY}`);
  setInterval(() => mock.shop.buy(sale, 1), 400);
  setInterval(() => mock.shop.pass(sale), 4000);
}
