// Numbers and times as text: the same in every locale, and of steady width.

const isNumber = (n) => typeof n === "number" && Number.isFinite(n);

/** 12345 → "12 345", with a space that is narrow and does not break. */
export function count(n) {
  if (!isNumber(n)) return "–";
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, "\u202f");
}

/** One decimal, always: a digit that comes and goes makes the line jump. */
export function rate(n) {
  if (!isNumber(n)) return "–";
  if (n >= 1000) return count(n);
  return n.toFixed(1);
}

export function ms(n) {
  if (!isNumber(n)) return "–";
  if (n >= 9950) return `${(n / 1000).toFixed(1)} s`;
  return n >= 99.5 ? `${Math.round(n)} ms` : `${n.toFixed(1)} ms`;
}

/** How long: for what is shown again every half second. */
export function span(seconds) {
  if (!isNumber(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 120) return `${Math.round(s)} s`;
  if (s < 7200) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86400)} d`;
}

export const percent = (part, whole) => (whole > 0 ? Math.min(100, (100 * part) / whole) : 0);

export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

/** A state is a shape and a word; colour only repeats it. */
export const STATES = {
  announced: { mark: "◇", word: "announced" },
  open: { mark: "●", word: "open" },
  sold_out: { mark: "■", word: "sold out" },
  closed: { mark: "▲", word: "closed" },
};

export const state = (name) => STATES[name] ?? { mark: "?", word: String(name) };
