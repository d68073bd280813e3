//! One attempt, and the lease that comes of it.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;

use crate::{
    client::{
        batch::{Ask, Outbox, Tag},
        grant::Grant,
        inbox::Acquired,
        lease::ReleaseOutcome,
        leases::Shared,
    },
    model::{Answer, Ballot, GrantRequest, Lifecycle, Moment, Question, Reply, Round},
    node::{NodeError, NodeErrorKind, NodeStep},
};

/// An attempt, and the lease that comes of it.
pub(super) struct Work {
    pub(super) request: Arc<GrantRequest>,
    pub(super) round: Round,
    /// Questions that are not answered yet.
    pub(super) open: usize,
    /// A bit for each node whose answer to a release is awaited.
    pub(super) releasing: u64,
    /// A bit for each node whose grant became known after the release was sent. Nearly always the
    /// release comes after it all the same; if it did not, it is sent again.
    pub(super) granted_late: u64,
    /// A bit for each node that the grant has waited for to be admitted.
    pub(super) parked: u64,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Asking(Attempt),
    Held(Box<Kept>),
    Releasing(Releasing),
    /// Only late answers are waited for.
    Over,
}

pub(super) struct Attempt {
    pub(super) reply: oneshot::Sender<Acquired>,
    /// When the requests that armed the lease were first sent.
    pub(super) sent: Moment,
    pub(super) is_committing: bool,
    pub(super) failures: Vec<NodeError>,
    pub(super) free_in: Option<Duration>,
}

pub(super) struct Kept {
    pub(super) grant: Arc<Grant>,
    pub(super) lifecycle: Lifecycle,
    pub(super) renewing: Option<Ballot>,
    pub(super) renewals: u32,
}

pub(super) struct Releasing {
    pub(super) ballot: Ballot,
    pub(super) grant: Arc<Grant>,
    pub(super) reply: Option<oneshot::Sender<ReleaseOutcome>>,
    pub(super) seek: bool,
    pub(super) woke: bool,
    pub(super) is_settled: bool,
}

impl Work {
    pub(super) fn is_of(&self, grant: &Arc<Grant>) -> bool {
        matches!(&self.stage, Stage::Held(kept) if Arc::ptr_eq(&kept.grant, grant))
    }

    pub(super) fn release_question(&self) -> Question {
        Question::Release { resource: self.request.resource.clone(), holder: self.request.holder }
    }

    pub(super) fn release_at(&mut self, node: usize, key: usize, outbox: &mut Outbox) {
        self.open += 1;
        self.releasing |= bit(node);
        outbox.ask(node, Tag { work: key, ask: Ask::Release }, self.release_question());
    }

    pub(super) fn note_failure(&mut self, error: NodeError) {
        if let Stage::Asking(attempt) = &mut self.stage {
            attempt.failures.push(error);
        }
    }

    pub(super) fn hear_grant(
        &mut self,
        node: usize,
        answer: Result<Reply, NodeError>,
        shared: &Shared,
    ) -> Answer {
        let error = match answer {
            Ok(Reply::Granted(number)) => return Answer::Granted(number),
            Ok(Reply::Held { ttl_left, fence }) => {
                if let Some(fence) = fence {
                    shared.hints.observe(fence);
                }
                if let Stage::Asking(attempt) = &mut self.stage {
                    attempt.free_in = match (attempt.free_in, ttl_left) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
                return Answer::Held;
            }
            Ok(Reply::HintAhead { node_clock }) => {
                let by = self.request.hint.get().saturating_sub(node_clock.get());
                NodeErrorKind::ClockAhead(Duration::from_micros(by))
            }
            Ok(_) => NodeErrorKind::Outside(None),
            Err(error) => {
                self.note_failure(error);
                return Answer::Unknown;
            }
        };
        let address = Arc::from(shared.nodes[node].address());
        self.note_failure(NodeError { address, step: NodeStep::Grant, kind: error });
        Answer::Unknown
    }
}

pub(super) const fn bit(node: usize) -> u64 {
    1 << (node % 64)
}
