//! Ours and theirs on the same nodes.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use leasehold::{AcquireError, Lease, LeaseConfig, Leases, ReleaseOutcome, Resource};
use leasehold_stack::{LeaseNode, Persistence, Silent, Stack, StackConfig};

use super::peer::{Answer, Library, Peer};
use crate::world::LIMIT;

/// The lifetime of our leases: short, since some tests wait for its end.
pub(super) const TTL: Duration = Duration::from_secs(5);
/// The lifetime of what must not expire in a test.
pub(super) const LONG: Duration = Duration::from_secs(600);
/// How far the nodes' clock may get away from ours in a test; theirs has whole milliseconds.
pub(super) const CLOCKS_APART: Duration = Duration::from_millis(20);
/// How long a first grant may take: a fresh node may watch for a while before it votes.
const FIRST_LIMIT: Duration = Duration::from_secs(20);

#[derive(Debug)]
pub(super) struct Meeting {
    pub(super) ours: Leases,
    pub(super) theirs: Peer,
    pub(super) resource: Resource,
    library: Library,
    urls: Vec<String>,
    pub(super) nodes: Nodes,
}

/// The nodes that ours and theirs have in common, and one that only keeps what is guarded.
#[derive(Debug)]
pub(super) struct Nodes {
    stack: Stack,
}

/// What one node has under the name.
#[derive(Clone, Debug)]
pub(super) struct Key {
    /// The value and its type, as `DUMP` writes them down: no lifetime is in it.
    pub(super) dump: Option<Vec<u8>>,
    /// As `PTTL`: -1 is a key without an end, -2 is no key.
    pub(super) ttl_ms: i64,
    /// When the node was asked, and when it had answered.
    asked: [Instant; 2],
}

impl Meeting {
    /// Starts nodes, ours and theirs; `None` after saying that theirs cannot be had.
    pub(super) async fn start(library: Library, nodes: usize) -> Option<Self> {
        let nodes = Nodes::start(nodes).await;
        let urls = nodes.urls();
        let theirs = Peer::start(library, &urls, &nodes.logs()).await?;
        let resource = Resource::new("stage/42").unwrap();
        let ours = nodes.ours(TTL, &resource).await;
        Some(Self { ours, theirs, resource, library, urls, nodes })
    }

    pub(super) fn name(&self) -> &str {
        self.resource.as_str()
    }

    /// Another user of their library.
    pub(super) async fn another(&self) -> Peer {
        Peer::start(self.library, &self.urls, &self.nodes.logs()).await.unwrap()
    }

    /// Ours, when nobody else has it any more.
    pub(super) async fn take(&self) -> Lease {
        self.ours.acquire(&self.resource, LIMIT).await.unwrap()
    }

    /// What the nodes have under the name.
    pub(super) async fn keys(&self) -> Vec<Key> {
        self.nodes.keys(self.name()).await
    }

    /// Theirs, when our lease is just released. Released is released: it may take a message to
    /// the last node, and not the rest of a lifetime.
    pub(super) async fn hand_over(&mut self, lease: Lease) {
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
        let begun = Instant::now();
        while self.theirs.acquire(self.resource.as_str(), LONG).await == Answer::Refused {
            assert!(begun.elapsed() < TTL / 2, "still held after the release");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ours is refused because another holder has it, and for no other reason.
    pub(super) async fn is_contended(&self) {
        let error = self.ours.try_acquire(&self.resource).await.unwrap_err();
        assert!(matches!(error, AcquireError::Contended { .. }), "{error:?}");
    }
}

impl Nodes {
    pub(super) async fn start(common: usize) -> Self {
        let persistence = Persistence::Durable;
        let config = StackConfig {
            lease_nodes: common + 1,
            persistence,
            postgres: false,
            ..StackConfig::default()
        };
        Self { stack: Stack::start(config, &Silent).await.unwrap() }
    }

    fn common(&self) -> &[LeaseNode] {
        &self.stack.nodes[1..]
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.common().iter().map(LeaseNode::url).collect()
    }

    /// The node that no lock knows.
    pub(super) fn guarded(&self) -> &LeaseNode {
        &self.stack.nodes[0]
    }

    fn logs(&self) -> PathBuf {
        self.stack.folder().to_owned()
    }

    /// A client of ours that the nodes have voted for once.
    pub(super) async fn ours(&self, ttl: Duration, resource: &Resource) -> Leases {
        // Patience for a slow machine: no test here is about silent nodes.
        let node_timeout = Duration::from_millis(1500);
        let config = LeaseConfig { ttl, node_timeout, ..LeaseConfig::default() };
        let leases = Leases::connect(self.urls(), config).unwrap();
        let first = leases.acquire(resource, FIRST_LIMIT).await.unwrap();
        assert_eq!(first.release().await, ReleaseOutcome::Released);
        leases
    }

    pub(super) async fn keys(&self, name: &str) -> Vec<Key> {
        let mut keys = Vec::new();
        for node in self.common() {
            let mut redis = node.connection().await.unwrap();
            let mut both = redis::pipe();
            both.atomic().cmd("DUMP").arg(name).cmd("PTTL").arg(name);
            let begun = Instant::now();
            let (dump, ttl_ms) = both.query_async(&mut redis).await.unwrap();
            keys.push(Key { dump, ttl_ms, asked: [begun, Instant::now()] });
        }
        keys
    }

    /// Sends a command to every node.
    pub(super) async fn tell(&self, command: &redis::Cmd) {
        self.try_tell(command).await.unwrap();
    }

    /// Sends a command to every node, up to the first that refuses it.
    pub(super) async fn try_tell(&self, command: &redis::Cmd) -> redis::RedisResult<()> {
        for node in self.common() {
            let mut redis = node.connection().await.unwrap();
            command.exec_async(&mut redis).await?;
        }
        Ok(())
    }
}

/// The holder's keys before, beside what is there after. The holder's value is the one that most
/// nodes have: another node may have what is left of the holder before, for a moment.
#[track_caller]
fn of_the_holder<'a>(before: &'a [Key], after: &'a [Key]) -> Vec<(&'a Key, &'a Key)> {
    let count = |wanted: &Key| before.iter().filter(|key| key.dump == wanted.dump).count();
    let value = &before.iter().max_by_key(|key| count(key)).unwrap().dump;
    assert!(value.is_some(), "no holder: {before:?}");
    before.iter().zip(after).filter(|(before, _)| before.dump == *value).collect()
}

/// The holder's keys have the same value.
#[track_caller]
pub(super) fn assert_same_values(before: &[Key], after: &[Key]) {
    for (before, after) in of_the_holder(before, after) {
        assert_eq!(before.dump, after.dump, "another's value: {before:?}, then {after:?}");
    }
}

/// The holder's keys have the same value, and end when they would have ended.
#[track_caller]
pub(super) fn assert_untouched(before: &[Key], after: &[Key]) {
    assert_same_values(before, after);
    for (before, after) in of_the_holder(before, after) {
        let passed = after.asked[1] - before.asked[0] + CLOCKS_APART;
        let passed = i64::try_from(passed.as_millis()).unwrap();
        let untouched = if before.ttl_ms == -1 {
            after.ttl_ms == -1
        } else {
            (before.ttl_ms - passed..=before.ttl_ms).contains(&after.ttl_ms)
        };
        assert!(untouched, "another's lifetime, {passed} ms later: {before:?}, then {after:?}");
    }
}
