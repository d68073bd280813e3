//! An in-memory node whose faults are verbs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{
    LeaseConfig, Leases,
    model::{
        Binding, CommitReply, GrantReply, GrantRequest, HolderId, ReleaseReply, RenewReply,
        Resource,
    },
    node::{MemoryNode, Node, NodeError, NodeErrorKind, NodeFuture, NodeStep},
};

/// The time limit of a node in these tests.
pub(crate) const LIMIT: Duration = Duration::from_millis(100);

/// What happens to a question on its way.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) enum Way {
    /// It is answered.
    #[default]
    Open,
    /// It never reaches the node.
    Cut,
    /// The node does it, but its answer is lost.
    ReplyLost,
    /// The node does it this much later, and its answer comes then.
    Late(Duration),
}

#[derive(Debug, Default)]
pub(crate) struct FaultyNode {
    inner: Arc<MemoryNode>,
    way: Mutex<Way>,
    /// How many renewals reached the node.
    pub(crate) renewals: AtomicUsize,
}

impl FaultyNode {
    pub(crate) fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    async fn travel<T>(&self, step: NodeStep, ask: NodeFuture<'_, T>) -> Result<T, NodeError> {
        let way = *self.way.lock().unwrap();
        let timeout =
            || NodeError { address: "faulty".into(), step, kind: NodeErrorKind::Timeout(LIMIT) };
        match way {
            Way::Open => ask.await,
            Way::Cut => {
                tokio::time::sleep(LIMIT).await;
                Err(timeout())
            }
            Way::ReplyLost => {
                let _lost = ask.await;
                tokio::time::sleep(LIMIT).await;
                Err(timeout())
            }
            Way::Late(by) => {
                tokio::time::sleep(by).await;
                ask.await
            }
        }
    }
}

impl Node for FaultyNode {
    fn address(&self) -> &'static str {
        "faulty"
    }

    fn grant<'a>(&'a self, request: &'a GrantRequest) -> NodeFuture<'a, GrantReply> {
        Box::pin(self.travel(NodeStep::Grant, self.inner.grant(request)))
    }

    fn commit<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, CommitReply> {
        Box::pin(self.travel(NodeStep::Commit, self.inner.commit(binding)))
    }

    fn renew<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, RenewReply> {
        let _before = self.renewals.fetch_add(1, Ordering::Relaxed);
        Box::pin(self.travel(NodeStep::Renew, self.inner.renew(binding)))
    }

    fn release<'a>(
        &'a self,
        resource: &'a Resource,
        holder: HolderId,
    ) -> NodeFuture<'a, ReleaseReply> {
        Box::pin(self.travel(NodeStep::Release, self.inner.release(resource, holder)))
    }

    fn ping(&self) -> NodeFuture<'_, ()> {
        Box::pin(self.travel(NodeStep::Ping, self.inner.ping()))
    }
}

/// Nodes, and leases over them with a TTL of 1.2 s.
pub(crate) struct World {
    pub(crate) nodes: Vec<Arc<FaultyNode>>,
    pub(crate) leases: Leases,
}

pub(crate) fn config() -> LeaseConfig {
    LeaseConfig { ttl: Duration::from_millis(1200), node_timeout: LIMIT, ..LeaseConfig::default() }
}

impl World {
    pub(crate) fn new(nodes: usize) -> Self {
        Self::with(nodes, config())
    }

    pub(crate) fn with(nodes: usize, config: LeaseConfig) -> Self {
        let nodes: Vec<Arc<FaultyNode>> = (0..nodes).map(|_| Arc::default()).collect();
        let leases =
            Leases::over(nodes.iter().map(|node| Arc::clone(node) as _).collect(), config).unwrap();
        Self { nodes, leases }
    }

    /// Another process: its own client, the same nodes.
    pub(crate) fn another(&self) -> Leases {
        Leases::over(self.nodes.iter().map(|node| Arc::clone(node) as _).collect(), config())
            .unwrap()
    }

    pub(crate) fn set(&self, nodes: std::ops::Range<usize>, way: Way) {
        for node in &self.nodes[nodes] {
            node.set(way);
        }
    }
}

pub(crate) fn resource() -> Resource {
    Resource::new("stage").unwrap()
}
