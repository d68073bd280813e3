// Requests to the service. A change that got no answer may have happened: it is asked again with the same
// Idempotency-Key, never with a new one.

/** A refusal in the service's words: `status`, `code`, `detail`; `unsure` if the change may have happened. */
export class Refusal extends Error {
  constructor(status, code, detail, { after = 0, unsure = false } = {}) {
    super(`${detail} (${code})`);
    Object.assign(this, { status, code, after, unsure });
  }
}

/** A random UUID. `crypto.randomUUID` is absent where the page comes over plain HTTP. */
export function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 15) | 64;
  bytes[8] = (bytes[8] & 63) | 128;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function once(method, path, { key, body, idempotency }) {
  const headers = { accept: "application/json" };
  if (key) headers.authorization = `Bearer ${key}`;
  if (idempotency) headers["idempotency-key"] = idempotency;
  if (body) headers["content-type"] = "application/json";
  let answer, value;
  try {
    answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    value = await answer.json();
  } catch {
    if (answer && !answer.ok) throw new Refusal(answer.status, `status ${answer.status}`, "an answer without a reason");
    throw new Refusal(0, "no_answer", "the service did not answer", { unsure: true });
  }
  if (answer.ok) return value;
  const after = 1000 * (Number(answer.headers.get("retry-after")) || 0);
  const code = value.code ?? `status ${answer.status}`;
  throw new Refusal(answer.status, code, value.detail ?? value.title ?? "no reason given",
    { after, unsure: answer.status === 504 });
}

export const get = (path, key) => once("GET", path, { key });

/**
 * Sends a change until there is a definite answer, `tries` times at most. Throws the last refusal; it is
 * `unsure` if any attempt was, and no later one was answered.
 */
export async function change(method, path, { key, body, idempotency = uuid(), tries = 4 }) {
  let unsure = false;
  for (let n = 1; ; n += 1) {
    try {
      return await once(method, path, { key, body, idempotency });
    } catch (refusal) {
      // 503: nothing happened in this attempt. 409 with Retry-After: an attempt before is still running.
      const passes = refusal.unsure || refusal.status >= 502 || (refusal.status === 409 && refusal.after > 0);
      unsure ||= refusal.unsure;
      if (!passes) throw refusal;
      if (n >= tries) throw Object.assign(refusal, { unsure });
      await pause(Math.max(Math.min(refusal.after, 5000), 200 * 2 ** n * (0.5 + Math.random() / 2)));
    }
  }
}

/** Sends one form's changes: the same content keeps its key until an answer is definite. */
export class Sender {
  #last = { print: null, idempotency: null };

  async send(method, path, key, body) {
    const print = JSON.stringify([method, path, body]);
    if (this.#last.print !== print) this.#last = { print, idempotency: uuid() };
    try {
      const value = await change(method, path, { key, body, idempotency: this.#last.idempotency });
      this.#last.print = null;
      return value;
    } catch (refusal) {
      if (!refusal.unsure) this.#last.print = null;
      throw refusal;
    }
  }
}
