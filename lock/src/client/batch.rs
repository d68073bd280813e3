//! Questions on their way to the nodes.

use std::{mem, sync::Arc};

use crate::model::Question;

/// Questions in one write; more wait for the next.
const BATCH_MAX: usize = 1024;

/// What a question was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Grant,
    Commit,
    /// A renewal of this round; answers of earlier rounds count no more.
    Renew(u32),
    Resume,
    Release,
}

/// Whose question it was, and what for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag {
    pub(super) work: usize,
    pub(super) ask: Ask,
}

/// Questions that go to a node in one write.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) tags: Vec<Tag>,
    pub(super) questions: Vec<Question>,
}

/// What waits to be written: for all nodes, and for each alone.
#[derive(Debug)]
pub(super) struct Outbox {
    all: Vec<Batch>,
    each: Vec<Batch>,
}

impl Outbox {
    pub(super) fn new(nodes: usize) -> Self {
        Self { all: Vec::new(), each: (0..nodes).map(|_| Batch::default()).collect() }
    }

    /// Asks every node.
    pub(super) fn ask_all(&mut self, tag: Tag, question: Question) {
        if self.all.last().is_none_or(|batch| batch.tags.len() >= BATCH_MAX) {
            self.all.push(Batch::default());
        }
        if let Some(batch) = self.all.last_mut() {
            batch.push(tag, question);
        }
    }

    /// Asks one node.
    pub(super) fn ask(&mut self, node: usize, tag: Tag, question: Question) {
        if let Some(batch) = self.each.get_mut(node) {
            batch.push(tag, question);
        }
    }

    /// Hands out everything that waits, each batch with the node it goes to. What is for all goes
    /// first: what is for one node follows from an answer to what was for all.
    pub(super) fn flush(&mut self, mut send: impl FnMut(usize, Arc<Batch>)) {
        for batch in self.all.drain(..) {
            let batch = Arc::new(batch);
            for node in 0..self.each.len() {
                send(node, Arc::clone(&batch));
            }
        }
        for (node, batch) in self.each.iter_mut().enumerate() {
            if !batch.tags.is_empty() {
                send(node, Arc::new(mem::take(batch)));
            }
        }
    }
}

impl Batch {
    fn push(&mut self, tag: Tag, question: Question) {
        self.tags.push(tag);
        self.questions.push(question);
    }
}
