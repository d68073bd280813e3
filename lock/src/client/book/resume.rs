//! Leases that an earlier process held.

use std::{mem, sync::Arc};

use super::{
    Book,
    work::{Stage, Work, bit},
};
use crate::{
    client::{
        batch::{Ask, Tag},
        grant::Grant,
        inbox::Resumption,
        promise::Promise,
        resume::{ResumeError, Resumed},
    },
    model::{Ballot, GrantRequest, Moment, Question, Reply, Round, Stamp, Verdict, Vote},
    node::NodeError,
};

/// A lease that the nodes are asked for whether they still keep it.
pub(super) struct Resuming {
    stamp: Stamp,
    reply: Promise<Resumption>,
    /// When they were asked.
    sent: Moment,
    ballot: Ballot,
    failures: Vec<NodeError>,
    /// A bit for each node that keeps it.
    kept: u64,
}

impl Book {
    /// Asks every node to let a lease run anew that an earlier process held.
    pub(super) fn resume(&mut self, stamp: Stamp, reply: Promise<Resumption>, now: Moment) {
        let (nodes, number) = (self.nodes.len(), stamp.token.number());
        let request = Arc::new(GrantRequest {
            resource: stamp.resource.clone(),
            holder: stamp.holder,
            ttl: self.shared.timing.ttl(),
            hint: number,
            waiter: None,
        });
        let question = Question::Renew(request.bind(number));
        let (ballot, failures) = (Ballot::new(nodes), Vec::new());
        let resuming = Resuming { stamp, reply, sent: now, ballot, failures, kept: 0 };
        let stage = Stage::Resuming(Box::new(resuming));
        let work = self.works.insert(Work::new(request, Round::new(nodes), stage));
        self.outbox.ask_all(Tag { work, ask: Ask::Resume }, question);
    }

    pub(super) fn on_resume(
        &mut self,
        key: usize,
        node: usize,
        answer: Result<Reply, NodeError>,
        now: Moment,
    ) {
        let Some(work) = self.works.get_mut(key) else { return };
        let resuming = match &mut work.stage {
            Stage::Resuming(resuming) => resuming,
            // Nobody has a quorum of it, so this node need not keep its part.
            Stage::NotHeld if matches!(answer, Ok(Reply::Bound)) => {
                return work.release_at(node, key, &mut self.outbox);
            }
            _ => return,
        };
        let vote = match answer {
            Ok(Reply::Bound) => {
                resuming.kept |= bit(node);
                Vote::Yes
            }
            // A node that may not vote has forgotten the lease.
            Ok(_) => Vote::No,
            Err(error) => {
                resuming.failures.push(error);
                Vote::Unknown
            }
        };
        let verdict = resuming.ballot.count(vote);
        if verdict == Verdict::Pending {
            return;
        }
        if let Stage::Resuming(resuming) = mem::replace(&mut work.stage, Stage::Over) {
            self.settle(key, *resuming, verdict, now);
        }
    }

    fn settle(&mut self, key: usize, resuming: Resuming, verdict: Verdict, now: Moment) {
        let Resuming { stamp, reply, sent, ballot, failures, kept } = resuming;
        let Stamp { resource, token, .. } = stamp;
        let tally = ballot.tally();
        let outcome = match verdict {
            Verdict::Yes => self.resumed(key, token.turn(), sent, now).ok_or_else(|| {
                let ttl = self.shared.timing.ttl();
                ResumeError::TooSlow { resource, elapsed: now - sent, ttl }
            }),
            Verdict::No => {
                self.release_rest(key, kept);
                Err(ResumeError::NotHeld { resource, token, tally })
            }
            Verdict::Unknown | Verdict::Pending => {
                Err(ResumeError::Unknown { resource, token, tally, failures })
            }
        };
        if let Err(error) = &outcome {
            tracing::debug!(%error, "lease not resumed");
        }
        let _gone = reply.keep(outcome, self.wakes);
    }

    fn resumed(&mut self, key: usize, turn: u16, sent: Moment, now: Moment) -> Option<Resumed> {
        let request = &self.works.get(key)?.request;
        let binding = request.bind(request.hint);
        let grant = self.keep(key, binding, sent, now)?;
        Some(Resumed { shared: Arc::clone(&self.shared), grant, turn, is_taken: false })
    }

    /// Only where it was bound with the very number of the stamp: with a wrong one somebody else may
    /// hold it still.
    fn release_rest(&mut self, key: usize, kept: u64) {
        let Some(work) = self.works.get_mut(key) else { return };
        work.stage = Stage::NotHeld;
        for node in (0..self.nodes.len()).filter(|&node| kept & bit(node) != 0) {
            work.release_at(node, key, &mut self.outbox);
        }
    }

    /// Nobody took it: it is renewed no more, and not released either.
    pub(super) fn let_go(&mut self, grant: &Arc<Grant>) {
        let key = grant.work;
        if let Some(work) = self.works.get_mut(key).filter(|work| work.is_of(grant)) {
            work.stage = Stage::Over;
            self.held -= 1;
            self.close_if_done(key);
        }
    }
}
