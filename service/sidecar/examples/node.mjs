// A fenced write under a lease, and one that comes too late. Node 18 or later and npm's pg.
//
//   psql "$DATABASE_URL" -f lock/src/fence/schema.sql -c "create table example_counter as select 0 as n"
//   LEASEHOLD_URL=http://127.0.0.1:3501 DATABASE_URL=postgres://… node service/sidecar/examples/node.mjs
import pg from "pg";

const sidecar = process.env.LEASEHOLD_URL ?? "http://127.0.0.1:3501";
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });
const resource = "example/node";

async function ask(method, path, body) {
  const headers = { "content-type": "application/json" };
  const answer = await fetch(sidecar + path, { method, headers, body: body && JSON.stringify(body) });
  const said = await answer.json();
  // The code is stable; the detail is for people.
  if (!answer.ok) throw Object.assign(new Error(said.detail), { code: said.code });
  return said;
}

// As long as this answer is open the sidecar knows that we live, and renews what is bound to it. If we die,
// the connection closes and others need not wait.
async function openLink() {
  const { body } = await fetch(`${sidecar}/v1/link`);
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  // A program that runs for long reads on: an event `lost` names a lease that it has no more.
  for (;;) {
    const { done, value } = await reader.read();
    if (done) throw new Error("the sidecar closed the link");
    text += value;
    const event = text.match(/^data: (.*)\n\n/m);
    if (event) return { id: JSON.parse(event[1]).link, close: () => reader.cancel() };
  }
}

async function count({ resource, token, holder }) {
  const client = await pool.connect();
  try {
    await client.query("begin");
    // First of all, since it locks the resource's row: whoever holds an older lease is refused from here on,
    // and whoever holds a newer one makes this statement fail. The token stays a text: it has 63 bits, and a
    // number of JavaScript only 53.
    await client.query("select leasehold_claim($1, $2, $3)", [resource, token, holder]);
    const { rows } = await client.query("update example_counter set n = n + 1 returning n");
    await client.query("commit");
    return rows[0].n;
  } catch (error) {
    await client.query("rollback");
    throw error;
  } finally {
    client.release();
  }
}

const link = await openLink();
const lease = await ask("POST", "/v1/leases", { resource, link: link.id, wait_ms: 10_000 });
console.log(`counted to ${await count(lease)} with token ${lease.token}`);
console.log((await ask("DELETE", `/v1/leases/${lease.id}`)).outcome);
await link.close();

// Without a link a lease lasts for its ttl. A program that is paused does not see that it is over.
const late = await ask("POST", "/v1/leases", { resource, ttl_ms: 300 });
// Meanwhile another one waits for it, gets it, and writes.
const other = await ask("POST", "/v1/leases", { resource, wait_ms: 30_000 });
console.log(`another counted to ${await count(other)} with token ${other.token}`);
// The first one goes on where it was, and still believes in its lease. Only the database knows better.
try {
  console.log(`the late one counted to ${await count(late)}`);
} catch (error) {
  if (error.code !== "LH001") throw error;
  console.log(`the late one is refused: ${error.message}`);
}
await ask("DELETE", `/v1/leases/${other.id}`);
await pool.end();
