// What stands around the selected sale: totals, the other sales, the replicas.
import { attr, h, keyed, text } from "./dom.js";
import { count, ms, percent, plural, rate, span, state } from "./format.js";

/** One of each name in `spec`, found again by name. */
const parts = (element) =>
  (element.parts ??= Object.fromEntries([...element.querySelectorAll("[data-p]")].map((e) => [e.dataset.p, e])));
const slot = (name, tag = "b") => h(tag, { "data-p": name }, "–");
const pair = (label, ...value) => h("div", h("dt", label), h("dd", ...value));

/** Before the first snapshot, without one: dashes where the numbers will be. */
export function totals(host, snapshot, sales) {
  if (!host.dataset.built) {
    host.dataset.built = "yes";
    host.replaceChildren(h("dl",
      pair("Granted", slot("granted"), slot("grantedRate", "small")),
      pair("Refused", slot("refused"), slot("refusedRate", "small")),
      pair("Unknown", slot("unknown"), h("small", "can ask again")),
      pair("Left, open sales", slot("left"), slot("open", "small")),
      pair("Slowest replica", slot("p99"), slot("p50", "small")),
      h("div.stale-writes",
        h("dt", "Stale writes blocked"),
        h("dd", slot("stale"),
          h("small", "A replica whose lease had passed on tried to write; its older token was refused, and nothing was sold twice.")))));
  }
  if (!snapshot) return;
  const { totals: all, replicas } = snapshot;
  const p = parts(host);
  text(p.granted, count(all.granted));
  text(p.grantedRate, `${rate(all.granted_per_s)} per s`);
  text(p.refused, count(all.refused));
  text(p.refusedRate, `${rate(all.refused_per_s)} per s`);
  text(p.unknown, count(all.unknown));
  text(p.stale, count(all.stale_refused));
  p.stale.closest("div").classList.toggle("some", all.stale_refused > 0);
  const open = sales.filter((sale) => sale.state === "open");
  text(p.left, count(open.reduce((sum, sale) => sum + sale.left, 0)));
  text(p.open, plural(open.length, "open sale"));
  const slow = replicas.filter((r) => r.up).sort((a, b) => b.p99_ms - a.p99_ms)[0];
  text(p.p99, slow ? `p99 ${ms(slow.p99_ms)}` : "–");
  text(p.p50, slow ? `p50 ${ms(slow.p50_ms)} · ${slow.name}` : "no replica is up");
}

export function sales(host, list, selected) {
  keyed(host, list, (sale) => sale.sale_id, saleRow, (row, sale) => {
    const p = parts(row);
    const total = sale.capacity + (sale.allowance ?? 0);
    const { mark, word } = state(sale.state);
    text(p.name, sale.name);
    text(p.state, `${mark} ${word}`);
    attr(p.state, "data-state", sale.state);
    text(p.left, count(sale.left));
    text(p.of, `of ${count(sale.capacity)} left`);
    p.bar.style.width = `${percent(sale.sold, total)}%`;
    p.held.style.width = `${percent(sale.held, total)}%`;
    text(p.rate, `${rate(sale.granted_per_s)} granted, ${rate(sale.refused_per_s)} refused per s`);
    text(p.holder, sale.holder ? `lease: ${sale.holder}` : "no lease");
    if (sale.sale_id === selected) attr(row.firstChild, "aria-current", "true");
    else row.firstChild.removeAttribute("aria-current");
  });
}

function saleRow(sale) {
  return h("li", h("a", { href: `#sale=${encodeURIComponent(sale.sale_id)}` },
    h("span.line", h("span.name", { "data-p": "name", dir: "auto" }), h("span.state", { "data-p": "state" })),
    h("span.line", h("span", slot("left"), " ", slot("of", "span")), h("span.mini", { "aria-hidden": "true" },
      h("i.sold", { "data-p": "bar" }), h("i.held", { "data-p": "held" }))),
    h("span.line.small", slot("rate", "span"), slot("holder", "span"))));
}

export function replicas(host, list, sales, age) {
  const sorted = [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
  keyed(host, sorted, (replica) => replica.name, replicaRow, (row, replica) => {
    const p = parts(row);
    const held = sales.filter((sale) => sale.holder === replica.name).length;
    row.classList.toggle("gone", !replica.up);
    text(p.name, replica.name);
    attr(p.name, "title", replica.name);
    text(p.up, replica.up ? "● up" : `✕ gone · seen ${span(replica.seen_ms_ago / 1000 + age)} ago`);
    text(p.holds, replica.up && held ? `holds ${plural(held, "lease")}` : "");
    text(p.stale, replica.stale_refused ? `${plural(replica.stale_refused, "stale write")}` : "");
    text(p.granted, count(replica.granted));
    text(p.grantedRate, `${rate(replica.up ? replica.granted_per_s : 0)}/s`);
    text(p.refused, count(replica.refused));
    text(p.refusedRate, `${rate(replica.up ? replica.refused_per_s : 0)}/s`);
    text(p.p99, replica.up ? ms(replica.p99_ms) : "–");
    text(p.p50, replica.up ? `p50 ${ms(replica.p50_ms)}` : "p50 –");
    text(p.busy, replica.up ? count(replica.under_way) : "–");
    text(p.unknown, `${count(replica.unknown)} unknown`);
  });
}

function replicaRow() {
  return h("li",
    h("p.line", h("b.name", { "data-p": "name" }), h("span.chip.leases", { "data-p": "holds" }), h("span.chip", { "data-p": "stale" }), h("span.up", { "data-p": "up" })),
    h("dl",
      pair("granted", slot("granted"), slot("grantedRate", "small")),
      pair("refused", slot("refused"), slot("refusedRate", "small")),
      pair("p99", slot("p99"), slot("p50", "small")),
      pair("under way", slot("busy"), slot("unknown", "small"))));
}
