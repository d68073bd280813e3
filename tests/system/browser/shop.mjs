// A shop for the mock server: sales, replicas and leases that behave as the API says, in memory. It is no
// test of the service; it gives the page something to show.
import { randomUUID } from "node:crypto";

const SPAN_MS = 2000;

export class Shop {
  constructor() {
    this.sales = new Map();
    this.replies = new Map();
    this.token = 1_751_884_422_100_736n;
    this.replicas = [1, 2, 3].map((n) => ({
      name: `replica-${n}`, up: true, seen: Date.now(), started_at: new Date().toISOString(),
      granted: 0, refused: 0, unknown: 0, stale_refused: 0, ticks: [],
    }));
  }

  create(wish) {
    const sale = {
      sale_id: randomUUID(), strategy: "leased", without_leases: "refuse", allowance: 0, per_buyer_max: null,
      opens_at: null, closes_at: null, reservation_seconds: 600, ...wish,
      sold: 0, held: 0, waiting: 0, version: 1, created_at: new Date().toISOString(),
      holder: null, token: null, batches: 0, units: 0, wrote: null, ticks: [], active: Date.now(),
    };
    this.sales.set(sale.sale_id, sale);
    return sale;
  }

  left(sale) { return sale.capacity + sale.allowance - sale.sold - sale.held; }

  state(sale) {
    if (sale.opens_at && Date.parse(sale.opens_at) > Date.now()) return "announced";
    if (sale.closes_at && Date.parse(sale.closes_at) <= Date.now()) return "closed";
    return this.left(sale) > 0 ? "open" : "sold_out";
  }

  /** As GET answers it. */
  view(sale) {
    const { holder, token, batches, units, wrote, ticks, active, ...told } = sale;
    return { ...told, left: this.left(sale), state: this.state(sale) };
  }

  buy(sale, quantity) {
    sale.active = Date.now();
    const up = this.replicas.filter((replica) => replica.up);
    const holder = up.find((replica) => replica.name === sale.holder) ?? this.pass(sale);
    if (!holder) return "unavailable";
    const granted = this.state(sale) === "open" && this.left(sale) >= quantity;
    if (granted) {
      sale.sold += quantity;
      sale.version += 1;
      sale.units += quantity;
      if (Math.random() < 0.3 || !sale.batches) sale.batches += 1;
      sale.wrote = Date.now();
    }
    for (const one of [sale, holder]) one.ticks.push({ at: Date.now(), granted });
    holder[granted ? "granted" : "refused"] += 1;
    return granted ? "granted" : "sold_out";
  }

  /** The sale's lease goes to the next replica that is up. */
  pass(sale) {
    const up = this.replicas.filter((replica) => replica.up);
    const next = up[(up.findIndex((replica) => replica.name === sale.holder) + 1) % up.length];
    this.token += 1024n;
    Object.assign(sale, { holder: next?.name ?? null, token: next ? String(this.token) : null });
    return next;
  }

  kill(name) {
    const replica = this.replicas.find((one) => one.name === name);
    Object.assign(replica, { up: false, seen: Date.now() - 5200 });
    for (const sale of this.sales.values()) if (sale.holder === name) Object.assign(sale, { holder: null, token: null });
  }

  snapshot() {
    const now = Date.now();
    const rates = (one) => {
      one.ticks = one.ticks.filter((tick) => tick.at > now - SPAN_MS);
      const per = (granted) => (1000 * one.ticks.filter((tick) => tick.granted === granted).length) / SPAN_MS;
      return { granted_per_s: per(true), refused_per_s: per(false) };
    };
    const replicas = this.replicas.map(({ ticks, seen, ...replica }) => {
      const { granted_per_s, refused_per_s } = rates({ ticks });
      return {
        ...replica, seen_ms_ago: replica.up ? 120 : now - seen, granted_per_s, refused_per_s,
        p50_ms: 2.1, p99_ms: 8.4 + Math.round(granted_per_s) / 10, under_way: Math.round(granted_per_s / 8),
      };
    });
    const sum = (name) => replicas.reduce((total, replica) => total + replica[name], 0);
    const sales = [...this.sales.values()].sort((a, b) => b.active - a.active).slice(0, 50).map((sale) => ({
      sale_id: sale.sale_id, name: sale.name, state: this.state(sale), capacity: sale.capacity,
      allowance: sale.allowance, sold: sale.sold, held: sale.held, waiting: sale.waiting, left: this.left(sale),
      version: sale.version, ...rates(sale), batches: sale.batches,
      units_per_batch: sale.batches ? sale.units / sale.batches : 0, holder: sale.holder, token: sale.token,
      last_write_ms_ago: sale.wrote ? now - sale.wrote : null,
    }));
    const names = ["granted", "refused", "unknown", "stale_refused", "granted_per_s", "refused_per_s"];
    return {
      at: new Date().toISOString(), replica: "replica-1", replicas, sales,
      totals: Object.fromEntries(names.map((name) => [name, sum(name)])),
    };
  }
}
