//! Questions on their way to the nodes.

use std::{collections::HashMap, mem, sync::Arc, time::Duration};

use crate::model::{Moment, Question, quorum};

/// Questions in one write; more wait for the next.
const BATCH_MAX: usize = 1024;

/// With so many batches under way, counted at each of the nodes that they go to, but with two of them in
/// any case, and with so many questions in them, nodes and client have enough to do at the same time;
/// what comes meanwhile goes together. One node alone must never wait for the client; several take more
/// time than the client has.
const UNDER_WAY_MAX: usize = 8;
const QUESTIONS_ENOUGH: usize = 16;

/// How long what is to be asked waits for more of it, if no answer comes before: nodes that do not
/// answer hold nothing up for longer. Timers are of whole milliseconds, so it can become three.
const GATHER_MAX: Duration = Duration::from_millis(1);

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

    /// Whether all that waits can wait for more. What is for one node may take back what is for all, and
    /// must not reach it first.
    pub(super) fn can_wait(&self) -> bool {
        !self.all.is_empty() && self.each.iter().all(|batch| batch.tags.is_empty())
    }

    /// Hands out what waits for all nodes.
    pub(super) fn take_for_all(&mut self) -> impl Iterator<Item = Arc<Batch>> {
        self.all.drain(..).map(|batch| Arc::new(batch.like_to_like()))
    }

    /// Hands out what waits for one node, each batch with the node it goes to.
    pub(super) fn take_for_each(&mut self) -> impl Iterator<Item = (usize, Arc<Batch>)> {
        let there = self.each.iter_mut().enumerate().filter(|(_, batch)| !batch.tags.is_empty());
        there.map(|(node, batch)| (node, Arc::new(mem::take(batch))))
    }
}

/// Batches for all nodes that a quorum has not answered yet.
///
/// While there are enough, what else there is to ask is gathered for the next one: the fuller a batch,
/// the less a question costs nodes and client.
#[derive(Debug)]
pub(super) struct UnderWay {
    quorum: usize,
    enough: usize,
    batches: Vec<Sent>,
}

#[derive(Debug)]
struct Sent {
    batch: Arc<Batch>,
    at: Moment,
    answers: usize,
}

impl UnderWay {
    pub(super) fn new(nodes: usize) -> Self {
        let enough = (UNDER_WAY_MAX / nodes.max(1)).max(2);
        Self { quorum: quorum(nodes), enough, batches: Vec::new() }
    }

    pub(super) fn sent(&mut self, batch: &Arc<Batch>, at: Moment) {
        self.batches.push(Sent { batch: Arc::clone(batch), at, answers: 0 });
    }

    /// A node answered, or will not: of others than these nothing is noted.
    pub(super) fn answered(&mut self, batch: &Arc<Batch>) {
        let Some(at) = self.batches.iter().position(|sent| Arc::ptr_eq(&sent.batch, batch)) else {
            return;
        };
        self.batches[at].answers += 1;
        if self.batches[at].answers >= self.quorum {
            self.batches.remove(at);
        }
    }

    /// Until when the next batch has to wait at most; `None` if it need not.
    pub(super) fn are_enough_until(&self, now: Moment) -> Option<Moment> {
        let newest = self.batches.iter().rev().take_while(|sent| sent.at.after(GATHER_MAX) > now);
        let questions: usize = newest.clone().map(|sent| sent.batch.questions.len()).sum();
        // The oldest of the newest few.
        let last = newest.clone().nth(self.enough - 1)?;
        (questions >= QUESTIONS_ENOUGH).then(|| last.at.after(GATHER_MAX))
    }
}

impl Batch {
    fn push(&mut self, tag: Tag, question: Question) {
        self.tags.push(tag);
        self.questions.push(question);
    }

    /// The same questions, each kind together: a node can ask its server several in one call. Those of
    /// one resource stay in their order.
    fn like_to_like(self) -> Self {
        if self.questions.is_sorted_by_key(kind) {
            return self;
        }
        let mut times = HashMap::with_capacity(self.questions.len());
        let time_and_kind = |question| {
            let time = times.entry(Question::resource(question)).or_insert(0_usize);
            *time += 1;
            (*time, kind(question))
        };
        let keys: Vec<_> = self.questions.iter().map(time_and_kind).collect();
        let mut sorted: Vec<_> =
            keys.into_iter().zip(self.tags.into_iter().zip(self.questions)).collect();
        sorted.sort_by_key(|(key, _)| *key);
        let (tags, questions) = sorted.into_iter().map(|(_, question)| question).unzip();
        Self { tags, questions }
    }
}

/// Releases come first: what is free sooner can be granted sooner.
const fn kind(question: &Question) -> u8 {
    match question {
        Question::Release { .. } => 0,
        Question::Renew(_) => 1,
        Question::Commit(_) => 2,
        Question::Grant(_) => 3,
        Question::Stand | Question::Admit(_) => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        HolderId, Resource,
        model::{GrantNumber, GrantRequest},
    };

    fn batch(questions: &[(&str, &str)]) -> Batch {
        let mut batch = Batch::default();
        for (work, (kind, name)) in questions.iter().enumerate() {
            let (resource, holder) = (Resource::new(*name).unwrap(), HolderId::from_random(1));
            let (ask, question) = match *kind {
                "grant" => {
                    let (ttl, hint) = (Duration::from_secs(1), GrantNumber::ONE);
                    let request = GrantRequest { resource, holder, ttl, hint, waiter: None };
                    (Ask::Grant, Question::Grant(Arc::new(request)))
                }
                _ => (Ask::Release, Question::Release { resource, holder, next: None }),
            };
            batch.push(Tag { work, ask }, question);
        }
        batch
    }

    /// Batches of this many questions for three nodes, one sent after the other.
    fn under_way(sizes: &[usize], at: Moment) -> (UnderWay, Vec<Arc<Batch>>) {
        let of = |&size: &usize| Arc::new(batch(&vec![("grant", "a"); size]));
        let batches: Vec<_> = sizes.iter().map(of).collect();
        let mut under_way = UnderWay::new(3);
        batches.iter().for_each(|batch| under_way.sent(batch, at));
        (under_way, batches)
    }

    #[test]
    fn only_many_questions_in_some_batches_make_others_wait() {
        let now = Moment::default();
        let end = Some(now.after(GATHER_MAX));
        for (sizes, until) in [
            (&[][..], None),
            (&[100], None),
            (&[1, 1, 1, 1, 1, 1], None),
            (&[8, 8], end),
            (&[1, 1, 1, 100, 1], end),
        ] {
            let (under_way, _batches) = under_way(sizes, now);
            assert_eq!(under_way.are_enough_until(now), until, "{sizes:?}");
            // Nodes that do not answer hold nothing up.
            assert_eq!(under_way.are_enough_until(now.after(GATHER_MAX)), None, "{sizes:?}");
        }
    }

    #[test]
    fn the_fewer_nodes_the_more_batches_are_enough() {
        for (nodes, enough) in [(1, 8), (3, 2), (5, 2), (9, 2)] {
            let mut under_way = UnderWay::new(nodes);
            let now = Moment::default();
            let batches: Vec<_> =
                (0..enough).map(|_| Arc::new(batch(&[("grant", "a"); 16]))).collect();
            for (sent, batch) in batches.iter().enumerate() {
                assert_eq!(under_way.are_enough_until(now), None, "{nodes} nodes, {sent} batches");
                under_way.sent(batch, now);
            }
            assert!(under_way.are_enough_until(now).is_some(), "{nodes} nodes");
        }
    }

    #[test]
    fn the_answer_of_a_quorum_makes_room() {
        let now = Moment::default();
        let (mut under_way, batches) = under_way(&[9; 2], now);
        let other = Arc::new(Batch::default());
        for (batch, is_enough) in [(&batches[1], true), (&other, true), (&batches[1], false)] {
            under_way.answered(batch);
            assert_eq!(under_way.are_enough_until(now).is_some(), is_enough);
        }
        // The third node's answer.
        under_way.answered(&batches[1]);
        assert_eq!(under_way.batches.len(), 1);
    }

    fn order(batch: &Batch) -> Vec<usize> {
        for (tag, question) in batch.tags.iter().zip(&batch.questions) {
            assert_eq!(tag.ask == Ask::Grant, matches!(question, Question::Grant(_)));
        }
        batch.tags.iter().map(|tag| tag.work).collect()
    }

    #[test]
    fn like_stands_with_like_and_keeps_its_tag() {
        let questions = [("grant", "a"), ("release", "b"), ("grant", "c"), ("release", "d")];
        assert_eq!(order(&batch(&questions).like_to_like()), [1, 3, 0, 2]);
    }

    #[test]
    fn a_grant_stays_before_the_release_of_its_resource() {
        let questions = [("grant", "a"), ("release", "b"), ("grant", "c"), ("release", "a")];
        assert_eq!(order(&batch(&questions).like_to_like()), [1, 0, 2, 3]);
        let turns = [("release", "a"), ("grant", "a"), ("grant", "b"), ("release", "a")];
        assert_eq!(order(&batch(&turns).like_to_like()), [0, 2, 1, 3]);
    }

    /// As when a caller goes away whose question was not sent yet.
    #[test]
    fn what_is_for_one_node_takes_what_is_for_all_along() {
        let mut outbox = Outbox::new(3);
        assert!(!outbox.can_wait());
        let Batch { tags, questions } = batch(&[("grant", "a"), ("release", "a")]);
        let mut asked = tags.into_iter().zip(questions);
        let (tag, grant) = asked.next().unwrap();
        outbox.ask_all(tag, grant);
        assert!(outbox.can_wait());
        let (tag, release) = asked.next().unwrap();
        outbox.ask(1, tag, release);
        assert!(!outbox.can_wait());
        assert_eq!(outbox.take_for_all().count(), 1);
        assert_eq!(outbox.take_for_each().map(|(node, _)| node).collect::<Vec<_>>(), [1]);
    }
}
