// Wires the page: the stream in, the views out, and the address that says which sale is large.
import * as admin from "./admin.js";
import { get } from "./api.js";
import { $, h, text } from "./dom.js";
import { count, state } from "./format.js";
import { History, now } from "./history.js";
import { Link, Speaker } from "./link.js";
import { SaleView } from "./sale.js";
import * as side from "./side.js";
import { follow } from "./stream.js";

const link = new Link();
const speaker = new Speaker($("spoken"));
const view = new SaleView($("sale"), { admin: admin.open });
const histories = new Map();
/** Details of sales as GET answers them; the stream leaves out what seldom changes. */
const details = new Map();
let order = [];
/** The large sale when the address names none: once chosen it stays, also when it sells out under one's eyes. */
let pinned = null;
let heard = null;
let snapshot = null;

const RANK = ["open", "announced", "sold_out", "closed"];
const wanted = () => decodeURIComponent(location.hash.match(/^#sale=([^&]+)/)?.[1] ?? "") || null;

/** As they were first seen, newest first: sorted by activity, rows would dance under the pointer. */
function sorted() {
  const rank = (sale) => (RANK.indexOf(sale.state) + RANK.length + 1) % (RANK.length + 1);
  return [...snapshot.sales].sort((a, b) =>
    rank(a) - rank(b) || order.indexOf(a.sale_id) - order.indexOf(b.sale_id));
}

function received(next) {
  snapshot = next;
  heard = now();
  order = [...next.sales.map((s) => s.sale_id).filter((id) => !order.includes(id)), ...order];
  for (const sale of next.sales) {
    if (!histories.has(sale.sale_id)) histories.set(sale.sale_id, new History());
    histories.get(sale.sale_id).add(sale);
  }
  // The stream lists fifty at most; what left it keeps no series.
  const ids = new Set(next.sales.map((sale) => sale.sale_id));
  for (const id of histories.keys()) if (!ids.has(id)) histories.delete(id);
  show();
}

function ask(id, sale) {
  const mark = sale ? JSON.stringify([sale.name, sale.state, sale.capacity, sale.allowance]) : "quiet";
  if (details.get(id)?.mark === mark) return;
  const entry = { mark, sale: details.get(id)?.sale ?? null, missing: false };
  details.set(id, entry);
  get(`/v1/sales/${encodeURIComponent(id)}`).then(
    (found) => { entry.sale = found; },
    (refusal) => {
      entry.missing = refusal.status === 404 || refusal.status === 400;
      if (!entry.missing) setTimeout(() => { entry.mark = null; }, 3000);
    },
  ).finally(show);
}

function show() {
  link.show(snapshot?.replica, heard);
  const phase = snapshot ? "ready" : link.trying ? "loading" : "error";
  $("main").dataset.phase = phase;
  if (phase === "error") return message("The service cannot be read",
    "This page goes on trying; nothing needs to be reloaded. Sales go on or stand still independently of this page.");
  if (phase === "loading") return;
  $("main").removeAttribute("aria-busy");
  const age = now() - heard;
  const list = sorted();
  text($("sales-n"), count(list.length));
  const up = snapshot.replicas.filter((replica) => replica.up).length;
  text($("replicas-n"), `${up} of ${snapshot.replicas.length} up`);
  side.totals($("totals"), snapshot, list);
  side.replicas($("replicas"), snapshot.replicas, list, age);
  if (!list.some((sale) => sale.sale_id === pinned)) {
    const { sales } = snapshot;
    pinned = (sales.find((sale) => sale.state === "open") ?? sales[0])?.sale_id ?? null;
  }
  const id = wanted() ?? pinned;
  side.sales($("sales"), list, id);
  if (!list.length) $("sales").replaceChildren(h("li.none", "No sales yet."));
  if (!id) return empty();
  const live = list.find((sale) => sale.sale_id === id);
  ask(id, live);
  const { sale: detail, missing } = details.get(id);
  if (!live && !detail) {
    return missing ? message("There is no such sale", `The address names ${id}. Choose another from the list.`) : null;
  }
  const sale = live ?? { ...detail, holder: null, token: null };
  view.show({ sale, history: histories.get(id), replicas: snapshot.replicas, detail, age, live: link.live, quiet: !live });
  document.title = `${count(sale.left)} left · ${sale.name} · Leasehold`;
  const { word } = state(sale.state);
  speaker.say(`${id} ${sale.state} ${link.live}`,
    `${sale.name}: ${word}, ${sale.left} of ${sale.capacity} left. ${sale.holder ? `Lease held by ${sale.holder}.` : ""}${link.live ? "" : " Not live."}`);
}

function empty() {
  message("No sales yet", "Create one here, or with a POST to /v1/sales; it appears at once, on every open page.",
    h("button", { type: "button", onclick: () => admin.open("create") }, "Create a sale…"));
}

function message(title, words, ...more) {
  const host = $("sale");
  if (host.dataset.message === title) return;
  view.id = null;
  host.dataset.message = title;
  host.removeAttribute("data-state");
  host.replaceChildren(h("div.message", h("h1", title), h("p", words), ...more));
}

side.totals($("totals"), null);
admin.prepare(() => (snapshot ? sorted() : []));
$("admin-open").addEventListener("click", () => admin.open("create", wanted()));
addEventListener("hashchange", () => {
  show();
  // On a narrow page the list is far below what it chooses.
  const { top } = $("sale").getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) $("sale").scrollIntoView();
});
const again = follow("/v1/live", {
  snapshot: received,
  state(next) {
    if (link.live && next.kind !== "live") for (const history of histories.values()) history.cut();
    link.set(next);
    show();
  },
});
$("banner-now").addEventListener("click", again);
// Between snapshots: ages count on, and the charts move.
setInterval(show, 500);
