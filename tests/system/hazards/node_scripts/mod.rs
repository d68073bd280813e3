//! The Lua scripts on a real server, held against the rules that the model states.

mod both;

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::Arc,
    time::Duration,
};

use leasehold::{
    GrantNumber, HolderId, Resource,
    model::{Admission, Binding, ClientId, GrantRequest, Moment, Question},
};
use leasehold_stack::{LeaseNode, Persistence};

use self::both::Both;

const SECOND_US: u64 = 1_000_000;
const HOUR: Duration = Duration::from_secs(3600);
/// Rounds end with a loss of data, or of the process.
const ROUNDS: usize = 6;
const STEPS: usize = 2000;
/// Five, and grants of two lifetimes with and without a hash tag in the name.
const SCRIPTS: usize = 9;
/// Those of them that might be asked for several at once: grants with a hash tag are not, nor what is
/// not about a resource. Of the two lifetimes only the first is.
const FOR_SEVERAL: usize = 5;
/// Who asks; each belongs to one client.
const HOLDERS: u128 = 5;
/// Clients that wait; the first of them listen, the others are gone.
const CLIENTS: u128 = 3;
const LISTENERS: u64 = 2;

/// Gives the record of the member that of another run, as a failover does: the scripts stay.
async fn change_run(node: &LeaseNode) {
    let mut redis = node.connection().await.unwrap();
    let set =
        redis::cmd("SETRANGE").arg("leasehold:member").arg(34).arg("0123456789abcdef").clone();
    set.exec_async(&mut redis).await.unwrap();
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

/// A question whose answer does not depend on where the server's clock is exactly: numbers are
/// well ahead of it, too far ahead, well behind it or too far behind.
fn random_question(
    random: &mut fastrand::Rng,
    newest: &HashMap<Resource, u64>,
    clock: u64,
) -> Question {
    let names = ["a", "{a}", "x{y}z", "}{", "späti", "b", "c d"];
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

/// Whether one call can ask it together with others of its kind.
fn is_for_several(question: &Question) -> bool {
    match question {
        Question::Grant(request) => !request.resource.as_str().contains('{'),
        Question::Commit(_) | Question::Renew(_) | Question::Release { .. } => true,
        Question::Stand | Question::Admit(_) => false,
    }
}

/// Puts releases last, since they may note a number for the whole node, and of those that might be
/// asked twice leaves only one. Where `like_to_like`, what has one script stands together.
fn sort_out(questions: &mut Vec<Question>, like_to_like: bool) {
    let is_asked_twice = |q: &Question| matches!(q, Question::Release { next: None, .. });
    questions.sort_by_key(|question| match question {
        Question::Release { .. } => 4 + u8::from(is_asked_twice(question)),
        _ if !like_to_like => 0,
        Question::Grant(_) => 0,
        Question::Commit(_) => 1,
        Question::Renew(_) => 2,
        Question::Stand | Question::Admit(_) => 3,
    });
    let twice = questions.iter().position(is_asked_twice);
    questions.truncate(twice.map_or(questions.len(), |first| first + 1));
}

async fn server_and_model_answer_alike(persistence: Persistence) {
    let mut both = Both::start(persistence).await;
    let mut redis = both.stack.nodes[0].connection().await.unwrap();
    let mut random = fastrand::Rng::with_seed(7);
    for round in 0..ROUNDS {
        let clock = both.clock().await;
        // A node counts how long it was outside from when it was first seen so.
        both.ask(&[Question::Stand], clock, "after the loss").await;
        let (mut loaded, mut several) = (HashSet::new(), HashSet::new());
        let mut step = 0;
        while step < STEPS {
            let mut questions = vec![random_question(&mut random, &both.newest, clock)];
            // A question whose script has to be loaded, and a release that hands something over, is
            // asked again after the others: order within a batch is not promised for one resource.
            if loaded.len() == SCRIPTS {
                let more = random.usize(0..16);
                questions
                    .extend((0..more).map(|_| random_question(&mut random, &both.newest, clock)));
                let mut seen = HashSet::new();
                questions.retain(|q| q.resource().is_none_or(|name| seen.insert(name.clone())));
                let first = script(&questions[0]);
                if several.len() < FOR_SEVERAL {
                    // Alone with their like, until the script for several of them is loaded too.
                    questions.retain(|question| script(question) == first);
                }
                sort_out(&mut questions, random.bool());
                if questions.len() > 1 && is_for_several(&questions[0]) {
                    several.insert(first);
                }
            }
            let about = format!("round {round}, step {step}");
            both.ask(&questions, clock, &about).await;
            loaded.insert(script(&questions[0]));
            step += questions.len();
            if random.u16(0..150) == 0 {
                redis::cmd("SCRIPT").arg("FLUSH").exec_async(&mut redis).await.unwrap();
                loaded.clear();
                several.clear();
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
