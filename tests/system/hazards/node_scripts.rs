//! The Lua scripts on a real server, held against the rules that the model states.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use leasehold::{
    GrantNumber, HolderId, Resource,
    model::{
        Admission, Binding, ClientId, GrantRequest, Handover, Ledger, Moment, Question, Reply,
        Standing,
    },
    node::{Node as _, Notice, RedisNode},
};
use leasehold_stack::{LeaseNode, Persistence, Silent, Stack, StackConfig};
use tokio::sync::mpsc;

use crate::world::LIMIT;

const SECOND_US: u64 = 1_000_000;
const HOUR: Duration = Duration::from_secs(3600);
/// Rounds end with a loss of data, or of the process.
const ROUNDS: usize = 6;
const STEPS: usize = 2000;
/// Five, and grants of two lifetimes with and without a hash tag in the name.
const SCRIPTS: usize = 9;
/// Who asks; each belongs to one client.
const HOLDERS: u128 = 5;
/// Clients that wait; the first of them listen, the others are gone.
const CLIENTS: u128 = 3;
const LISTENERS: u64 = 2;

/// A server and the model of it, which are asked the same.
struct Both {
    stack: Stack,
    node: Arc<RedisNode>,
    model: Ledger,
    runs: u32,
    ears: Vec<Ear>,
    /// The newest number of each resource, as far as answers told.
    newest: HashMap<Resource, u64>,
    /// What the server and the model call the outage that they are in, or were in last.
    outages: [u64; 2],
    handed_over: usize,
}

/// A client that listens, and what it should have heard.
struct Ear {
    client: ClientId,
    heard: mpsc::Receiver<Notice>,
    expected: Vec<Handover>,
}

impl Both {
    async fn start(persistence: Persistence) -> Self {
        let config = StackConfig { lease_nodes: 1, persistence, postgres: false };
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
    async fn all_is_heard(&mut self) {
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

    async fn clock(&self) -> u64 {
        let mut redis = self.stack.nodes[0].connection().await.unwrap();
        let (seconds, micros): (u64, u64) =
            redis::cmd("TIME").query_async(&mut redis).await.unwrap();
        seconds * SECOND_US + micros
    }

    async fn ask(&mut self, questions: &[Question], clock: u64, about: &str) {
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

    async fn flush(&mut self) {
        self.stack.nodes[0].flush_all().await.unwrap();
        self.model.forget();
    }

    async fn restart(&mut self, persistence: Persistence) {
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

/// Gives the record of the member that of another run, as a failover does: the scripts stay.
async fn change_run(node: &LeaseNode) {
    let mut redis = node.connection().await.unwrap();
    let set =
        redis::cmd("SETRANGE").arg("leasehold:member").arg(34).arg("0123456789abcdef").clone();
    set.exec_async(&mut redis).await.unwrap();
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

/// Which script is asked, as far as it can be told from outside: lifetimes and names with a hash tag
/// make a difference for grants.
fn script(question: &Question) -> (mem::Discriminant<Question>, Option<(Duration, bool)>) {
    let grant = match question {
        Question::Grant(request) => Some((request.ttl, request.resource.as_str().contains('{'))),
        _ => None,
    };
    (mem::discriminant(question), grant)
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

/// A question whose answer does not depend on where the server's clock is exactly: numbers are
/// well ahead of it, too far ahead, well behind it or too far behind.
fn random_question(
    random: &mut fastrand::Rng,
    newest: &HashMap<Resource, u64>,
    clock: u64,
) -> Question {
    let names = ["a", "{a}", "x{y}z", "}{", "späti"];
    let resource = Resource::new(names[random.usize(0..names.len())]).unwrap();
    // The fence of the shorter one is kept in place. Both are longer than the test.
    let ttl = [Duration::from_secs(999), HOUR * 3][random.usize(0..2)];
    let client = |holder: u128| ClientId::from_random(u64::try_from(holder % CLIENTS).unwrap());
    let asks = random.u128(0..HOLDERS);
    let (client, holder, other) =
        (client(asks), HolderId::from_random(asks), client(random.u128(0..CLIENTS)));
    // Close to what the server has bound, so that hints and fences pass each other, and meet.
    let ahead = clock + 300 * SECOND_US;
    let near = newest.get(&resource).map_or(ahead, |newest| ahead.max(newest - 1));
    let near = near + [0, 1, 1, 1, 1, 2, 5][random.usize(0..7)];
    let number = GrantNumber::new(match random.u8(0..20) {
        0 => ahead + 1200 * SECOND_US,
        1 => ahead - 2000 * SECOND_US,
        2 => ahead - 4000 * SECOND_US,
        _ => near,
    })
    .unwrap();
    let binding = Binding { resource: resource.clone(), holder, ttl, number };
    match random.u8(0..16) {
        0..=4 => {
            let waiter = random.bool().then_some(client);
            Question::Grant(Arc::new(GrantRequest { resource, holder, ttl, hint: number, waiter }))
        }
        5..=7 => Question::Commit(binding),
        8 | 9 => Question::Renew(binding),
        10..=13 => {
            let next = random.bool().then_some(other);
            Question::Release { resource, holder, next }
        }
        14 => Question::Stand,
        _ => {
            let quarantine = if random.bool() { Duration::ZERO } else { HOUR * 24 * 365 };
            let floor = GrantNumber::new(near).unwrap();
            let outage = u64::from(random.u8(0..4) == 0);
            Question::Admit(Admission { floor, ttl_max: ttl, quarantine, outage })
        }
    }
}

async fn server_and_model_answer_alike(persistence: Persistence) {
    let mut both = Both::start(persistence).await;
    let mut redis = both.stack.nodes[0].connection().await.unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..ROUNDS {
        let clock = both.clock().await;
        // A node counts how long it was outside from when it was first seen so.
        both.ask(&[Question::Stand], clock, "after the loss").await;
        let mut loaded = HashSet::new();
        let mut step = 0;
        while step < STEPS {
            let mut questions = vec![random_question(&mut random, &both.newest, clock)];
            // A question whose script has to be loaded, and a release that hands something over, is
            // asked again after the others: order within a batch is not promised for one resource.
            if loaded.len() == SCRIPTS {
                let more = random.usize(0..8);
                questions
                    .extend((0..more).map(|_| random_question(&mut random, &both.newest, clock)));
                let mut seen = HashSet::new();
                questions.retain(|q| q.resource().is_none_or(|name| seen.insert(name.clone())));
                // So it comes last, also because it may note a number for the whole node.
                let is_release = |q: &Question| matches!(q, Question::Release { .. });
                questions.sort_by_key(is_release);
                let first = questions.iter().position(is_release);
                questions.truncate(first.map_or(questions.len(), |first| first + 1));
            }
            let about = format!("round {round}, step {step}");
            both.ask(&questions, clock, &about).await;
            loaded.insert(script(&questions[0]));
            step += questions.len();
            if random.u16(0..150) == 0 {
                redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
                loaded.clear();
            }
        }
        both.all_is_heard().await;
        assert!(both.handed_over > 10 * (round + 1), "only {} handovers", both.handed_over);
        match round % 3 {
            0 => {
                both.restart(persistence).await;
                redis = both.stack.nodes[0].connection().await.unwrap();
            }
            1 => both.flush().await,
            _ => {
                change_run(&both.stack.nodes[0]).await;
                both.runs += 1;
                both.model.restart(Moment::default(), both.runs);
                // The process is the same, so who listened does so still.
                for ear in &both.ears {
                    both.model.listen(ear.client, true);
                }
                // Before anybody asks how it stands, which would remove the record.
                let mut questions: Vec<_> =
                    (0..40).map(|_| random_question(&mut random, &both.newest, clock)).collect();
                questions.retain(|q| !matches!(q, Question::Stand | Question::Admit(_)));
                for question in questions {
                    both.ask(&[question], clock, "with the record of another run").await;
                }
            }
        }
    }
}

#[tokio::test]
async fn scripts_and_model_answer_alike_on_a_server_that_forgets() {
    server_and_model_answer_alike(Persistence::None).await;
}

#[tokio::test]
async fn scripts_and_model_answer_alike_on_a_server_that_is_restarted_with_its_data() {
    server_and_model_answer_alike(Persistence::Durable).await;
}
