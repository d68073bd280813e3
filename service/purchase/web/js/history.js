// What this page saw of the last seconds: the server keeps no series.

export const WINDOW_S = 60;

/** Seconds on a clock that nobody sets. */
export const now = () => performance.now() / 1000;

const FIELDS = ["left", "granted_per_s", "refused_per_s"];

export class History {
  constructor() {
    this.t = [];
    for (const name of FIELDS) this[name] = [];
    /** Who held the lease: `{from, to, holder, token}`. */
    this.turns = [];
    /** When the holder changed, with who had it before. */
    this.changes = [];
  }

  add(sale) {
    const t = now();
    const last = this.t.at(-1);
    // Nothing is sent while nothing changes: the last values held until now.
    if (last !== undefined && t - last > 1.2 && this.left.at(-1) !== null) {
      this.#push(t - 0.001, FIELDS.map((name) => this[name].at(-1)));
    }
    this.#push(t, FIELDS.map((name) => sale[name] ?? null));
    this.#turn(t, sale);
    this.#forget(t);
  }

  /** The stream was lost: a gap, not a line across what nobody saw. */
  cut() {
    if (!this.t.length || this.left.at(-1) === null) return;
    this.#push(now(), FIELDS.map(() => null));
    this.turns.push({ from: now(), to: now(), holder: null, token: null });
  }

  #push(t, values) {
    this.t.push(t);
    FIELDS.forEach((name, i) => this[name].push(values[i]));
  }

  #turn(t, { holder, token }) {
    const last = this.turns.at(-1);
    if (last) last.to = t;
    if (last && last.holder === holder) {
      last.token = token;
      return;
    }
    const before = this.turns.findLast((turn) => turn.holder);
    if (holder && before && before.holder !== holder) this.changes.push({ t, from: before.holder });
    this.turns.push({ from: t, to: t, holder, token });
  }

  #forget(t) {
    const oldest = t - WINDOW_S - 5;
    const gone = this.t.findIndex((at) => at >= oldest);
    if (gone > 20) for (const name of ["t", ...FIELDS]) this[name].splice(0, gone);
    this.turns = this.turns.filter((turn, i, all) => turn.to >= oldest || i === all.length - 1);
    this.changes = this.changes.filter((change, i, all) => change.t >= oldest || i === all.length - 1);
  }

  /** A series for a chart that ends now: `[seconds before now, values]`. */
  series(name, live) {
    const t = now();
    const xs = this.t.map((at) => at - t);
    const ys = [...this[name]];
    if (live && ys.length) {
      xs.push(0);
      ys.push(ys.at(-1));
    }
    return [xs, ys];
  }
}
