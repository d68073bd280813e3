//! Lease nodes without a service, for tests of the lock alone.

use std::time::Duration;

use leasehold::{
    FencingToken, Lease, LeaseConfig, Leases, Resource,
    model::{Question, Reply, Standing},
    node::{Node as _, RedisNode},
};
use leasehold_stack::{LeaseNode, Persistence, Silent, Stack, StackConfig};
use redis::aio::MultiplexedConnection;

use crate::world::LIMIT;

pub(crate) const TTL: Duration = Duration::from_millis(1000);

/// How long a test waits for a lease: also until new nodes may vote.
pub(crate) const PATIENCE: Duration = LIMIT;

/// An address at which nobody answers: for a client that a partition keeps from a node.
pub(crate) const NOBODY: &str = "redis://127.0.0.1:1";

/// The fence of [`resource`].
pub(crate) const FENCE: &str = "leasehold:fence-of:{stage}";

pub(crate) async fn nodes(count: usize, persistence: Persistence) -> Stack {
    let config =
        StackConfig { lease_nodes: count, persistence, postgres: false, ..StackConfig::default() };
    Stack::start(config, &Silent).await.unwrap()
}

pub(crate) fn config() -> LeaseConfig {
    LeaseConfig { ttl: TTL, node_timeout: Duration::from_millis(400), ..LeaseConfig::default() }
}

pub(crate) fn client(stack: &Stack) -> Leases {
    client_of(stack.redis_urls())
}

pub(crate) fn client_of<I: IntoIterator<Item: AsRef<str>>>(urls: I) -> Leases {
    Leases::connect(urls, config()).unwrap()
}

pub(crate) fn resource() -> Resource {
    Resource::new("stage").unwrap()
}

pub(crate) async fn redis(node: &LeaseNode) -> MultiplexedConnection {
    node.connection().await.unwrap()
}

/// Whether a node may vote.
pub(crate) async fn votes(node: &LeaseNode) -> bool {
    let node = RedisNode::new(&node.url(), LIMIT).unwrap();
    let answer = node.ask(&[Question::Stand]).await.remove(0).unwrap();
    matches!(answer, Reply::Standing(Standing::Member { .. }))
}

pub(crate) async fn all_vote(stack: &Stack) -> bool {
    for node in &stack.nodes {
        if !votes(node).await {
            return false;
        }
    }
    true
}

/// Takes turns until every node votes: new ones begin one after the other, and one that is lost in
/// between would keep the rest from it.
pub(crate) async fn found(stack: &Stack) {
    let leases = client(stack);
    while !all_vote(stack).await {
        let lease = leases.acquire(&Resource::new("founding").unwrap(), PATIENCE).await.unwrap();
        let _outcome = lease.release().await;
    }
}

pub(crate) async fn get(node: &LeaseNode, key: &str) -> Option<String> {
    redis::cmd("GET").arg(key).query_async(&mut redis(node).await).await.unwrap()
}

/// The node's clock, in microseconds since 1970.
pub(crate) async fn clock(node: &LeaseNode) -> u64 {
    let mut redis = redis(node).await;
    let (seconds, micros): (u64, u64) = redis::cmd("TIME").query_async(&mut redis).await.unwrap();
    seconds * 1_000_000 + micros
}

/// The newest token so far.
#[derive(Default)]
pub(crate) struct Tokens(pub(crate) Option<FencingToken>);

impl Tokens {
    /// Acquires and releases; the token must be newer than all before.
    pub(crate) async fn turn(&mut self, leases: &Leases) {
        let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
        self.grow(&lease);
        let _outcome = lease.release().await;
    }

    pub(crate) fn grow(&mut self, lease: &Lease) {
        assert!(Some(lease.token()) > self.0, "{} after {:?}", lease.token(), self.0);
        self.0 = Some(lease.token());
    }
}
