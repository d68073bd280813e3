// npm's redlock 4, as users of the 4.x line call it. Arguments: the folder with node_modules, and the
// addresses of the nodes.
import { clients, library, serve } from "./lines.mjs";

const Redlock = library("redlock4");
const redlock = new Redlock(clients(), { retryCount: 0 });

// It answers "held" and "no node answers" with the same error; a node's own error tells them apart.
let broken = null;
redlock.on("clientError", (error) => (broken = error));

async function unlessRefused(done, refused, call) {
  broken = null;
  try {
    await call();
    return done;
  } catch (error) {
    if (broken) throw broken;
    if (!(error instanceof Redlock.LockError)) throw error;
    return refused;
  }
}

let lock = null;

await serve({
  acquire: (name, ttl) =>
    unlessRefused("granted", "held", async () => (lock = await redlock.lock(name, Number(ttl)))),
  extend: (ttl) =>
    unlessRefused("extended", "lost", async () => (lock = await lock.extend(Number(ttl)))),
  release: () => unlessRefused("released", "lost", () => lock.unlock()),
});
