//! Every attempt and every lease of this client, from the first question to the last late answer.
//!
//! Feeds the model and obeys it: orders and answers come in, questions go out. Knows no socket and
//! waits for nothing, so a caller that goes away cannot leave anything behind.

mod keep;
mod outside;
mod release;
mod resume;
mod seek;
mod work;

use std::sync::Arc;

use slab::Slab;

use self::{
    outside::NodeState,
    seek::Seeks,
    work::{Attempt, Caller, Stage, Work, bit},
};
use super::{
    batch::{Ask, Batch, Outbox, Tag},
    error::AcquireError,
    inbox::{Acquired, Order},
    lease::Lease,
    leases::Shared,
    promise::{Promise, Wakes},
};
use crate::{
    model::{Answer, GrantNumber, GrantRequest, Moment, Question, Reply, Round, Step},
    node::{NodeError, NodeErrorKind, NodeStep},
};

/// Every attempt and every lease of this client.
pub(super) struct Book {
    shared: Arc<Shared>,
    works: Slab<Work>,
    held: usize,
    /// When to look at the leases next.
    look_at: Option<Moment>,
    seeks: Seeks,
    pub(super) outbox: Outbox,
    /// Nodes that are to be let vote.
    pub(super) admissions: Vec<usize>,
    /// When those are woken who get their answers in this turn.
    pub(super) wakes: Wakes,
    nodes: Vec<NodeState>,
}

impl Book {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        let nodes = shared.nodes.len();
        Self {
            shared,
            works: Slab::new(),
            held: 0,
            look_at: None,
            seeks: Seeks::default(),
            outbox: Outbox::new(nodes),
            admissions: Vec::new(),
            wakes: Wakes::Now,
            nodes: (0..nodes).map(|_| NodeState::default()).collect(),
        }
    }

    /// Whether nothing is under way.
    pub(super) fn is_empty(&self) -> bool {
        self.works.is_empty()
            && self.seeks.is_empty()
            && self.nodes.iter().all(|node| !node.is_being_admitted)
    }

    /// When [`Book::look`] is due.
    pub(super) fn look_at(&mut self) -> Option<Moment> {
        self.look_at.into_iter().chain(self.seeks.due()).min()
    }

    pub(super) fn take(&mut self, order: Order, now: Moment) {
        match order {
            Order::Acquire { request, reply } => self.begin(request, reply, now),
            Order::Release { grant, reply, seek } => self.begin_release(&grant, reply, seek, now),
            Order::Resume { stamp, reply } => self.resume(stamp, reply, now),
            Order::LetGo { grant } => self.let_go(&grant),
            Order::Seek { resource } => self.seek(&resource, now),
            Order::Heard { node, notice } => self.heard(node, notice, now),
            Order::Look => self.look_at = Some(now),
        }
    }

    fn begin(&mut self, request: Arc<GrantRequest>, reply: Promise<Acquired>, now: Moment) {
        let nodes = self.nodes.len();
        let attempt = Attempt::new(Caller::Task(reply), now);
        let work = Work::new(Arc::clone(&request), Round::new(nodes), Stage::Asking(attempt));
        let work = self.works.insert(work);
        self.outbox.ask_all(Tag { work, ask: Ask::Grant }, Question::Grant(request));
    }

    /// Takes one node's answers to a batch. An error stands for an answer that tells nothing.
    pub(super) fn answered(
        &mut self,
        node: usize,
        batch: &Batch,
        answers: Vec<Result<Reply, NodeError>>,
        now: Moment,
    ) {
        let mut answers = answers.into_iter();
        for (&tag, question) in batch.tags.iter().zip(&batch.questions) {
            let answer = answers.next().unwrap_or_else(|| {
                let address = self.shared.nodes[node].address().into();
                let kind = NodeErrorKind::Rejected("it gave no answer".into());
                Err(NodeError { address, step: NodeStep::of(question), kind })
            });
            if let Err(error) = &answer {
                self.shared.note_error(error);
            }
            self.on(node, tag, answer, now);
        }
    }

    fn on(&mut self, node: usize, tag: Tag, answer: Result<Reply, NodeError>, now: Moment) {
        let Some(work) = self.works.get_mut(tag.work) else { return };
        match tag.ask {
            Ask::Grant => {
                let parks = matches!(answer, Ok(Reply::NotMember));
                if parks && matches!(work.stage, Stage::Asking(_)) {
                    return self.park(node, tag, now);
                }
                let answer = work.hear_grant(node, answer, &self.shared);
                work.open -= 1;
                self.step(tag.work, node, answer, now);
                self.wait_if_stalled(tag.work, now);
            }
            Ask::Commit => {
                let answer = match answer {
                    Ok(Reply::Bound) => Answer::Committed,
                    Ok(_) => Answer::Refused,
                    Err(error) => {
                        work.note_failure(error);
                        Answer::Unknown
                    }
                };
                work.open -= 1;
                self.step(tag.work, node, answer, now);
            }
            Ask::Renew(round) => {
                work.open -= 1;
                self.on_renewal(tag.work, round, &answer, now);
            }
            Ask::Resume => {
                work.open -= 1;
                self.on_resume(tag.work, node, answer, now);
            }
            Ask::Release => {
                work.open -= 1;
                work.releasing &= !bit(node);
                if work.granted_late & bit(node) != 0
                    && !matches!(answer, Ok(Reply::Released { .. }))
                {
                    work.granted_late &= !bit(node);
                    work.release_at(node, tag.work, &mut self.outbox);
                }
                self.on_release(tag.work, &answer);
            }
        }
        self.close_if_done(tag.work);
    }

    /// Obeys the round's answer to an answer.
    fn step(&mut self, key: usize, node: usize, answer: Answer, now: Moment) {
        let Some(work) = self.works.get_mut(key) else { return };
        match work.round.on(node, answer) {
            Step::Wait => {}
            Step::Commit { number, nodes } => {
                // Commits let the lease run anew on each node, so validity may be counted from the
                // first of them; a later one, to a late grant, does not help the others.
                if let Stage::Asking(attempt) = &mut work.stage
                    && !attempt.is_committing
                {
                    (attempt.is_committing, attempt.sent) = (true, now);
                }
                work.commit(number, nodes, key, &mut self.outbox);
            }
            Step::Hold(number) => self.hold(key, number, now),
            Step::GiveUp(why) => {
                let Stage::Asking(attempt) = &mut work.stage else { return };
                let failures = std::mem::take(&mut attempt.failures);
                let free_in = attempt.free_in;
                let error = AcquireError::gave_up(&work.request.resource, why, failures, free_in);
                self.fail(key, error, now);
            }
            Step::Release(node) if work.releasing & bit(node) != 0 => {
                work.granted_late |= bit(node);
            }
            Step::Release(node) => work.release_at(node, key, &mut self.outbox),
        }
    }

    fn hold(&mut self, key: usize, number: GrantNumber, now: Moment) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Asking(mut attempt) = std::mem::replace(&mut work.stage, Stage::Over) else {
            return;
        };
        let ttl = self.shared.timing.ttl();
        let since = work.runs_since(&attempt, number);
        if now - since > ttl / 3 && matches!(attempt.caller, Caller::Line) && !attempt.is_committing
        {
            // It was asked for long ago, so nobody knows how much of it is left.
            (attempt.is_committing, attempt.sent) = (true, now);
            work.stage = Stage::Asking(attempt);
            let nodes = work.round.commit_again(number);
            return work.commit(number, nodes, key, &mut self.outbox);
        }
        let binding = work.request.bind(number);
        let Some(grant) = self.keep(key, binding, since, now) else {
            let Some(work) = self.works.get_mut(key) else { return };
            work.stage = Stage::Asking(attempt);
            let (resource, elapsed) = (work.request.resource.clone(), now - since);
            return self.fail(key, AcquireError::TooSlow { resource, elapsed, ttl }, now);
        };
        let lease = Lease::first(Arc::clone(&self.shared), Arc::clone(&grant));
        let unwanted = match attempt.caller {
            Caller::Task(reply) => reply.keep(Ok(lease), self.wakes).err().and_then(Result::ok),
            Caller::Line => {
                self.found(&grant.binding.resource);
                self.shared.lines.found(lease)
            }
        };
        if let Some(lease) = unwanted {
            // The caller went away.
            lease.forget();
            self.begin_release(&grant, None, false, now);
        }
    }

    /// Ends an attempt. Releases on every node that may have granted, also on those that did not
    /// answer: a request that timed out may have been granted, or may be yet.
    fn fail(&mut self, key: usize, error: AcquireError, now: Moment) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Asking(attempt) = std::mem::replace(&mut work.stage, Stage::Over) else {
            return;
        };
        tracing::debug!(lease.resource = %work.request.resource, %error, "lease not acquired");
        let resource = work.request.resource.clone();
        self.abandon(key);
        match attempt.caller {
            Caller::Task(reply) => drop(reply.keep(Err(error), self.wakes)),
            Caller::Line => self.rest(&resource, error, now),
        }
    }

    /// Releases whatever an attempt got, or may get yet.
    fn abandon(&mut self, key: usize) {
        let Some(work) = self.works.get_mut(key) else { return };
        work.stage = Stage::Over;
        work.round.release();
        for node in 0..self.nodes.len() {
            if work.round.may_have_ours(node) {
                work.release_at(node, key, &mut self.outbox);
            }
        }
    }

    fn close_if_done(&mut self, key: usize) {
        let done = self.works.get(key).is_some_and(|work| {
            work.open == 0
                && matches!(work.stage, Stage::Releasing(_) | Stage::NotHeld | Stage::Over)
        });
        if done {
            let work = self.works.remove(key);
            self.seeks.ended(work.request.holder);
        }
    }
}
