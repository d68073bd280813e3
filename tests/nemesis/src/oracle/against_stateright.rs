//! Small random histories, judged here and by a checker that searches for an order: they agree.

use std::time::Duration;

use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng};
use stateright::semantics::{ConsistencyTester as _, LinearizabilityTester, SequentialSpec};

use super::{
    Case, Evidence, in_order, looks, sold_out, stock,
    story::{Answer, Story},
};
use crate::history::{Asked, History, Operation, Outcome};

const CAPACITY: u32 = 3;

/// What a sale is when one comes after the other.
#[derive(Clone, Debug)]
struct BoundedCounter {
    version: i64,
    sold: i64,
}

#[derive(Clone, Debug)]
enum Order {
    Buy(i64),
    GiveBack(i64),
    Look,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    Done(i64),
    SoldOut,
    Seen(i64, i64),
}

impl SequentialSpec for BoundedCounter {
    type Op = Order;
    type Ret = Said;

    fn invoke(&mut self, order: &Order) -> Said {
        let more = match order {
            Order::Look => return Said::Seen(self.version, self.sold),
            Order::Buy(units) if self.sold + units > CAPACITY.into() => return Said::SoldOut,
            Order::Buy(units) => *units,
            Order::GiveBack(units) => -units,
        };
        self.sold += more;
        self.version += 1;
        Said::Done(self.version)
    }
}

/// What somebody was told, and when; `None` when it happened and nobody was.
type Course = (Order, Said, Duration, Option<Duration>);

/// The same history for the other checker: what the log says of each.
fn courses(evidence: &Evidence) -> Vec<Course> {
    let case = Case::new(evidence);
    let sale = &case.sales[0];
    let of = |asked: &Operation| match asked.asked {
        Asked::Buy { quantity } => Order::Buy(quantity.into()),
        Asked::Refund { quantity, .. } => Order::GiveBack(quantity.into()),
        _ => Order::Look,
    };
    let mut all: Vec<Course> = Vec::new();
    for key in sale.keys.values() {
        if let (Some(step), Some(since)) = (key.step, key.since()) {
            let version = i64::try_from(step).unwrap() + 1;
            all.push((of(key.asked()), Said::Done(version), since, key.until()));
        }
        let refused =
            key.operations.iter().filter(|asked| matches!(asked.outcome, Outcome::Refused(_)));
        all.extend(refused.map(|asked| (of(asked), Said::SoldOut, asked.start, Some(asked.end))));
    }
    for (look, _) in &sale.looks {
        let seen: serde_json::Value = serde_json::from_str(&look.receipt().unwrap().body).unwrap();
        let said = Said::Seen(seen["version"].as_i64().unwrap(), seen["sold"].as_i64().unwrap());
        all.push((Order::Look, said, look.start, Some(look.end)));
    }
    all
}

fn is_linearizable(courses: &[Course]) -> bool {
    let mut tester = LinearizabilityTester::new(BoundedCounter { version: 1, sold: 0 });
    let mut times: Vec<(Duration, bool, usize)> = Vec::new();
    for (thread, (_, _, start, end)) in courses.iter().enumerate() {
        // Who ends when another begins was under way with it.
        times.push((*start, false, thread));
        times.push((end.unwrap_or(Duration::MAX), true, thread));
    }
    times.sort();
    for (_, ends, thread) in times {
        let (order, said, ..) = courses[thread].clone();
        let noted =
            if ends { tester.on_return(thread, said) } else { tester.on_invoke(thread, order) };
        assert!(noted.is_ok());
    }
    tester.is_consistent()
}

fn is_accepted(evidence: &Evidence) -> bool {
    let case = Case::new(evidence);
    [stock::check, in_order::check, looks::check, sold_out::check]
        .iter()
        .all(|check| check(&case).is_empty())
}

/// A history in which much is under way at once: each takes effect at some moment of its own.
fn history(random: &mut impl Rng) -> Evidence {
    let mut story = Story::new(CAPACITY.into());
    let mut bought: Vec<(String, u32)> = Vec::new();
    for _ in 0..random.random_range(3..8) {
        let quantity = random.random_range(1..=2);
        let answer = if random.random_ratio(1, 6) { Answer::IsLost } else { Answer::Comes };
        match random.random_range(0..4) {
            0 => story.look(),
            1 if !bought.is_empty() => {
                let (key, quantity) = bought.swap_remove(random.random_range(0..bought.len()));
                let claim = story.claim(&key);
                let _key = story.ask("office", Asked::Refund { claim, quantity }, answer);
            }
            _ => {
                let key = story.ask("ada", Asked::Buy { quantity }, answer);
                if story.is_done(&key) {
                    bought.push((key, quantity));
                }
            }
        }
    }
    for operation in &mut story.operations {
        let wide = |random: &mut dyn FnMut() -> u64| Duration::from_millis(random());
        let mut some = || random.random_range(0..25);
        operation.start = operation.start.saturating_sub(wide(&mut some));
        operation.end += wide(&mut some);
    }
    Evidence {
        books: [(story.sale, story.books())].into(),
        history: History { operations: story.operations, ..History::default() },
        ..Evidence::default()
    }
}

/// Makes something of it different, wrong or not.
fn mutate(evidence: &mut Evidence, random: &mut impl Rng) {
    let operations = &mut evidence.history.operations;
    let at = random.random_range(0..operations.len());
    let other = random.random_range(0..operations.len());
    match random.random_range(0..3) {
        0 => {
            let start = Duration::from_millis(random.random_range(0..80));
            operations[at].start = start;
            operations[at].end = start + Duration::from_millis(random.random_range(0..20));
        }
        1 => {
            let times = (operations[other].start, operations[other].end);
            (operations[other].start, operations[other].end) =
                (operations[at].start, operations[at].end);
            (operations[at].start, operations[at].end) = times;
        }
        _ => {
            let Outcome::Ok(receipt) = &mut operations[at].outcome else { return };
            if receipt.claim.is_some() {
                return;
            }
            let mut body: serde_json::Value = serde_json::from_str(&receipt.body).unwrap();
            let sold = random.random_range(0..=CAPACITY);
            body["version"] = random.random_range(1..6).into();
            body["sold"] = sold.into();
            body["left"] = (CAPACITY - sold).into();
            receipt.body = body.to_string();
        }
    }
}

#[test]
fn a_checker_that_searches_for_an_order_says_the_same() {
    let mut rejected = 0;
    for seed in 0..2000 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut evidence = history(&mut random);
        assert!(is_linearizable(&courses(&evidence)), "seed {seed}: {evidence:#?}");
        assert!(is_accepted(&evidence), "seed {seed}: {evidence:#?}");
        mutate(&mut evidence, &mut random);
        let linearizable = is_linearizable(&courses(&evidence));
        assert_eq!(is_accepted(&evidence), linearizable, "seed {seed}: {evidence:#?}");
        rejected += usize::from(!linearizable);
    }
    assert!((400..1600).contains(&rejected), "{rejected} of 2000 were rejected");
}
