// etcd's lock service as a contestant, by its HTTP gateway and without a package. Each task keeps a lease of its
// own, as sessions of etcd's clients do, so a pair is two requests: lock and unlock. Who waits is in a queue of
// the server.
import { Agent, request } from "node:http";

import { order, play } from "./rounds.mjs";

// Longer than a round, so that nothing needs to be kept alive.
const TTL_S = 600;

const agent = new Agent({ keepAlive: true, maxSockets: 4096, noDelay: true });
const [url] = order.urls;

// A slow disk makes it give up on what it may have done. Both verbs may be said again: the lease has its lock, or has
// not.
const TRIES_MAX = 10;

async function ask(path, body) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await once(path, body);
    } catch (error) {
      if (tries >= TRIES_MAX || !/timed out|leader changed|no leader/.test(error.message)) throw error;
    }
  }
}

function once(path, body) {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const asked = request(`${url}${path}`, { agent, method: "POST", headers }, (answer) => {
      let read = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (read += part));
      answer.on("end", () =>
        answer.statusCode === 200 ? resolve(JSON.parse(read)) : reject(new Error(`${path}: ${read}`)),
      );
    });
    asked.on("error", reject);
    asked.end(text);
  });
}

const leases = [];
const lock = async (name, task) => {
  const body = { name: Buffer.from(name).toString("base64"), lease: leases[task] };
  return (await ask("/v3/lock/lock", body)).key;
};
const unlock = (key) => ask("/v3/lock/unlock", { key });

await play({
  async prepare(tasks) {
    while (leases.length < tasks) leases.push((await ask("/v3/lease/grant", { TTL: TTL_S })).ID);
  },
  pair: async (task) => unlock(await lock(`bench/etcd/${task}`, task)),
  acquire: lock,
  release: unlock,
});
