//! Seeks leases that others hold, for those of this process who wait for them.
//!
//! Each is asked for once; nodes that another has note the request, and grant it when its turn comes.
//! It is asked for again when the lease should have expired, and now and then in case a message was
//! lost.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
    time::Duration,
};

use super::{
    Book,
    work::{Asked, Attempt, Caller, Stage, Work},
};
use crate::{
    client::{
        attempt::request,
        batch::{Ask, Tag},
        error::AcquireError,
        pause::{pause_after, random_between},
        wakes::{self, Listener},
    },
    model::{Answer, GaveUp, Handover, HolderId, Moment, Question, Resource, Round, Tally, quorum},
    node::Notice,
};

/// How much longer than the first node's grant the others' is waited for before they are asked. They
/// are told at the same time, so more means that a message is lost, or that they chose another.
const GRACE: Duration = Duration::from_millis(2);

/// Timers that are not true any more are thrown away when there are more than this.
const STALE_MAX: usize = 256;

/// Every lease that this process seeks.
#[derive(Default)]
pub(super) struct Seeks {
    all: HashMap<Resource, Seek>,
    /// The attempts that nodes may have noted, until nothing of them is left.
    noted: HashMap<HolderId, usize>,
    /// What is due when, and what was.
    timers: BinaryHeap<Reverse<(Moment, Resource)>>,
}

#[derive(Default)]
struct Seek {
    /// The attempt; `None` while it rests before the next.
    work: Option<usize>,
    due: Option<Moment>,
    next: Next,
    /// Whether nodes that had not granted were asked since another did.
    asked_the_rest: bool,
    /// Attempts in a row for which no quorum answered.
    silent: u32,
    /// Nodes tell this client when its turn has come.
    listener: Option<Listener>,
}

/// What is done when it is due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Next {
    #[default]
    Begin,
    /// Nodes that have not granted are asked again.
    AskAgain,
    /// Some nodes granted, and not all the others answer that one holder has them: they are asked.
    AskTheRest,
    /// They were asked, and no holder has a quorum: what was granted goes to the others.
    GiveUp,
}

impl Seeks {
    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// When there is something to do. Entries that are not true any more must wake nobody.
    pub(super) fn due(&mut self) -> Option<Moment> {
        while let Some(Reverse((moment, resource))) = self.timers.peek() {
            if self.all.get(resource).is_some_and(|seek| seek.due == Some(*moment)) {
                return Some(*moment);
            }
            let _stale = self.timers.pop();
        }
        None
    }

    pub(super) fn ended(&mut self, holder: HolderId) {
        let _noted = self.noted.remove(&holder);
    }

    fn next_due(&mut self, now: Moment) -> Option<Resource> {
        let _now = self.due().filter(|due| *due <= now)?;
        self.timers.pop().map(|Reverse((_, resource))| resource)
    }

    fn set(&mut self, resource: &Resource, next: Next, due: Moment) {
        if let Some(seek) = self.all.get_mut(resource) {
            (seek.next, seek.due) = (next, Some(due));
            self.timers.push(Reverse((due, resource.clone())));
        }
        if self.timers.len() > STALE_MAX + 2 * self.all.len() {
            let true_ones =
                self.all.iter().filter_map(|(name, seek)| Some((seek.due?, name.clone())));
            self.timers = true_ones.map(Reverse).collect();
        }
    }
}

impl Book {
    /// Begins to seek a lease, or stops if nobody waits for it any more.
    pub(super) fn seek(&mut self, resource: &Resource, now: Moment) {
        let is_sought = self.shared.lines.sought(resource);
        match self.seeks.all.get(resource) {
            None if is_sought => {
                let _none = self.seeks.all.insert(resource.clone(), Seek::default());
                self.ask_all_for(resource, now);
            }
            Some(&Seek { work, .. }) if !is_sought => {
                let _over = self.seeks.all.remove(resource);
                if let Some(key) = work {
                    self.abandon(key);
                }
            }
            None | Some(_) => {}
        }
    }

    fn ask_all_for(&mut self, resource: &Resource, now: Moment) {
        let Some(seek) = self.seeks.all.get_mut(resource) else { return };
        let request = request(&self.shared, resource, Some(self.shared.client));
        let nodes = self.nodes.len();
        let attempt =
            Attempt { asked: vec![Asked::at(now); nodes], ..Attempt::new(Caller::Line, now) };
        let work = Work::new(Arc::clone(&request), Round::waiting(nodes), Stage::Asking(attempt));
        let key = self.works.insert(work);
        (seek.work, seek.due) = (Some(key), None);
        let _none = self.seeks.noted.insert(request.holder, key);
        self.outbox.ask_all(Tag { work: key, ask: Ask::Grant }, Question::Grant(request));
    }

    /// Does what is due.
    pub(super) fn go_on_seeking(&mut self, now: Moment) {
        while let Some(resource) = self.seeks.next_due(now) {
            let Some(seek) = self.seeks.all.get_mut(&resource) else { continue };
            seek.due = None;
            seek.asked_the_rest |= seek.next == Next::AskTheRest;
            match (seek.work, seek.next) {
                (None, _) if self.shared.lines.sought(&resource) => {
                    self.ask_all_for(&resource, now);
                }
                (None, _) => drop(self.seeks.all.remove(&resource)),
                (Some(key), Next::GiveUp) => self.give_up(key, now),
                (Some(key), _) => self.ask_again(key, None, now),
            }
        }
    }

    /// Asks the nodes that have not granted once more, or this one of them.
    fn ask_again(&mut self, key: usize, only: Option<usize>, now: Moment) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Asking(attempt) = &mut work.stage else { return };
        let nodes = work.round.ask_again(only);
        let mut request = (*work.request).clone();
        request.hint = self.shared.hints.next(self.shared.clock.wall());
        work.request = Arc::new(request);
        attempt.free_in = None;
        for node in nodes {
            attempt.failures.retain(|error| *error.address != *self.shared.nodes[node].address());
            attempt.asked[node].at = now;
            work.open += 1;
            work.parked &= !super::work::bit(node);
            let question = Question::Grant(Arc::clone(&work.request));
            self.outbox.ask(node, Tag { work: key, ask: Ask::Grant }, question);
        }
    }

    /// Asks this node again for everything that is sought: it may vote now, or knows now that this
    /// client listens.
    pub(super) fn ask_node_again(&mut self, node: usize, now: Moment) {
        let works: Vec<usize> = self.seeks.all.values().filter_map(|seek| seek.work).collect();
        for key in works {
            self.ask_again(key, Some(node), now);
        }
    }

    /// Takes what a node tells this client.
    pub(super) fn heard(&mut self, node: usize, notice: Notice, now: Moment) {
        let handover = match notice {
            Notice::Listening => return self.ask_node_again(node, now),
            Notice::Granted(handover) => handover,
        };
        metrics::counter!("lease_handovers_total").increment(1);
        let Some(&key) = self.seeks.noted.get(&handover.holder) else {
            return self.hand_on(node, handover);
        };
        let Some(work) = self.works.get_mut(key) else { return };
        work.next.extend(handover.next);
        if let Stage::Asking(attempt) = &mut work.stage {
            // Who had the others until now has given them back, too.
            attempt.asked.iter_mut().for_each(|asked| asked.held_by = None);
        }
        if let Some(seek) = self.seeks.all.get_mut(&handover.resource) {
            seek.asked_the_rest = false;
        }
        self.step(key, node, Answer::Granted(handover.number), now);
        self.wait_if_stalled(key, now);
    }

    /// Nobody waits for it any more: the next one is to have it.
    fn hand_on(&mut self, node: usize, handover: Handover) {
        let Handover { resource, holder, next, .. } = handover;
        let tag = Tag { work: usize::MAX, ask: Ask::Release };
        self.outbox.ask(node, tag, Question::Release { resource, holder, next });
    }

    /// Once it is clear that the nodes do not grant it now: decides for how long to wait for them.
    pub(super) fn wait_if_stalled(&mut self, key: usize, now: Moment) {
        let Some(work) = self.works.get(key) else { return };
        let (Stage::Asking(attempt), Some(tally)) = (&work.stage, work.round.stalled()) else {
            return;
        };
        let resource = work.request.resource.clone();
        let Some(seek) = self.seeks.all.get_mut(&resource) else { return };
        if seek.work != Some(key) {
            return;
        }
        let why = GaveUp::Contended(tally);
        let why = AcquireError::gave_up(&resource, why, Vec::new(), attempt.free_in);
        let all_answered = tally.granted + tally.held + tally.unknown == tally.nodes;
        let is_split = all_answered && tally.granted > 0 && !has_one_holder(&attempt.asked, tally);
        seek.silent = 0;
        seek.asked_the_rest &= tally.granted > 0;
        let _listener = seek.listener.get_or_insert_with(|| wakes::listen(&self.shared));
        let is_first = seek.due.is_none();
        let config = &self.shared.config;
        let (next, pause) = if !is_split {
            (Next::AskAgain, pause_after(config, &why, 0))
        } else if seek.asked_the_rest {
            // Others are in the same position: who gives up first lets them go on.
            (Next::GiveUp, random_between(Duration::ZERO, config.retry_min))
        } else {
            (Next::AskTheRest, GRACE)
        };
        self.seeks.set(&resource, next, now.after(pause));
        if is_first {
            self.shared.lines.not_found(&resource, why, false);
        }
    }

    fn give_up(&mut self, key: usize, now: Moment) {
        let Some(work) = self.works.get_mut(key) else { return };
        let Stage::Asking(attempt) = &work.stage else { return };
        let free_in = attempt.free_in;
        if let Some(tally) = work.round.give_up() {
            let resource = &work.request.resource;
            let why = GaveUp::Contended(tally);
            let error = AcquireError::gave_up(resource, why, Vec::new(), free_in);
            self.fail(key, error, now);
        }
    }

    /// The attempt failed: another one begins after a pause, if that can help.
    pub(super) fn rest(&mut self, resource: &Resource, error: AcquireError, now: Moment) {
        let Some(seek) = self.seeks.all.get_mut(resource) else { return };
        seek.work = None;
        seek.silent = if error.is_unavailable() { seek.silent + 1 } else { 0 };
        let config = &self.shared.config;
        let pause = match error {
            AcquireError::Contended { .. } => {
                random_between(config.retry_min, config.retry_min * 2)
            }
            _ => pause_after(config, &error, seek.silent),
        };
        let is_final = !error.is_retryable();
        if is_final {
            let _over = self.seeks.all.remove(resource);
        } else {
            self.seeks.set(resource, Next::Begin, now.after(pause));
        }
        self.shared.lines.not_found(resource, error, is_final);
    }

    /// The attempt got the lease: it is sought no more.
    pub(super) fn found(&mut self, resource: &Resource) {
        let _over = self.seeks.all.remove(resource);
    }
}

/// Whether one holder has a quorum, so that it will hand the lease over.
fn has_one_holder(asked: &[Asked], tally: Tally) -> bool {
    let holds = |holder: HolderId| {
        asked.iter().filter(|asked| asked.held_by == Some(holder)).count() >= quorum(tally.nodes)
    };
    asked.iter().filter_map(|asked| asked.held_by).any(holds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_of_a_quorum_is_told_from_a_split() {
        let holder = |n| (n > 0).then(|| HolderId::from_random(n));
        let asked = |held_by| Asked { held_by, ..Asked::at(Moment::default()) };
        let tally = Tally { nodes: 5, ..Tally::default() };
        let nodes = |holders: [u128; 5]| holders.map(|n| asked(holder(n)));
        assert!(has_one_holder(&nodes([0, 7, 7, 0, 7]), tally));
        assert!(!has_one_holder(&nodes([0, 7, 7, 8, 8]), tally));
        assert!(!has_one_holder(&nodes([0, 0, 0, 0, 0]), tally), "unknown is not one holder");
    }
}
