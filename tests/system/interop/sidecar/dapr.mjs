// Dapr's own client for JavaScript, as its users call it. Arguments: the folder with the package, and the
// address of what it takes for Dapr.
import { library, serve } from "../lines.mjs";

const { CommunicationProtocolEnum, DaprClient } = library("@dapr/dapr");
const { LockStatus } = library("@dapr/dapr/types/lock/UnlockResponse");
const { hostname, port } = new URL(process.argv[3]);

// It logs to stdout, where only answers may be.
const quiet = () => {};
const service = { error: quiet, warn: quiet, info: quiet, verbose: quiet, debug: quiet };
const client = new DaprClient({
  daprHost: hostname,
  daprPort: port,
  communicationProtocol: CommunicationProtocolEnum.HTTP,
  logger: { service },
});

await serve({
  async lock(store, resource, owner, seconds) {
    const { success } = await client.lock.lock(store, resource, owner, Number(seconds));
    return success ? "locked" : "refused";
  },

  async unlock(store, resource, owner) {
    const { status } = await client.lock.unlock(store, resource, owner);
    return LockStatus[status];
  },

  async metadata() {
    const { id, components } = await client.metadata.get();
    return [id, ...components.map(({ name, type }) => `${name}=${type}`)].join(" ");
  },

  async healthy() {
    return String(await client.health.isHealthy());
  },
});
