// The selected sale, large.
import { Chart } from "./chart.js";
import { Lanes } from "./lanes.js";
import { now } from "./history.js";
import { attr, h, text } from "./dom.js";
import { count, percent, plural, rate, span, state } from "./format.js";

/** Up to here the bar shows single units, as a strip of tickets. */
const UNITS_SEEN = 120;

export class SaleView {
  constructor(host, { admin }) {
    this.host = host;
    this.admin = admin;
    this.id = null;
  }

  #build() {
    const p = (this.parts = {});
    const part = (name, tag, ...rest) => (p[name] = h(tag, ...rest));
    const pair = (label, ...value) => h("div", h("dt", label), h("dd", ...value));
    const row = (label, value, chart) => h("div.row", h("div.what", h("span", label), value), chart);
    this.root = [
      h("header.sale-head",
        part("name", "h1", { dir: "auto" }),
        part("state", "span.state"),
        h("span.asof", { "aria-hidden": "true" }),
        h("p.meta", part("meta", "span"))),
      h("div.stock",
        h("p.left", part("left", "span.left-n"), " ", part("of", "span.left-of")),
        part("bar", "div.stock-bar", { role: "img" },
          part("barSold", "i.sold"), part("barHeld", "i.held")),
        h("dl.legend",
          pair([h("i.key.sold"), "sold"], part("sold", "b")),
          pair([h("i.key.held"), "held by reservations"], part("held", "b")),
          pair("waiting list", part("waiting", "b")))),
      h("div.rows",
        row("Left", part("leftNow", "b"), part("leftChart", "div.plot")),
        row("Granted per s", part("granted", "b.good"), part("grantedChart", "div.plot")),
        row("Refused per s", part("refused", "b.bad"), part("refusedChart", "div.plot")),
        h("div.row.lease-row",
          h("div.what", h("span", "Lease"), part("names", "ul.lane-names")),
          part("lanes", "div.lanes")),
        h("div.axis", { "aria-hidden": "true" }, h("span", "60 s ago"), h("span", "40"), h("span", "20"), h("span", "now"))),
      h("dl.facts",
        pair("Lease held by", part("holder", "b.holder"), part("moved", "small")),
        pair("Fencing token", part("token", "b.token"), h("small", "grows with every turn")),
        pair("Batches", part("batches", "b"), part("units", "small")),
        pair("Last write", part("wrote", "b"), part("version", "small"))),
      h("div.sale-actions",
        h("button", { type: "button", onclick: () => this.admin("rush", this.id) }, "Start a demo rush…"),
        h("button.quiet", { type: "button", onclick: () => this.admin("change", this.id) }, "Change stock…")),
    ];
    this.host.replaceChildren(...this.root);
    p.charts = {
      left: new Chart(p.leftChart, { label: "Units left", line: "--ink2", show: count, steps: true }),
      granted_per_s: new Chart(p.grantedChart, { label: "Granted per second", line: "--good", show: tick }),
      refused_per_s: new Chart(p.refusedChart, { label: "Refused per second", line: "--bad", show: tick }),
    };
    p.track = new Lanes(p.names, p.lanes);
  }

  /** `age` is how old the numbers are, in seconds; `live` says whether more will come. */
  show({ sale, history, replicas, detail, age, live, quiet }) {
    if (!this.root) this.#build();
    if (this.id !== sale.sale_id) {
      // Built once: charts are not cheap, and each listens to the window.
      if (!this.root[0].isConnected) this.host.replaceChildren(...this.root);
      delete this.host.dataset.message;
      this.id = sale.sale_id;
      this.token = undefined;
    }
    const p = this.parts;
    const total = sale.capacity + (sale.allowance ?? 0);
    const { mark, word } = state(sale.state);
    text(p.name, sale.name);
    text(p.state, `${mark} ${word}`);
    attr(p.state, "data-state", sale.state);
    attr(this.host, "data-state", sale.state);
    text(p.meta, about(detail, quiet));
    text(p.left, count(sale.left));
    // As wide as it will ever be: the bar beside it must not move when a digit goes.
    p.left.style.setProperty("--digits", count(total).length);
    p.left.classList.toggle("long", total >= 1e5);
    const extra = sale.allowance ? ` + ${count(sale.allowance)} allowance` : "";
    text(p.of, `left of ${count(sale.capacity)}${extra}`);
    p.barSold.style.width = `${percent(sale.sold, total)}%`;
    p.barHeld.style.width = `${percent(sale.held, total)}%`;
    p.bar.style.setProperty("--units", total);
    p.bar.classList.toggle("tickets", total <= UNITS_SEEN);
    attr(p.bar, "aria-label", `${count(sale.sold)} sold, ${count(sale.held)} held, ${count(sale.left)} left of ${count(total)}`);
    text(p.sold, count(sale.sold));
    text(p.held, count(sale.held));
    text(p.waiting, count(sale.waiting));
    text(p.leftNow, count(sale.left));
    text(p.granted, rate(sale.granted_per_s));
    text(p.refused, rate(sale.refused_per_s));
    p.charts.left.most = total;
    for (const [name, chart] of Object.entries(p.charts)) {
      chart.draw(history ? history.series(name, live) : [[], []]);
    }
    p.track.draw(history, replicas, live);
    this.#lease(sale, history);
    text(p.batches, count(sale.batches));
    text(p.units, `${rate(sale.units_per_batch)} units each`);
    const wrote = sale.last_write_ms_ago;
    text(p.wrote, typeof wrote === "number" ? `${span(wrote / 1000 + age)} ago` : "none yet");
    text(p.version, `version ${count(sale.version)}`);
  }

  #lease({ holder, token }, history) {
    const p = this.parts;
    text(p.holder, holder ?? "nobody");
    p.holder.classList.toggle("nobody", !holder);
    const last = history?.changes.at(-1);
    const since = last ? now() - last.t : null;
    text(p.moved, last ? `⇄ from ${last.from}, ${span(since)} ago` : "no change of hands seen");
    p.holder.parentElement.classList.toggle("fresh", since !== null && since < 2);
    if (token === this.token) return;
    // The digits that moved stand out; a token is long, and most of it stays.
    const next = token ?? "–";
    const had = this.token ?? next;
    let same = 0;
    while (same < next.length && next[same] === had[same]) same += 1;
    if (next.length !== had.length) same = 0;
    p.token.replaceChildren(h("span", next.slice(0, same)), h("mark", next.slice(same)));
    this.token = token;
  }
}

const tick = (n) => (n < 10 && n % 1 ? n.toFixed(1) : count(n));

function about(detail, quiet) {
  if (!detail) return quiet ? "not in the live stream; as it was when this page asked" : "\u00a0";
  const facts = [price(detail)];
  if (detail.per_buyer_max) facts.push(`${plural(detail.per_buyer_max, "unit")} a buyer at most`);
  if (detail.opens_at) facts.push(`opens ${time(detail.opens_at)}`);
  if (detail.closes_at) facts.push(`closes ${time(detail.closes_at)}`);
  if (detail.strategy === "leased") {
    facts.push(`${detail.without_leases === "continue" ? "goes on" : "refuses"} without leases`);
  } else {
    facts.push(`granted by ${detail.strategy.replace("_", " ")}`);
  }
  if (quiet) facts.push("not in the live stream; as it was when this page asked");
  return facts.join(" · ");
}

const time = (at) => `${String(at).slice(0, 16).replace("T", " ")} UTC`;

function price({ unit_price_minor: minor, currency }) {
  let digits = 2;
  try {
    digits = new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
  } catch {} // not a code that the browser knows
  const text = String(minor).padStart(digits + 1, "0");
  return `${digits ? `${text.slice(0, -digits)}.${text.slice(-digits)}` : text} ${currency}`;
}
