// npm's redlock 5 as a contestant. The folder has its node_modules.
import { createRequire } from "node:module";

import { folder, order, play } from "./rounds.mjs";

// From the folder that npm filled, which is not above this file.
const installed = createRequire(`${folder}/`);
const { default: Redlock, ExecutionError } = installed("redlock5");
const Redis = installed("ioredis");

const TTL_MS = 10_000;

const clients = order.urls.map((url) => new Redis(url));
await Promise.all(clients.map((client) => client.ping()));

// One try where there is nobody to wait for.
const once = new Redlock(clients, { retryCount: 0 });
// With its defaults: ten tries with pauses of about 200 ms.
const patient = new Redlock(clients);
patient.on("error", () => {});

await play({
  async pair(task) {
    const lock = await once.acquire([`bench/redlock/${task}`], TTL_MS);
    await lock.release();
  },
  // Ten tries, and again when they were in vain. What a node granted stays taken through all ten, so several
  // processes on several nodes can be in each other's way for as long as they try: who has nothing when the time
  // is over gives up.
  async acquire(resource, _task, isOver) {
    for (;;) {
      try {
        return await patient.acquire([resource], TTL_MS);
      } catch (error) {
        if (!(error instanceof ExecutionError)) throw error;
        if (isOver()) return null;
      }
    }
  },
  release: (lock) => lock.release(),
});
