// npm's redlock 5 as a contestant (bench/src/peers.rs says how it is asked). Arguments: the folder with
// node_modules, and `lease` or `contend`.
import { closeSync, openSync, unlinkSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

const [folder, question] = process.argv.slice(2);

// From the folder that npm filled, which is not above this file.
const installed = createRequire(`${folder}/`);
const { default: Redlock, ExecutionError } = installed("redlock5");
const Redis = installed("ioredis");

const TTL_MS = 10_000;

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const say = (what) => console.log(typeof what === "string" ? what : JSON.stringify(what));

const order = JSON.parse(await next());
const clients = order.urls.map((url) => new Redis(url));
const ms = ({ secs, nanos }) => secs * 1e3 + nanos / 1e6;

// Times in microseconds and how often each was seen.
class Times {
  seen = new Map();
  add(ms) {
    const micros = Math.max(1, Math.round(ms * 1e3));
    this.seen.set(micros, (this.seen.get(micros) ?? 0) + 1);
  }
  list() {
    return [...this.seen];
  }
}

// Without contention: one try, as there is nobody to wait for.
async function lease(tasks, span) {
  const redlock = new Redlock(clients, { retryCount: 0 });
  const begun = performance.now();
  const times = new Times();
  let pairs = 0;
  const one = async (task) => {
    while (performance.now() - begun < span) {
      const asked = performance.now();
      const lock = await redlock.acquire([`bench/redlock/${task}`], TTL_MS);
      await lock.release();
      times.add(performance.now() - asked);
      pairs += 1;
    }
  };
  await Promise.all(Array.from({ length: tasks }, (_, task) => one(task)));
  return { pairs, micros: Math.round((performance.now() - begun) * 1e3), times: times.list() };
}

// With its defaults: ten tries with pauses of about 200 ms, and again when they were in vain. What a node
// granted stays taken through all ten, so several processes on several nodes can be in each other's way for as
// long as they try: who has nothing when the time is over gives up, having waited until then. The clock of node ticks in milliseconds, so its sections are longer than asked; what was held is measured.
async function contend({ plan, witness }) {
  const redlock = new Redlock(clients);
  redlock.on("error", () => {});
  const [span, section] = [ms(plan.span), ms(plan.section)];
  const [begun, times] = [performance.now(), new Times()];
  const outcome = { sections: Array(plan.tasks).fill(0), acquired: 0, overlaps: 0 };
  let held = 0;
  const acquire = async () => {
    for (;;) {
      try {
        return await redlock.acquire([plan.resource], TTL_MS);
      } catch (error) {
        if (!(error instanceof ExecutionError)) throw error;
        if (performance.now() - begun >= span) return null;
      }
    }
  };
  // A file that only one can make: it shows those of other processes, too.
  const enter = () => {
    try {
      closeSync(openSync(`${witness}.inside`, "wx"));
      return true;
    } catch {
      outcome.overlaps += 1;
      return false;
    }
  };
  const one = async (task) => {
    for (;;) {
      const asked = performance.now();
      const lock = await acquire();
      const entered = performance.now();
      if (lock === null) {
        times.add(entered - asked);
        return;
      }
      const alone = enter();
      outcome.acquired += 1;
      times.add(entered - asked);
      if (section > 0 && entered - begun < span) await sleep(section);
      if (alone) unlinkSync(`${witness}.inside`);
      const left = performance.now();
      held += Math.max(0, Math.min(left - begun, span) - (entered - begun));
      if (left - begun <= span) outcome.sections[task] += 1;
      await lock.release();
      if (left - begun >= span) return;
    }
  };
  await Promise.all(Array.from({ length: plan.tasks }, (_, task) => one(task)));
  const [secs, rest] = [Math.floor(held / 1e3), held % 1e3];
  return { ...outcome, held: { secs, nanos: Math.round(rest * 1e6) }, waits: times.list() };
}

await Promise.all(clients.map((client) => client.ping()));
say("ready");
for (let line = await next(); line !== undefined; line = await next()) {
  if (question === "contend") {
    say(await contend(order));
    break;
  }
  const [tasks, span] = line.split(" ").map(Number);
  say(await lease(tasks, span));
}
process.exit(0);
