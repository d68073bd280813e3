//! An in-memory node whose faults are verbs.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{
    HolderId, LeaseConfig, Leases, Resource,
    model::{ClientId, GrantNumber, GrantRequest, Question, Reply, Seen},
    node::{Answers, MemoryNode, Node, NodeError, NodeErrorKind, NodeFuture, NodeStep, Notice},
};
use tokio::sync::mpsc;

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
    /// Whether what it hands over is not heard.
    losing_handovers: AtomicBool,
    /// Whether somebody else has every resource there.
    foreign: AtomicBool,
    /// How many commits were asked for.
    pub(crate) commits: AtomicUsize,
    /// How many grants were asked for.
    pub(crate) grants: AtomicUsize,
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

    /// Lets nobody hear that a lease was handed over to them.
    pub(crate) fn lose_handovers(&self) {
        self.losing_handovers.store(true, Ordering::Relaxed);
    }

    /// Shows a lock of another library to who looks.
    pub(crate) fn show_foreign(&self) {
        self.foreign.store(true, Ordering::Relaxed);
    }

    /// Loses all data, and does not vote until it is admitted again.
    pub(crate) fn forget(&self) {
        self.inner().forget();
    }

    /// Loses all data and votes on, as a node without a guard would.
    pub(crate) fn forget_unnoticed(&self) {
        *self.inner.lock().unwrap() = Arc::default();
    }

    /// Ends and begins anew.
    pub(crate) fn restart(&self, keeps_data: bool) {
        self.inner().restart(keeps_data);
    }

    /// Asks the node itself, without any way that could fail.
    pub(crate) fn probe(&self, question: &Question) -> Reply {
        self.inner().answer(question, GrantNumber::ONE)
    }

    /// Whether nobody has the resource of these tests on this node. Raises its fence by one.
    pub(crate) fn is_free(&self) -> bool {
        let request = GrantRequest {
            resource: resource(),
            holder: HolderId::from_random(u128::MAX),
            ttl: Duration::from_millis(20),
            hint: GrantNumber::ONE,
            waiter: None,
        };
        let release =
            Question::Release { resource: resource(), holder: request.holder, next: None };
        let granted = self.probe(&Question::Grant(request.into()));
        matches!(granted, Reply::Granted { .. }) && self.probe(&release) != Reply::NotOurs
    }

    pub(crate) fn inner(&self) -> Arc<MemoryNode> {
        Arc::clone(&self.inner.lock().unwrap())
    }

    /// What really arrives of these questions, and where.
    fn on_the_way(&self, questions: &[Question]) -> Vec<(Way, Question)> {
        let usual = *self.way.lock().unwrap();
        let travel = |question: &Question| match question {
            Question::Grant(request) if self.old_clock.load(Ordering::Relaxed) => {
                let request =
                    GrantRequest { hint: GrantNumber::ONE, ..GrantRequest::clone(request) };
                (usual, Question::Grant(Arc::new(request)))
            }
            Question::Commit(_) => {
                let _before = self.commits.fetch_add(1, Ordering::Relaxed);
                let lost = self.losing_commits.load(Ordering::Relaxed);
                (if lost { Way::Cut } else { usual }, question.clone())
            }
            Question::Renew(_) => {
                let _before = self.renewals.fetch_add(1, Ordering::Relaxed);
                (usual, question.clone())
            }
            Question::Grant(_) => {
                let _before = self.grants.fetch_add(1, Ordering::Relaxed);
                (usual, question.clone())
            }
            _ => (usual, question.clone()),
        };
        questions.iter().map(travel).collect()
    }
}

async fn arrive(node: Arc<MemoryNode>, question: Question) -> Result<Reply, NodeError> {
    let answers = node.ask(std::slice::from_ref(&question)).await;
    answers.into_iter().next().unwrap()
}

/// Sends a question on its way. Once sent, it arrives although nobody waits for the answer.
async fn travel(node: Arc<MemoryNode>, way: Way, question: Question) -> Result<Reply, NodeError> {
    let step = match question {
        Question::Commit(_) => NodeStep::Commit,
        Question::Renew(_) => NodeStep::Renew,
        Question::Release { .. } => NodeStep::Release,
        _ => NodeStep::Grant,
    };
    let silent = async move {
        tokio::time::sleep(LIMIT).await;
        Err(NodeError { address: "faulty".into(), step, kind: NodeErrorKind::Timeout(LIMIT) })
    };
    match way {
        Way::Open => arrive(node, question).await,
        Way::Cut => silent.await,
        Way::ReplyLost => {
            let _lost = arrive(node, question).await;
            silent.await
        }
        Way::Late(by) => {
            let arriving = tokio::spawn(async move {
                tokio::time::sleep(by).await;
                arrive(node, question).await
            });
            arriving.await.unwrap()
        }
    }
}

impl Node for FaultyNode {
    fn address(&self) -> &'static str {
        "faulty"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        let travelling = self.on_the_way(questions);
        let node = self.inner();
        Box::pin(async move {
            let answers = travelling
                .into_iter()
                .map(|(way, question)| travel(Arc::clone(&node), way, question));
            futures_util::future::join_all(answers).await
        })
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        let (way, node) = (*self.way.lock().unwrap(), self.inner());
        Box::pin(async move {
            if self.losing_handovers.load(Ordering::Relaxed) {
                let (deaf, _nobody) = mpsc::channel(1);
                let _full = heard.try_send(Notice::Listening);
                return tokio::select! {
                    broken = node.listen(client, deaf) => broken,
                    () = heard.closed() => std::future::pending().await,
                };
            }
            if way == Way::Open {
                return node.listen(client, heard).await;
            }
            tokio::time::sleep(LIMIT).await;
            let kind = NodeErrorKind::Timeout(LIMIT);
            NodeError { address: "faulty".into(), step: NodeStep::Wait, kind }
        })
    }

    fn look<'a>(
        &'a self,
        resource: &'a Resource,
    ) -> NodeFuture<'a, Result<Option<Seen>, NodeError>> {
        let (way, node) = (*self.way.lock().unwrap(), self.inner());
        Box::pin(async move {
            if matches!(way, Way::Cut | Way::ReplyLost) {
                tokio::time::sleep(LIMIT).await;
                let kind = NodeErrorKind::Timeout(LIMIT);
                return Err(NodeError { address: "faulty".into(), step: NodeStep::Look, kind });
            }
            if self.foreign.load(Ordering::Relaxed) {
                return Ok(Some(Seen::Foreign { ttl_left: None }));
            }
            node.look(resource).await
        })
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
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
        let leases = Self::over(&nodes, config);
        Self { nodes, leases }
    }

    /// A client of these nodes.
    pub(crate) fn over(nodes: &[Arc<FaultyNode>], config: LeaseConfig) -> Leases {
        Leases::over(nodes.iter().map(|node| Arc::clone(node) as _).collect(), config).unwrap()
    }

    /// Another process: its own client, the same nodes.
    pub(crate) fn another(&self) -> Leases {
        Self::over(&self.nodes, config())
    }

    /// How many renewals the nodes were asked for.
    pub(crate) fn renewals(&self) -> usize {
        self.nodes.iter().map(|node| node.renewals.load(Ordering::Relaxed)).sum()
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
