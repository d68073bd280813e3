//! Random runs that are right: no checker may say a word about them.

use std::time::Duration;

use rand::{Rng, RngExt as _, SeedableRng as _, rngs::StdRng};

use super::{
    Evidence, judge,
    story::{Answer, Story},
};
use crate::history::{Asked, History};

const BUYERS: [&str; 5] = ["ada", "bob", "eve", "joe", "kim"];

/// All sorts of orders, some of them asked again; much of it under way at once.
fn run(random: &mut impl Rng) -> Evidence {
    let mut story = Story::new(random.random_range(2..6));
    let mut claims = Vec::new();
    for _ in 0..random.random_range(5..60) {
        let buyer = BUYERS[random.random_range(0..BUYERS.len())];
        let quantity = random.random_range(1..=3);
        let of_claim = |random: &mut dyn FnMut(usize) -> usize,
                        claims: &[(String, &'static str)]| {
            (!claims.is_empty()).then(|| claims[random(claims.len())].clone())
        };
        let mut pick = |below: usize| random.random_range(0..below);
        let claim = of_claim(&mut pick, &claims);
        let answer = if random.random_ratio(1, 5) { Answer::IsLost } else { Answer::Comes };
        let (buyer, asked) = match (random.random_range(0..12), claim) {
            (0, _) => {
                story.wait(random.random_range(1..8));
                continue;
            }
            (1, _) => {
                story.tidy();
                continue;
            }
            (2, _) => {
                story.resize(random.random_range(6..9));
                continue;
            }
            (3, _) => {
                story.look();
                continue;
            }
            (4 | 5, Some((key, buyer))) => (buyer, Asked::Confirm { claim: story.claim(&key) }),
            (6, Some((key, buyer))) => (buyer, Asked::Cancel { claim: story.claim(&key) }),
            (7 | 8, Some((key, _))) => {
                ("office", Asked::Refund { claim: story.claim(&key), quantity })
            }
            (9, _) => (buyer, Asked::Buy { quantity }),
            _ => (buyer, Asked::Reserve { quantity, wait: random.random() }),
        };
        let key = story.ask(buyer, asked, answer);
        if asked.claim().is_none() && story.is_done(&key) {
            claims.push((key.clone(), buyer));
        }
        while random.random_ratio(1, 4) {
            let answer = if random.random() { Answer::IsLost } else { Answer::Comes };
            story.ask_with(&key, buyer, asked, answer);
        }
    }
    for operation in &mut story.operations {
        let wide = Duration::from_millis(random.random_range(0..300));
        operation.start = operation.start.saturating_sub(wide);
        operation.end += Duration::from_millis(random.random_range(0..300));
    }
    Evidence {
        read_at: story.now(),
        books: [(story.sale, story.books())].into(),
        history: History { operations: story.operations, ..History::default() },
        // The rules leave nobody waiting for what is free.
        settled: true,
        ..Evidence::default()
    }
}

#[test]
fn what_is_right_is_never_found_wrong() {
    for seed in 0..1000 {
        let mut random = StdRng::seed_from_u64(seed);
        let evidence = run(&mut random);
        for (name, found) in judge(&evidence) {
            assert!(found.is_empty(), "seed {seed}, {name}: {found:#?}\n{evidence:#?}");
        }
    }
}

/// Whatever the books hold, a checker says what is wrong, and does not fail.
#[test]
fn what_makes_no_sense_is_judged_too() {
    let mut found = 0;
    for seed in 0..300 {
        let mut random = StdRng::seed_from_u64(seed);
        let mut evidence = run(&mut random);
        for _ in 0..3 {
            make_a_mess(&mut evidence, &mut random);
        }
        found += usize::from(!super::violations(&evidence).is_empty());
    }
    assert!(found > 250, "something was found in {found} of 300");
}

fn make_a_mess(evidence: &mut Evidence, random: &mut impl Rng) {
    let operations = &mut evidence.history.operations;
    let books = super::planted::books_of(&mut evidence.books);
    if books.events.is_empty() {
        return;
    }
    let mut any = |len: usize| random.random_range(0..len.max(1));
    let (event, other) = (any(books.events.len()), any(books.events.len()));
    let (claim, reply) = (any(books.claims.len()), any(books.replies.len()));
    let (operation, wrong) = (any(operations.len()), any(7));
    match wrong {
        0 => books.events.swap(event, other),
        1 => drop(books.events.remove(event)),
        2 => books.events.push(books.events[event].clone()),
        3 => books.claims.truncate(claim),
        4 => books.replies.truncate(reply),
        5 => operations.truncate(operation),
        _ => books.events.truncate(event),
    }
}
