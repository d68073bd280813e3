//! Which server each node is, so that none has two votes.

use std::sync::Arc;

use super::{batch::Batch, leases::Shared};
use crate::node::{Answers, NodeError, NodeErrorKind, NodeStep};

/// The server's run that each node was seen to be.
pub(super) struct Identities {
    runs: Vec<Option<u64>>,
}

impl Identities {
    pub(super) fn new(nodes: usize) -> Self {
        Self { runs: vec![None; nodes] }
    }

    /// Answers of a server that answers as another node already do not count.
    pub(super) fn one_vote_each(
        &mut self,
        shared: &Shared,
        node: usize,
        batch: &Batch,
        answers: Answers,
    ) -> Answers {
        let Some(run) = shared.nodes[node].run().or(self.runs[node]) else { return answers };
        if self.runs[node] == Some(run) {
            return answers;
        }
        let Some(first) = self.runs.iter().position(|&other| other == Some(run)) else {
            self.runs[node] = Some(run);
            return answers;
        };
        let first = Arc::from(shared.nodes[first].address());
        let kind = NodeErrorKind::SameServer(first);
        let address: Arc<str> = Arc::from(shared.nodes[node].address());
        let error = |question| NodeError {
            address: Arc::clone(&address),
            step: NodeStep::of(question),
            kind: kind.clone(),
        };
        batch.questions.iter().map(|question| Err(error(question))).collect()
    }
}
