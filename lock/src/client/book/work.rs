//! One attempt, and the lease that comes of it.

use std::{sync::Arc, time::Duration};

use super::resume::Resuming;
use crate::{
    client::{
        batch::{Ask, Outbox, Tag},
        grant::Grant,
        inbox::Acquired,
        lease::ReleaseOutcome,
        leases::Shared,
        promise::Promise,
    },
    model::{
        Answer, Ballot, ClientId, GrantNumber, GrantRequest, HolderId, Lifecycle, Moment, Question,
        Reply, Round,
    },
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
    /// Who is next, as nodes that granted said.
    pub(super) next: Vec<ClientId>,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Asking(Attempt),
    /// The nodes are asked whether they still keep it for an earlier process.
    Resuming(Box<Resuming>),
    Held(Box<Kept>),
    Releasing(Releasing),
    /// No quorum kept it for an earlier process: what others keep of it is released.
    NotHeld,
    /// Only late answers are waited for.
    Over,
}

/// Who wants the lease.
pub(super) enum Caller {
    /// A task that asks once.
    Task(Promise<Acquired>),
    /// Whoever is first in the line.
    Line,
}

/// What one node was asked for a request that waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    /// When it was asked last.
    pub(super) at: Moment,
    /// When it was asked what it last refused, so that a grant of it is not older.
    pub(super) since: Moment,
    /// Who has it there, if that is known.
    pub(super) held_by: Option<HolderId>,
}

pub(super) struct Attempt {
    pub(super) caller: Caller,
    /// When the requests that armed the lease were first sent.
    pub(super) sent: Moment,
    pub(super) is_committing: bool,
    pub(super) failures: Vec<NodeError>,
    pub(super) free_in: Option<Duration>,
    /// For each node, if the request waits.
    pub(super) asked: Vec<Asked>,
}

pub(super) struct Kept {
    pub(super) grant: Arc<Grant>,
    pub(super) lifecycle: Lifecycle,
    pub(super) renewing: Option<Ballot>,
    pub(super) renewals: u32,
}

pub(super) struct Releasing {
    pub(super) ballot: Ballot,
    pub(super) reply: Option<Promise<ReleaseOutcome>>,
    pub(super) is_settled: bool,
}

impl Asked {
    pub(super) const fn at(now: Moment) -> Self {
        Self { at: now, since: now, held_by: None }
    }
}

impl Attempt {
    pub(super) fn new(caller: Caller, now: Moment) -> Self {
        let (failures, asked) = (Vec::new(), Vec::new());
        Self { caller, sent: now, is_committing: false, failures, free_in: None, asked }
    }
}

impl Work {
    /// One that every node was just asked for.
    pub(super) fn new(request: Arc<GrantRequest>, round: Round, stage: Stage) -> Self {
        let (releasing, granted_late, parked) = (0, 0, 0);
        let open = round.nodes();
        Self { request, round, open, releasing, granted_late, parked, next: Vec::new(), stage }
    }

    /// Since when the lease surely runs on the nodes that granted this number.
    pub(super) fn runs_since(&self, attempt: &Attempt, number: GrantNumber) -> Moment {
        if attempt.is_committing {
            return attempt.sent;
        }
        let granted = attempt.asked.iter().enumerate();
        let granted = granted.filter(|&(node, _)| self.round.granted(node, number));
        granted.map(|(_, asked)| asked.since).min().unwrap_or(attempt.sent)
    }

    pub(super) fn is_of(&self, grant: &Arc<Grant>) -> bool {
        matches!(&self.stage, Stage::Held(kept) if Arc::ptr_eq(&kept.grant, grant))
    }

    /// All nodes are told the same: they must choose the same next holder.
    pub(super) fn release_question(&self) -> Question {
        let votes = |client: &&ClientId| self.next.iter().filter(|other| other == client).count();
        let next = self.next.iter().max_by_key(votes).copied();
        Question::Release {
            resource: self.request.resource.clone(),
            holder: self.request.holder,
            next,
        }
    }

    pub(super) fn release_at(&mut self, node: usize, key: usize, outbox: &mut Outbox) {
        self.open += 1;
        self.releasing |= bit(node);
        outbox.ask(node, Tag { work: key, ask: Ask::Release }, self.release_question());
    }

    pub(super) fn commit(
        &mut self,
        number: GrantNumber,
        nodes: Vec<usize>,
        key: usize,
        outbox: &mut Outbox,
    ) {
        self.open += nodes.len();
        let binding = self.request.bind(number);
        for node in nodes {
            outbox.ask(
                node,
                Tag { work: key, ask: Ask::Commit },
                Question::Commit(binding.clone()),
            );
        }
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
            Ok(Reply::Granted { number, next }) => {
                self.next.extend(next.filter(|&next| next != shared.client));
                return Answer::Granted(number);
            }
            Ok(Reply::Held { ttl_left, fence, bound_to }) => {
                if let Some(fence) = fence {
                    shared.hints.observe(fence);
                }
                if let Stage::Asking(attempt) = &mut self.stage {
                    attempt.free_in = match (attempt.free_in, ttl_left) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                    if let Some(asked) = attempt.asked.get_mut(node) {
                        (asked.since, asked.held_by) = (asked.at, bound_to);
                    }
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
        let error = NodeError { address, step: NodeStep::Grant, kind: error };
        shared.note_error(&error);
        self.note_failure(error);
        Answer::Unknown
    }
}

pub(super) const fn bit(node: usize) -> u64 {
    1 << (node % 64)
}
