//! What `--help` says after the options.

use clap::Command;

pub(super) const PURCHASE: &str = "\
Examples:
  purchase keys new --name office --scope admin   make an API key, and a line for LEASEHOLD_KEYS_FILE
  purchase migrate                                make the tables
  purchase check-config && purchase serve         look before you sell
  purchase openapi >openapi.json                  the API, for programs that make clients

Every option can be set by the variable that stands beside it; `serve`, `check-config` and `migrate` need
  DATABASE_URL            or DATABASE_URL_FILE
and the first two also
  REDIS_URLS              or REDIS_URLS_FILE
  LEASEHOLD_KEYS_FILE     or LEASEHOLD_KEYS

Exit codes:
  0  done
  1  it failed; the reason is on standard error
  2  wrong usage
  3  check-config alone: it will run, but should be set up otherwise";

pub(super) const SERVE: &str = "\
Serves until SIGTERM or SIGINT: then /readyz says no while everything is still served (LEASEHOLD_DRAIN_MS),
then requests under way are finished, leases are given back, and it ends with 0. Lease nodes and Postgres
may be away when it starts; `check-config` says whether they are. Tables of an older release are refused
(run `purchase migrate`), those of a newer one are not.

Example:
  DATABASE_URL=postgres://shop@db/shop REDIS_URLS=redis://a,redis://b,redis://c \\
  LEASEHOLD_KEYS_FILE=keys LEASEHOLD_LISTEN=0.0.0.0:8080 purchase serve";

pub(super) const CHECK_CONFIG: &str = "\
Looks at everything that `serve` would use, with the same options: keys, certificate, Postgres and its
tables, lease nodes, clocks, times that must fit together. Prints a line for each: ok, warning or error,
and what to do. Changes nothing. Run it before a replica takes traffic, with that replica's environment.

Exit codes:
  0  all is well
  1  an error: it would not serve, or could lose what was sold
  2  wrong usage
  3  warnings only: it will run, but should be set up otherwise";

const KEYS_NEW: &str = "\
The key has 256 random bits behind its prefix and is kept nowhere. Its line has only its digest.

Example, for a file that LEASEHOLD_KEYS_FILE names:
  key=$(purchase keys new --name web-2 --scope buyer --days 90 2>line) && cat line >>keys

To replace a key: add the new one's line, let programs change over, take the old one's line away.";

/// The commands of `keys`, which do not know what this program is called.
pub(super) fn of_keys(command: Command) -> Command {
    if command.get_name() == "new" { command.after_help(KEYS_NEW) } else { command }
}
