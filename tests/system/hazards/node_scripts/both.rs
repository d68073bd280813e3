//! A server and the model of it, side by side.

use std::{collections::HashMap, mem, sync::Arc};

use leasehold::{
    GrantNumber, Resource,
    model::{Admission, ClientId, Handover, Ledger, Moment, Question, Reply, Standing},
    node::{Node as _, Notice, RedisNode},
};
use leasehold_stack::{Persistence, Silent, Stack, StackConfig};
use tokio::sync::mpsc;

use super::{LISTENERS, SECOND_US};
use crate::world::LIMIT;

/// A server and the model of it, which are asked the same.
pub(super) struct Both {
    pub(super) stack: Stack,
    node: Arc<RedisNode>,
    pub(super) model: Ledger,
    pub(super) runs: u32,
    pub(super) ears: Vec<Ear>,
    /// The newest number of each resource, as far as answers told.
    pub(super) newest: HashMap<Resource, u64>,
    /// What the server and the model call the outage that they are in, or were in last.
    outages: [u64; 2],
    pub(super) handed_over: usize,
}

/// A client that listens, and what it should have heard.
pub(super) struct Ear {
    pub(super) client: ClientId,
    heard: mpsc::Receiver<Notice>,
    expected: Vec<Handover>,
}

impl Both {
    pub(super) async fn start(persistence: Persistence) -> Self {
        let config =
            StackConfig { lease_nodes: 1, persistence, postgres: false, ..StackConfig::default() };
        let stack = Stack::start(config, &Silent).await.unwrap();
        let node = Arc::new(RedisNode::new(&stack.redis_urls()[0], LIMIT).unwrap());
        let model = Ledger::unfounded(Moment::default());
        let (ears, newest) = (Vec::new(), HashMap::new());
        let mut both =
            Self { stack, node, model, runs: 0, ears, newest, outages: [0; 2], handed_over: 0 };
        both.listen().await;
        both
    }

    /// Has the first clients listen, and waits until the server knows them.
    async fn listen(&mut self) {
        self.ears.clear();
        for number in 0..LISTENERS {
            let client = ClientId::from_random(number);
            let (sender, mut heard) = mpsc::channel(1024);
            let node = Arc::clone(&self.node);
            drop(tokio::spawn(async move { node.listen(client, sender).await }));
            assert_eq!(heard.recv().await, Some(Notice::Listening));
            self.model.listen(client, true);
            self.ears.push(Ear { client, heard, expected: Vec::new() });
        }
    }

    /// Every client that was to be told has been told. Of releases in one batch, those that hand
    /// nothing over come first, so the order is not compared.
    pub(super) async fn all_is_heard(&mut self) {
        for ear in &mut self.ears {
            let mut heard = Vec::new();
            for _ in &ear.expected {
                let notice = tokio::time::timeout(LIMIT, ear.heard.recv()).await.unwrap();
                let Some(Notice::Granted(handover)) = notice else { unreachable!("{notice:?}") };
                heard.push(handover);
            }
            heard.sort();
            ear.expected.sort();
            assert_eq!(heard, mem::take(&mut ear.expected));
            assert!(ear.heard.is_empty(), "told without a reason");
        }
    }

    pub(super) async fn clock(&self) -> u64 {
        let mut redis = self.stack.nodes[0].connection().await.unwrap();
        let (seconds, micros): (u64, u64) =
            redis::cmd("TIME").query_async(&mut redis).await.unwrap();
        seconds * SECOND_US + micros
    }

    pub(super) async fn ask(&mut self, questions: &[Question], clock: u64, about: &str) {
        let [theirs, ours] = self.outages.map(|outage| {
            questions.iter().map(|question| in_outage(question, outage)).collect::<Vec<_>>()
        });
        let replies = self.node.ask(&theirs).await;
        assert_eq!(replies.len(), questions.len());
        for (question, real) in ours.iter().zip(replies) {
            let clock = GrantNumber::new(clock).unwrap();
            let wanted = self.model.answer(question, Moment::default(), clock);
            self.expect_handovers();
            let real = real.unwrap();
            for (place, reply) in self.outages.iter_mut().zip([real, wanted]) {
                if let Reply::Standing(Standing::Outside { outage, .. }) = reply {
                    *place = outage;
                }
            }
            assert_eq!(text(real), text(wanted), "{about}: {question:?} of {questions:?}");
            self.note(question, real);
        }
    }

    fn note(&mut self, question: &Question, reply: Reply) {
        let (resource, number) = match (question, reply) {
            (Question::Grant(request), Reply::Granted { number, .. }) => {
                (&request.resource, number)
            }
            (Question::Commit(binding), Reply::Bound) => (&binding.resource, binding.number),
            _ => return,
        };
        self.newest.insert(resource.clone(), number.get());
    }

    fn expect_handovers(&mut self) {
        for (client, handover) in self.model.take_handovers() {
            self.newest.insert(handover.resource.clone(), handover.number.get());
            let ear = self.ears.iter_mut().find(|ear| ear.client == client).unwrap();
            ear.expected.push(handover);
            self.handed_over += 1;
        }
    }

    pub(super) async fn flush(&mut self) {
        self.stack.nodes[0].flush_all().await.unwrap();
        self.model.forget();
    }

    pub(super) async fn restart(&mut self, persistence: Persistence) {
        self.stack.nodes[0].restart().await.unwrap();
        self.runs += 1;
        if persistence == Persistence::None {
            self.model = Ledger::unfounded(Moment::default());
        }
        self.model.restart(Moment::default(), self.runs);
        // The first question finds the connection broken.
        while self.node.ping().await.is_err() {}
        self.listen().await;
    }
}

/// The question as whoever calls its outage by this number is asked it; 0 stands for the outage that
/// it is in, and all else for another one.
fn in_outage(question: &Question, outage: u64) -> Question {
    match question {
        Question::Admit(admission) => {
            let outage = outage + admission.outage;
            Question::Admit(Admission { outage, ..*admission })
        }
        other => other.clone(),
    }
}

/// The answer as text, without what depends on the server's clock.
fn text(reply: Reply) -> String {
    match reply {
        Reply::Held { fence, bound_to, .. } => format!("held, fence {fence:?} {bound_to:?}"),
        Reply::HintAhead { .. } => "hint ahead".to_owned(),
        Reply::Standing(Standing::Outside { .. }) => "outside".to_owned(),
        Reply::Granted { .. }
        | Reply::NotMember
        | Reply::Bound
        | Reply::Refused
        | Reply::Released { .. }
        | Reply::NotOurs
        | Reply::Standing(Standing::Member { .. })
        | Reply::Admitted => format!("{reply:?}"),
    }
}
