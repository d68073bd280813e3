//! The stack keeps its promises: servers answer, break on demand, and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test, in helpers too")]

mod before_and_beside;
mod breaking;
mod by_hand;
mod disks;
mod echo;
mod left_behind;
mod node_faults;
mod processes;
mod program;
mod proxy;
mod sources;

use std::time::Duration;

use leasehold_stack::{Silent, Sources, Stack, StackConfig};

/// Far more than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
/// How long we listen to a paused server before we call it silent. It cannot answer at all, so
/// this is never too short.
pub(crate) const SILENCE: Duration = Duration::from_millis(300);

pub(crate) fn small() -> StackConfig {
    StackConfig { lease_nodes: 3, ..StackConfig::default() }
}

pub(crate) fn only_nodes(lease_nodes: usize) -> StackConfig {
    StackConfig { lease_nodes, postgres: false, ..StackConfig::default() }
}

/// What the environment says, but never somebody else's servers: these tests break them.
pub(crate) fn own_servers() -> Sources {
    Sources { redis_urls: Vec::new(), database_url: None, ..Sources::from_env().unwrap() }
}

pub(crate) async fn start(config: StackConfig) -> Stack {
    Stack::start_from(config, &own_servers(), &Silent).await.unwrap()
}

pub(crate) async fn set(stack: &Stack, node: usize, key: &str) {
    let mut connection = stack.nodes[node].connection().await.unwrap();
    redis::cmd("SET").arg(key).arg("kept").exec_async(&mut connection).await.unwrap();
}

pub(crate) async fn get(stack: &Stack, node: usize, key: &str) -> Option<String> {
    let mut connection = stack.nodes[node].connection().await.unwrap();
    redis::cmd("GET").arg(key).query_async(&mut connection).await.unwrap()
}

pub(crate) fn pids(stack: &Stack) -> Vec<u32> {
    let mut pids: Vec<u32> = stack.nodes.iter().filter_map(|node| node.pid()).collect();
    pids.extend(stack.postgres.iter().flat_map(|postgres| postgres.pids()));
    pids
}
