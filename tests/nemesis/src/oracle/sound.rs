//! A run in which all sorts of things happen, and all of them are right.

use std::time::Duration;

use super::{
    Counter, Evidence,
    story::{Answer, Story},
};
use crate::history::{Asked, History, Hold, Increment, Written};

const MS: Duration = Duration::from_millis(1);

/// Sound evidence.
pub(super) fn sound() -> Evidence {
    let mut story = Story::new(4);
    begin(&mut story);
    let healed_at = story.now();
    go_on(&mut story);
    let read_at = story.now();
    let (holds, increments, counter) = lock_holders(healed_at);
    let books = story.books();
    Evidence {
        books: [(story.sale, books)].into(),
        history: History { operations: story.operations, holds, increments },
        counters: [("shelf".to_owned(), counter)].into(),
        healed_at: Some(healed_at),
        read_at,
        settled: true,
        clocks_off: Vec::new(),
        lock_holders: 2,
        resumes_within: Duration::from_secs(5),
        tidies_within: Duration::from_secs(5),
    }
}

/// Sold out, waited for, confirmed, cancelled, refunded, expired.
fn begin(story: &mut Story) {
    use Answer::{Comes, IsLost};
    let buy = |quantity| Asked::Buy { quantity };
    let reserve = |wait| Asked::Reserve { quantity: 1, wait };
    let ada = story.ask("ada", buy(2), Comes);
    story.look();
    let bob = story.ask("bob", reserve(false), Comes);
    let eve = story.ask("eve", reserve(true), Comes);
    let _refused = story.ask("joe", buy(1), Comes);
    let dan = story.ask("dan", reserve(true), Comes);
    let fay = story.ask("fay", reserve(true), Comes);
    let [ada, bob, eve, dan, fay] = [ada, bob, eve, dan, fay].map(|key| story.claim(&key));
    let _told = story.ask("bob", Asked::Confirm { claim: bob }, Comes);
    let _told = story.ask("eve", Asked::Cancel { claim: eve }, Comes);
    let _told = story.ask("office", Asked::Refund { claim: ada, quantity: 1 }, Comes);
    story.look();
    story.wait(11);
    story.look();
    story.tidy();
    let _again = story.ask("dan", Asked::Confirm { claim: dan }, Comes);
    // Nobody is told, and asks again.
    let gus = story.ask("gus", buy(1), IsLost);
    story.ask_with(&gus, "gus", buy(1), Comes);
    story.ask_with(&gus, "gus", buy(1), Comes);
    let _in_vain = story.ask("fay", Asked::Confirm { claim: fay }, Comes);
    let _paid_back = story.ask("office", Asked::Refund { claim: fay, quantity: 1 }, Comes);
    let gus = story.claim(&gus);
    let _told = story.ask("office", Asked::Refund { claim: gus, quantity: 1 }, Comes);
}

/// Lost questions, lost answers, keys that succeed later, new terms.
fn go_on(story: &mut Story) {
    use Answer::{Comes, IsLost};
    let buy = Asked::Buy { quantity: 1 };
    story.shout("hal", buy);
    let ivy = story.ask("ivy", buy, Comes);
    let jon = story.ask("jon", buy, Comes);
    let ivy = story.claim(&ivy);
    let _told = story.ask("office", Asked::Refund { claim: ivy, quantity: 1 }, Comes);
    story.ask_with(&jon, "jon", buy, Comes);
    story.resize(7);
    let _never_told = story.ask("kim", buy, IsLost);
    let reserve = Asked::Reserve { quantity: 2, wait: false };
    let _kept = story.ask("lee", reserve, Comes);
    story.wait(11);
    story.look();
    let _refused = story.ask("max", Asked::Buy { quantity: 3 }, Comes);
    let _expired_by_this = story.ask("max", Asked::Buy { quantity: 1 }, Comes);
    let pending = story.ask("ned", Asked::Reserve { quantity: 1, wait: false }, Comes);
    let waiting = story.ask("ole", Asked::Reserve { quantity: 1, wait: true }, Comes);
    let _there = [story.claim(&pending), story.claim(&waiting)];
    story.look();
}

/// Two clients and a counter: one write refused, one of which nobody knows that it was done, and one
/// that was not.
fn lock_holders(begin: Duration) -> (Vec<Hold>, Vec<Increment>, Counter) {
    let hold = |client: usize, number: u64, from: u32| Hold {
        client,
        resource: "shelf".to_owned(),
        token: number << 10,
        holder: format!("h{number}"),
        from: begin + from * MS,
        until: begin + (from + 10) * MS,
        lost: false,
    };
    let write = |client: usize, number: u64, before: i64, at: u32, written| Increment {
        client,
        resource: "shelf".to_owned(),
        token: number << 10,
        before,
        start: begin + at * MS,
        end: begin + (at + 2) * MS,
        written,
    };
    let holds = vec![hold(0, 5, 0), hold(1, 6, 10), hold(0, 8, 30), hold(1, 9, 50)];
    let increments = vec![
        write(0, 5, 0, 2, Written::Yes),
        write(1, 6, 1, 12, Written::Unknown),
        write(0, 5, 1, 25, Written::Stale),
        write(0, 8, 2, 32, Written::Yes),
        write(1, 9, 3, 52, Written::Unknown),
        write(1, 9, 3, 55, Written::Yes),
    ];
    let accepted = [(5, 1), (6, 2), (8, 3), (9, 4)];
    let writes = accepted.map(|(number, value)| (number << 10, format!("h{number}"), value));
    (holds, increments, Counter { value: 4, writes: writes.to_vec() })
}
