//! The lock's part: tokens, an attempt over five nodes, a lease's life.

use std::{hint::black_box, time::Duration};

use leasehold::{
    FencingToken, GrantNumber,
    model::{Answer, Ballot, Lifecycle, Moment, Renewal, Round, Timing, Vote},
};

const NODES: usize = 5;

/// As large as a real one: microseconds since 1970.
const NUMBER: u64 = 1_800_000_000_000_000;

fn number(more: u64) -> GrantNumber {
    GrantNumber::new(NUMBER + more).expect("as large as real ones")
}

/// A grant's number and a turn into a token, the token into what Postgres stores, and all of it back.
pub(super) fn token() -> Box<dyn FnMut()> {
    let number = number(0);
    Box::new(move || {
        let token = FencingToken::new(black_box(number), black_box(7)).expect("a turn has room");
        let stored = black_box(token.as_i64());
        let read = FencingToken::try_from(stored).expect("it was a token");
        black_box((read.number(), read.turn()));
    })
}

/// Five nodes grant the same number: held by the third answer.
pub(super) fn agreed() -> Box<dyn FnMut()> {
    let number = number(0);
    Box::new(move || {
        let mut round = Round::new(black_box(NODES));
        for node in 0..NODES {
            black_box(round.on(node, Answer::Granted(black_box(number))));
        }
    })
}

/// Five nodes grant five numbers, and commit the largest.
pub(super) fn committed() -> Box<dyn FnMut()> {
    let numbers = [0, 1, 2, 3, 4].map(number);
    Box::new(move || {
        let mut round = Round::new(black_box(NODES));
        for (node, number) in numbers.into_iter().enumerate() {
            black_box(round.on(node, Answer::Granted(black_box(number))));
        }
        for node in 0..NODES {
            black_box(round.on(node, Answer::Committed));
        }
    })
}

/// Five votes on a renewal, one of them lost.
pub(super) fn ballot() -> Box<dyn FnMut()> {
    Box::new(|| {
        let mut ballot = Ballot::new(black_box(NODES));
        for vote in [Vote::Yes, Vote::Unknown, Vote::Yes, Vote::Yes, Vote::Yes] {
            black_box(ballot.count(black_box(vote)));
        }
    })
}

/// A lease that is held, waits, is renewed, and waits again.
pub(super) fn renewed() -> Box<dyn FnMut()> {
    let timing = Timing::new(Duration::from_secs(10), Duration::from_millis(250));
    let timing = timing.expect("the defaults fit");
    let at = |millis| Moment::at(Duration::from_millis(millis));
    Box::new(move || {
        let (sent, now) = (black_box(at(1000)), black_box(at(1002)));
        let held = Lifecycle::held(timing, sent, now, at(600_000));
        let mut lease = held.expect("two milliseconds leave some");
        black_box(lease.next(now));
        black_box(lease.next(at(4400)));
        lease.renewal_ended(Renewal::Renewed, at(4402));
        black_box(lease.next(at(4402)));
    })
}
