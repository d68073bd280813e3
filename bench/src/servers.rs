//! The servers that all contestants share, and the contestants' doors to them.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use leasehold::{LeaseConfig, Leases, Resource};
use leasehold_stack::{LeaseNode, Persistence, Stack, StackConfig, Stderr};
use redis::{AsyncConnectionConfig, Client, aio::MultiplexedConnection};
use rslock::LockManager;

use crate::commands::Calls;

/// Every contestant asks for leases of this length.
pub(crate) const TTL: Duration = Duration::from_secs(10);

/// The pause between two looks at what was called, and how many there are at most: somebody may call for ever.
const LOOK: Duration = Duration::from_millis(2);
const LOOKS_MAX: usize = 50;

pub(crate) struct Servers {
    pub(crate) stack: Stack,
    /// For counting only, so that no contestant shares a connection with it.
    counting: Vec<MultiplexedConnection>,
}

impl Servers {
    pub(crate) async fn start(nodes: usize, persistence: Persistence) -> anyhow::Result<Self> {
        let config = StackConfig {
            lease_nodes: nodes,
            persistence,
            postgres: false,
            ..StackConfig::default()
        };
        let stack = Stack::start(config, &Stderr::new()).await?;
        let counting = try_join_all(stack.nodes.iter().map(LeaseNode::connection)).await?;
        Ok(Self { stack, counting })
    }

    /// All calls so far, once those are counted that nobody waits for any more: a grant needs a quorum, and its
    /// last calls come later.
    pub(crate) async fn calls(&self) -> anyhow::Result<Calls> {
        let mut calls = Calls::so_far(&self.counting).await?;
        for _ in 0..LOOKS_MAX {
            tokio::time::sleep(LOOK).await;
            let now = Calls::so_far(&self.counting).await?;
            if now == calls {
                break;
            }
            calls = now;
        }
        Ok(calls)
    }
}

/// Leases over these nodes, ready: nodes without data wait for a TTL before they vote.
pub(crate) async fn leases(urls: &[String]) -> anyhow::Result<Leases> {
    // Long, so that a busy machine makes a round slow and not a failure.
    let node_timeout = Duration::from_secs(4);
    let config = LeaseConfig { ttl: TTL, node_timeout, ..LeaseConfig::default() };
    let leases = Leases::connect(urls, config)?;
    let _first = leases.acquire(&Resource::new("bench/first")?, TTL * 6).await?;
    Ok(leases)
}

/// One connection to each node, as a user of the client library makes it.
pub(crate) async fn connections(urls: &[String]) -> anyhow::Result<Vec<MultiplexedConnection>> {
    let connecting = urls.iter().map(|url| async move {
        let client = Client::open(url.as_str())?;
        client.get_multiplexed_async_connection().await.context("a node does not answer")
    });
    try_join_all(connecting).await
}

pub(crate) fn rslock(urls: &[String]) -> anyhow::Result<LockManager> {
    let clients = urls.iter().map(|url| Client::open(url.as_str())).collect::<Result<_, _>>()?;
    Ok(LockManager::from_clients(clients))
}

/// Connections whose commands may wait for as long as they like.
pub(crate) async fn patient_connections(
    urls: &[String],
) -> anyhow::Result<Vec<MultiplexedConnection>> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    let connecting = urls.iter().map(|url| {
        let config = config.clone();
        async move {
            let client = Client::open(url.as_str())?;
            let connecting = client.get_multiplexed_async_connection_with_config(&config);
            connecting.await.context("a node does not answer")
        }
    });
    try_join_all(connecting).await
}
