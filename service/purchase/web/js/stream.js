// The live stream. With fetch and not EventSource: that one hides the server's comments, so that a dead
// connection looks like a quiet one, and it hides the status, so that 503 looks like no network.

const SILENCE_MS = 35_000; // the server says something every 15 s
const WAIT_MS = { first: 400, most: 10_000 };
const FRAME_MAX = 4_000_000;

/**
 * Follows `url` for ever. `on.snapshot(value)` gets each snapshot; `on.state(s)` each change:
 * `{kind: "connecting" | "live" | "lost" | "error", why, retryAt}` with `retryAt` in `performance.now()` time.
 * Returns a function that tries again at once.
 */
export function follow(url, on) {
  let failures = 0;
  let wake = () => {};

  async function run() {
    for (;;) {
      const ended = await once();
      failures += 1;
      // Between half and all of a doubling wait: pages that lost the same server do not come back together.
      const most = Math.min(WAIT_MS.most, WAIT_MS.first * 2 ** Math.min(failures, 10));
      const wait = Math.max(ended.after ?? 0, most * (0.5 + Math.random() / 2));
      on.state({ ...ended, retryAt: performance.now() + wait });
      await new Promise((done) => {
        const timer = setTimeout(done, wait);
        wake = () => (clearTimeout(timer), done());
      });
      on.state({ ...ended, retryAt: null });
    }
  }

  async function once() {
    const stop = new AbortController();
    let timer = 0;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => stop.abort("nothing came for 35 s"), SILENCE_MS);
    };
    // A connection over a network that is gone says nothing for long; asking anew tells at once.
    const offline = () => stop.abort("this device went offline");
    addEventListener("offline", offline);
    try {
      heard();
      const answer = await fetch(url, {
        signal: stop.signal, cache: "no-store", headers: { accept: "text/event-stream" },
      });
      const refused = await whyNot(answer);
      if (refused) return refused;
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) return { kind: "lost", why: "the server ended the stream" };
        heard();
        const frames = (rest + value).split(/\r?\n\r?\n/);
        rest = frames.pop();
        if (rest.length > FRAME_MAX) return unreadable;
        for (const frame of frames) {
          const found = snapshot(frame);
          if (found === unreadable) return unreadable;
          if (!found && !frame.startsWith(":")) continue;
          failures = 0;
          on.state({ kind: "live", why: "", retryAt: null });
          if (found) on.snapshot(found);
        }
      }
    } catch {
      return { kind: "lost", why: stop.signal.aborted ? stop.signal.reason : "no connection" };
    } finally {
      clearTimeout(timer);
      removeEventListener("offline", offline);
      stop.abort();
    }
  }

  addEventListener("online", () => wake());
  run();
  return () => wake();
}

const unreadable = { kind: "error", why: "the stream cannot be read: not a snapshot" };

async function whyNot(answer) {
  const type = answer.headers.get("content-type") ?? "no type";
  if (answer.ok && type.startsWith("text/event-stream")) return null;
  const after = 1000 * Math.min(30, Number(answer.headers.get("retry-after")) || 0);
  if (answer.ok) return { kind: "error", why: `the answer is ${type}, not a live stream`, after };
  const problem = await answer.json().catch(() => ({}));
  const said = problem.detail ? `: ${problem.detail} (${problem.code})` : "";
  return { kind: "error", why: `the server answers ${answer.status}${said}`, after };
}

function snapshot(frame) {
  let event = "message";
  const data = [];
  for (const line of frame.split(/\r?\n/)) {
    const at = line.indexOf(":");
    const name = at < 0 ? line : line.slice(0, at);
    const value = at < 0 ? "" : line.slice(at + 1).replace(/^ /, "");
    if (name === "event") event = value;
    if (name === "data") data.push(value);
  }
  if (event !== "snapshot" || !data.length) return null;
  try {
    const value = JSON.parse(data.join("\n"));
    const whole = Array.isArray(value.sales) && Array.isArray(value.replicas) && value.totals;
    return whole ? value : unreadable;
  } catch {
    return unreadable;
  }
}
