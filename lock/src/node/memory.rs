//! A node in this process's memory.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::mpsc;

use super::{Answers, Node, NodeError, NodeErrorKind, NodeFuture, NodeStep, Notice};
use crate::{
    client::Clock,
    model::{ClientId, GrantNumber, Ledger, Question, Reply, Resource, Seen},
};

/// A node in this process's memory: for tests of programs that use leases, without a server.
///
/// It follows the same rules as the scripts on a Redis server ([`Ledger`]) and answers at once.
/// Its leases end when the process does, and no other process sees them.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use leasehold::{LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nodes: Vec<Arc<dyn Node>> = (0..3).map(|_| Arc::new(MemoryNode::new()) as _).collect();
/// let leases = Leases::over(nodes, LeaseConfig::default())?;
/// let lease = leases.try_acquire(&Resource::new("report")?).await?;
/// assert!(leases.try_acquire(&Resource::new("report")?).await.is_err());
/// lease.release().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MemoryNode {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    ledger: Ledger,
    listeners: HashMap<ClientId, mpsc::Sender<Notice>>,
    runs: u32,
}

impl Default for MemoryNode {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryNode {
    /// A node that nobody has a lease on, and that votes at once.
    #[must_use]
    pub fn new() -> Self {
        let state = State { ledger: Ledger::new(), listeners: HashMap::new(), runs: 0 };
        Self { clock: Clock::new(), state: Mutex::new(state) }
    }

    /// Loses all its data, as by `FLUSHALL`; it may not vote until it is admitted again, about one
    /// TTL later.
    pub fn forget(&self) {
        self.state().ledger.forget();
    }

    /// Ends and begins anew, with its data or without; either way it may not vote until it is
    /// admitted again, about one TTL later.
    pub fn restart(&self, keeps_data: bool) {
        let mut state = self.state();
        let now = self.clock.now();
        state.runs += 1;
        state.listeners.clear();
        if !keeps_data {
            state.ledger = Ledger::unfounded(now);
        }
        let run = state.runs;
        state.ledger.restart(now, run);
    }

    /// Answers one question as [`Node::ask`] does, with this wall clock instead of the machine's, in
    /// microseconds since 1970.
    #[must_use]
    pub fn answer(&self, question: &Question, node_clock: GrantNumber) -> Reply {
        let mut state = self.state();
        let reply = state.ledger.answer(question, self.clock.now(), node_clock);
        for (client, handover) in state.ledger.take_handovers() {
            if let Some(ear) = state.listeners.get(&client) {
                // Without room the message is lost, as one may be on its way from a server.
                let _full = ear.try_send(Notice::Granted(handover));
            }
        }
        reply
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A client that listens; the node knows when it does no more, as a server sees a connection end.
struct Ear<'a> {
    node: &'a MemoryNode,
    client: ClientId,
    heard: mpsc::Sender<Notice>,
}

impl Ear<'_> {
    fn begin(&self) {
        let mut state = self.node.state();
        state.ledger.listen(self.client, true);
        let _full = self.heard.try_send(Notice::Listening);
        let _before = state.listeners.insert(self.client, self.heard.clone());
    }
}

impl Drop for Ear<'_> {
    fn drop(&mut self) {
        let mut state = self.node.state();
        let is_this = |heard: &mpsc::Sender<Notice>| heard.same_channel(&self.heard);
        if state.listeners.get(&self.client).is_some_and(is_this) {
            let _gone = state.listeners.remove(&self.client);
            state.ledger.listen(self.client, false);
        }
    }
}

/// The ledger is changed when the future is first polled, as a server's is when the request
/// arrives.
impl Node for MemoryNode {
    fn address(&self) -> &'static str {
        "memory"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        Box::pin(async move {
            let node_clock = self.clock.wall();
            questions.iter().map(|question| Ok(self.answer(question, node_clock))).collect()
        })
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        Box::pin(async move {
            let ear = Ear { node: self, client, heard };
            ear.begin();
            ear.heard.closed().await;
            let kind = NodeErrorKind::Broken(Arc::from("nobody listens any more"));
            NodeError { address: Arc::from(self.address()), step: NodeStep::Wait, kind }
        })
    }

    fn look<'a>(
        &'a self,
        resource: &'a Resource,
    ) -> NodeFuture<'a, Result<Option<Seen>, NodeError>> {
        Box::pin(async { Ok(Some(self.state().ledger.look(resource, self.clock.now()))) })
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }
}
