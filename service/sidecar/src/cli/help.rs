//! What `--help` says after the options.

use clap::Command;

pub(super) const SIDECAR: &str = "\
Examples:
  REDIS_URLS=redis://a,redis://b,redis://c lease-sidecar serve
  curl -s localhost:3501/v1/leases -H 'content-type: application/json' \\
    -d '{\"resource\":\"orders/42\",\"ttl_ms\":30000,\"wait_ms\":5000}'
  lease-sidecar openapi >openapi.json             the API, for programs that make clients

Every option can be set by the variable that stands beside it; `serve` and `check-config` need
  REDIS_URLS              or REDIS_URLS_FILE

Exit codes:
  0  done
  1  it failed; the reason is on standard error
  2  wrong usage
  3  check-config alone: it will run, but should be set up otherwise";

pub(super) const SERVE: &str = "\
Serves until SIGTERM or SIGINT: then whoever waits is told, streams end, every lease is given back (or left
to the nodes, with LEASEHOLD_ON_STOP=keep), and it ends with 0. Lease nodes may be away when it starts;
`check-config` says whether they are.

Example, for a socket that only this user may open:
  REDIS_URLS=redis://a,redis://b,redis://c LEASEHOLD_LISTEN=unix:/run/user/1000/lease.sock lease-sidecar serve";

pub(super) const CHECK_CONFIG: &str = "\
Looks at everything that `serve` would use, with the same options: keys, certificate, lease nodes, clocks.
Prints a line for each: ok, warning or error, and what to do. Changes nothing.

Exit codes:
  0  all is well
  1  an error: it would not serve, or there would be no leases
  2  wrong usage
  3  warnings only: it will run, but should be set up otherwise";

const KEYS_NEW: &str = "\
The key has 256 random bits behind its prefix and is kept nowhere. Its line has only its digest.

Example, for a file that LEASEHOLD_KEYS_FILE names:
  key=$(lease-sidecar keys new --name shop --scope holder --prefix orders/ 2>line) && cat line >>keys

To replace a key: add the new one's line, let programs change over, take the old one's line away. Leases are
a key's by its name; one that is replaced under another name leaves its leases to their time. The first key of
the scope admin seals the names of leases: when it changes, leases of before cannot be attached after a restart.";

/// The commands of `keys`, which do not know what this program is called.
pub(super) fn of_keys(command: Command) -> Command {
    if command.get_name() == "new" { command.after_help(KEYS_NEW) } else { command }
}
