//! An in-memory node whose faults are verbs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{
    LeaseConfig, Leases,
    model::{
        Binding, CommitReply, GrantNumber, GrantReply, GrantRequest, HolderId, ReleaseReply,
        RenewReply, Resource,
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
    inner: Mutex<Arc<MemoryNode>>,
    way: Mutex<Way>,
    /// The hint that arrives instead of the client's, as if its clock stood still long ago.
    old_clock: AtomicBool,
    /// Whether commits get lost on their way.
    losing_commits: AtomicBool,
    /// How many commits were asked for.
    pub(crate) commits: AtomicUsize,
    /// How many renewals were asked for.
    pub(crate) renewals: AtomicUsize,
}

impl FaultyNode {
    pub(crate) fn set(&self, way: Way) {
        *self.way.lock().unwrap() = way;
    }

    /// Lets the clients' hints say nothing: numbers then follow the nodes' fences alone.
    pub(crate) fn ignore_clocks(&self) {
        self.old_clock.store(true, Ordering::Relaxed);
    }

    /// Lets every commit get lost on its way.
    pub(crate) fn lose_commits(&self) {
        self.losing_commits.store(true, Ordering::Relaxed);
    }

    /// Loses all data.
    pub(crate) fn forget(&self) {
        *self.inner.lock().unwrap() = Arc::default();
    }

    /// Sends a question on its way. Once sent, it arrives although nobody waits for the answer.
    fn travel<T, F>(
        &self,
        step: NodeStep,
        ask: impl FnOnce(Arc<MemoryNode>) -> F + Send + 'static,
    ) -> NodeFuture<'_, T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, NodeError>> + Send,
    {
        let (mut way, node) = (*self.way.lock().unwrap(), Arc::clone(&self.inner.lock().unwrap()));
        if step == NodeStep::Commit && self.losing_commits.load(Ordering::Relaxed) {
            way = Way::Cut;
        }
        let silent = async move {
            tokio::time::sleep(LIMIT).await;
            Err(NodeError { address: "faulty".into(), step, kind: NodeErrorKind::Timeout(LIMIT) })
        };
        Box::pin(async move {
            match way {
                Way::Open => ask(node).await,
                Way::Cut => silent.await,
                Way::ReplyLost => {
                    let _lost = ask(node).await;
                    silent.await
                }
                Way::Late(by) => {
                    let arriving = tokio::spawn(async move {
                        tokio::time::sleep(by).await;
                        ask(node).await
                    });
                    arriving.await.unwrap()
                }
            }
        })
    }
}

impl Node for FaultyNode {
    fn address(&self) -> &'static str {
        "faulty"
    }

    fn grant<'a>(&'a self, request: &'a GrantRequest) -> NodeFuture<'a, GrantReply> {
        let mut request = request.clone();
        if self.old_clock.load(Ordering::Relaxed) {
            request.hint = GrantNumber::ONE;
        }
        self.travel(NodeStep::Grant, |node| async move { node.grant(&request).await })
    }

    fn commit<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, CommitReply> {
        let _before = self.commits.fetch_add(1, Ordering::Relaxed);
        let binding = binding.clone();
        self.travel(NodeStep::Commit, |node| async move { node.commit(&binding).await })
    }

    fn renew<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, RenewReply> {
        let _before = self.renewals.fetch_add(1, Ordering::Relaxed);
        let binding = binding.clone();
        self.travel(NodeStep::Renew, |node| async move { node.renew(&binding).await })
    }

    fn release<'a>(
        &'a self,
        resource: &'a Resource,
        holder: HolderId,
    ) -> NodeFuture<'a, ReleaseReply> {
        let resource = resource.clone();
        self.travel(
            NodeStep::Release,
            move |node| async move { node.release(&resource, holder).await },
        )
    }

    fn ping(&self) -> NodeFuture<'_, ()> {
        self.travel(NodeStep::Ping, |node| async move { node.ping().await })
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
