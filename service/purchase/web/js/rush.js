// A crowd of buyers, played by this browser, and how it is told to fare.
import { change, pause } from "./api.js";
import { $, h, text } from "./dom.js";
import { count, percent, span } from "./format.js";

/** Browsers open six connections to an HTTP/1.1 server, and the live stream has one. */
const AT_ONCE = 5;

export class Rush {
  constructor({ sale, buyers, seconds, quantity, key }) {
    Object.assign(this, { sale, buyers, seconds, quantity, key });
    Object.assign(this, { sold: 0, refused: 0, unknown: 0, next: 0, stopped: false, problem: "" });
    this.codes = new Map();
    this.name = Date.now().toString(36);
  }

  get answered() { return this.sold + this.refused + this.unknown; }

  /** Ends when every buyer has an answer, or after `stop()` those that had begun. */
  async run() {
    this.began = performance.now();
    await Promise.all(Array.from({ length: AT_ONCE }, () => this.#worker()));
    this.ended = performance.now();
  }

  stop() { this.stopped = true; }

  async #worker() {
    while (!this.stopped && this.next < this.buyers) {
      const n = this.next++;
      const due = this.began + (1000 * this.seconds * n) / this.buyers;
      while (!this.stopped && performance.now() < due) await pause(Math.min(200, due - performance.now()));
      if (this.stopped) return;
      await this.#buy(n);
    }
  }

  async #buy(n) {
    const path = `/v1/sales/${encodeURIComponent(this.sale.sale_id)}/purchases`;
    const body = { buyer: `demo-${this.name}-${n + 1}`, quantity: this.quantity };
    try {
      await change("POST", path, { key: this.key, body });
      this.sold += 1;
    } catch (refusal) {
      const { status, code, unsure, message } = refusal;
      // No answer is not a no: the sale may have happened.
      if (unsure) this.unknown += 1;
      else this.refused += 1;
      this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
      // What every further buyer would be told as well is said once.
      if ([400, 401, 403, 404, 422].includes(status)) {
        this.problem = `Stopped: ${message}`;
        this.stop();
      }
    }
  }
}

let current = null;

/** Starts a rush and shows it in `#rush`; one at a time. */
export async function start(plan) {
  current?.stop();
  const rush = (current = new Rush(plan));
  const host = $("rush");
  const p = {};
  const part = (name, tag, ...rest) => (p[name] = h(tag, ...rest));
  const pair = (label, name, kind) => h("div", h("dt", label), part(name, `dd.${kind}`, "0"));
  host.replaceChildren(
    h("h2", "Demo rush on ", h("span", { dir: "auto" }, plan.sale.name)),
    h("dl", pair("sold", "sold", "good"), pair("refused", "refused", "bad"), pair("unknown", "unknown", "odd")),
    h("p", part("progress", "span"), " ", part("codes", "small")),
    part("button", "button", { type: "button", onclick: () => (rush.ended ? (host.hidden = true) : rush.stop()) }, "Stop"),
    h("div.through", { "aria-hidden": "true" }, part("bar", "i")),
    part("end", "p.hidden-text", { role: "status" }));
  host.hidden = false;
  const show = () => {
    for (const name of ["sold", "refused", "unknown"]) text(p[name], count(rush[name]));
    const took = span(((rush.ended ?? performance.now()) - rush.began) / 1000);
    text(p.progress, `${count(rush.answered)} of ${count(rush.buyers)} buyers answered in ${took}`);
    const codes = [...rush.codes].map(([code, n]) => `${code} ${count(n)}`).join(" · ");
    text(p.codes, rush.problem || codes);
    p.bar.style.width = `${percent(rush.answered, rush.buyers)}%`;
    text(p.button, rush.ended ? "Dismiss" : rush.stopped ? "Stopping…" : "Stop");
  };
  const timer = setInterval(show, 200);
  const running = rush.run();
  show();
  host.scrollIntoView({ block: "nearest" });
  await running;
  clearInterval(timer);
  show();
  host.dataset.ended = "yes";
  text(p.end, `The rush has ended: ${rush.sold} sold, ${rush.refused} refused, ${rush.unknown} unknown. ${rush.problem}`);
}
