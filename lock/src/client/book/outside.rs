//! Nodes that may not vote: grants wait for them to be admitted.

use std::sync::Arc;

use super::{
    Book,
    work::{Stage, bit},
};
use crate::{
    client::batch::Tag,
    model::{Moment, Question},
    node::{NodeError, NodeErrorKind, NodeStep},
};

#[derive(Default)]
pub(super) struct NodeState {
    /// Grants that wait until the node may vote.
    parked: Vec<Tag>,
    pub(super) is_being_admitted: bool,
    /// Until when nobody asks whether it may vote, and why it did not get its vote.
    outside: Option<(Moment, NodeErrorKind)>,
}

impl Book {
    pub(super) fn park(&mut self, node: usize, tag: Tag, now: Moment) {
        let state = &mut self.nodes[node];
        if let Some((until, why)) = &state.outside
            && now < *until
        {
            let why = match why {
                NodeErrorKind::Outside(Some(_)) => NodeErrorKind::Outside(Some(*until - now)),
                other => other.clone(),
            };
            return self.refuse(node, tag, why, now);
        }
        let Some(work) = self.works.get_mut(tag.work) else { return };
        if work.parked & bit(node) != 0 {
            // It was admitted and asked again, and still says that it may not vote.
            return self.refuse(node, tag, NodeErrorKind::Outside(None), now);
        }
        work.parked |= bit(node);
        state.parked.push(tag);
        if !state.is_being_admitted {
            state.is_being_admitted = true;
            self.admissions.push(node);
        }
    }

    fn refuse(&mut self, node: usize, tag: Tag, kind: NodeErrorKind, now: Moment) {
        let address = Arc::from(self.shared.nodes[node].address());
        let error = NodeError { address, step: NodeStep::Grant, kind };
        self.shared.note_error(&error);
        self.on(node, tag, Err(error), now);
    }

    /// Whether the node votes now; if not, why.
    pub(in crate::client) fn admitted(
        &mut self,
        node: usize,
        outcome: Result<(), NodeErrorKind>,
        now: Moment,
    ) {
        let state = &mut self.nodes[node];
        state.is_being_admitted = false;
        state.outside = None;
        let parked = std::mem::take(&mut state.parked);
        match outcome {
            Ok(()) => {
                for tag in parked {
                    let Some(work) = self.works.get(tag.work) else { continue };
                    if matches!(work.stage, Stage::Asking(_)) {
                        self.outbox.ask(node, tag, Question::Grant(Arc::clone(&work.request)));
                    } else {
                        self.refuse(node, tag, NodeErrorKind::Outside(None), now);
                    }
                }
                self.ask_node_again(node, now);
            }
            Err(why) => {
                let left = match why {
                    NodeErrorKind::Outside(Some(left)) => left,
                    _ => self.shared.config.retry_max,
                };
                state.outside = Some((now.after(left), why.clone()));
                for tag in parked {
                    self.refuse(node, tag, why.clone(), now);
                }
            }
        }
    }
}
