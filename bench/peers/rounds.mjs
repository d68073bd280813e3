// What contestants in JavaScript have in common (bench/src/peers.rs says how they are asked): rounds, sections,
// and what came of them. Each brings its own way to take a lock.
import { closeSync, openSync, unlinkSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";

// The folder with packages, and `lease` or `contend`.
export const [folder, question] = process.argv.slice(2);

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const say = (what) => console.log(typeof what === "string" ? what : JSON.stringify(what));
const ms = ({ secs, nanos }) => secs * 1e3 + nanos / 1e6;

export const order = JSON.parse(await next());

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

// Without contention: `pair(task)` takes the task's own lock and gives it back.
async function lease({ prepare, pair }, tasks, span) {
  await prepare?.(tasks);
  const begun = performance.now();
  const times = new Times();
  let pairs = 0;
  const one = async (task) => {
    while (performance.now() - begun < span) {
      const asked = performance.now();
      await pair(task);
      times.add(performance.now() - asked);
      pairs += 1;
    }
  };
  await Promise.all(Array.from({ length: tasks }, (_, task) => one(task)));
  return { pairs, micros: Math.round((performance.now() - begun) * 1e3), times: times.list() };
}

// One lock for all: `acquire(resource, task, isOver)` waits for it, and may give up when the time is over; then it
// has waited until then. The clock of node ticks in milliseconds, so its sections are longer than asked; what was
// held is measured.
async function contend({ acquire, release }, { plan, witness }) {
  const [span, section] = [ms(plan.span), ms(plan.section)];
  const [begun, times] = [performance.now(), new Times()];
  const isOver = () => performance.now() - begun >= span;
  const outcome = { sections: Array(plan.tasks).fill(0), acquired: 0, overlaps: 0 };
  let held = 0;
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
      const lock = await acquire(plan.resource, task, isOver);
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
      await release(lock);
      if (left - begun >= span) return;
    }
  };
  await Promise.all(Array.from({ length: plan.tasks }, (_, task) => one(task)));
  const [secs, rest] = [Math.floor(held / 1e3), held % 1e3];
  return { ...outcome, held: { secs, nanos: Math.round(rest * 1e6) }, waits: times.list() };
}

// Answers until there is nothing more to answer.
export async function play(contestant) {
  await contestant.prepare?.(order.plan?.tasks ?? 1);
  say("ready");
  for (let line = await next(); line !== undefined; line = await next()) {
    if (question === "contend") {
      say(await contend(contestant, order));
      break;
    }
    const [tasks, span] = line.split(" ").map(Number);
    say(await lease(contestant, tasks, span));
  }
  process.exit(0);
}
