//! What cannot be, however many servers died: one invariant a file, each with its source, and each
//! with a test in which it finds a planted violation.
//!
//! The invariants of [`leasehold_stack::audit`] are about one sale whose buyers ask for one thing each.
//! These are about whole histories: reservations, refunds, repeated keys, lock holders.
//!
//! | checker | says | source | seen to fail, among others, when | in a real run by |
//! | --- | --- | --- | --- | --- |
//! | `stock` | at no version more is sold and reserved than there is, or less than nothing | the first promise; `ACIDRain` | more is bought than there is | `fence-off` |
//! | `acknowledged` | what was acknowledged is there exactly once, and undone only by what was asked | Jepsen, `set-full` | an event, a row or an answer is taken away | `keys-forgotten` |
//! | `refused` | what was only refused left nothing behind | design: unknown is an answer | whoever was refused has a purchase | – |
//! | `unknown` | what nobody was told of is there whole, once, or not at all | same; one statement writes all | event, answer and claim lack one another | – |
//! | `one result per key` | a key has one answer, byte for byte, and an event of its own | IETF, Idempotency-Key | a replay differs by a blank | `keys-forgotten` |
//! | `unasked` | every event was asked for, or is time's | Jepsen, `set-full` (unexpected) | a refund happens twice, a deadline is cut short | `keys-forgotten` |
//! | `tokens` | tokens of accepted writes never go down, and none is of two | Kleppmann 2016; lease protocol, I3 | a token goes back, two share a grant | `naive-token`, `lock-skipped`, `checked-outside` |
//! | `lost updates` | each counted write builds on the one before, and none is lost | `jepsen-io/etcd`, `lock` | two read the same value | `lock-skipped`, `checked-outside` |
//! | `mutual exclusion` | nobody counts on a lease while another does | Redlock, safety | two hold at once, for a nanosecond | `naive-token`, `lock-skipped`, `checked-outside` |
//! | `log` | the log has no gap and rebuilds the sale | event sourcing's fold | an event, a write, a deadline is not the log's | `fence-off` |
//! | `in order` | the log is in the order of real time, and so is who looks | Herlihy and Wing 1990 | two orders change their times | – |
//! | `looks` | whoever looks sees a version as it was | `store/reads.rs` | one number that was seen differs by one | `fence-off` |
//! | `sold out` | whoever was refused for want of units asked at a moment that wanted them | linearizability; design: exact at read | refused before anything was sold, or after enough had expired | – |
//! | `reservations end` | no reservation outlives its deadline | design: a claim with a deadline | one is held for a minute after it | – |
//! | `waiting list` | offers are made in order, nobody else gets units meanwhile, and in the end nobody waits for what is free | design: first come, first served | the second is offered units first | – |
//! | `resumes` | after the faults, each replica decides and each lock holder writes again within a time | house style: the system must heal | a replica turns everybody away from then on | – |
//!
//! The last column has the controls, runs without a protection ([`Control`](crate::Control)), in which the checker found
//! something in each of ten tries. Tests demand that, except of `one result per key`, which takes somebody who
//! repeats the right request. No control reaches the others (`sold out` by chance only): that they bite is known from
//! planted violations alone.
//!
//! # How they are known to be right
//!
//! - `planted` refuses a checker of which no test shows that it finds something.
//! - `random_runs` has the service's own rules make runs, and no checker may say a word about them; then
//!   it makes a mess of them, and none may fail.
//! - `against_stateright` has a checker that searches for an order judge what `stock`, `in order`, `looks`
//!   and `sold out` judge with the log as their witness: they agree.
//!
//! # What they cannot see
//!
//! - Whether leases that began while a node's clock was off excluded each other; figures say how many were judged.
//! - Who asked for new terms: the history has only what buyers and the office ask of claims.
//! - An upper bound of the database's time at a look: a replica that is stopped after it read the time gives
//!   its events earlier ones. So units of a reservation may be missing in `held` before its deadline.
//! - What became of whoever was refused while the network sent requests twice: the second may be granted later,
//!   and both answers are right ([`History::doubt_what_was_doubled`]).
//! - Refusals other than `sold_out`: whether it was right at that moment, nobody looks.
//! - What was asked for with `partial`: units count as asked for, all of them.
//! - Whether two Postgres would agree: there is one, and its books are believed.

mod acknowledged;
mod case;
mod course;
mod deeds;
mod in_order;
mod least;
mod log;
mod looks;
mod lost_updates;
mod mutual_exclusion;
mod one_result_per_key;
mod real_time;
mod refused;
mod reservations_end;
mod resumes;
mod sold_out;
mod stock;
mod tokens;
mod unasked;
mod unknown;
mod waiting_list;

#[cfg(test)]
mod against_stateright;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod random_runs;
#[cfg(test)]
mod sound;
#[cfg(test)]
mod story;

use std::{collections::BTreeMap, time::Duration};

use leasehold_stack::audit::Books;
use uuid::Uuid;

pub use self::{case::Case, mutual_exclusion::leases_judged};
use crate::history::History;

/// Findings of one checker that are listed; of more, only how many there are.
const FINDINGS_MAX: usize = 50;

/// What is examined after a run, when all faults are healed and every unknown was asked again.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What everybody was told.
    pub history: History,
    /// What Postgres holds of each sale.
    pub books: BTreeMap<Uuid, Books>,
    /// What Postgres holds of each resource that the lock holders count in.
    pub counters: BTreeMap<String, Counter>,
    /// When the last fault was healed, since the run began; `None` if that cannot be said, and then
    /// nothing is said of what has to happen afterwards.
    pub healed_at: Option<Duration>,
    /// When the books were read, since the run began.
    pub read_at: Duration,
    /// Whether it was waited before that, within a limit, until nothing was overdue and nobody waited for what is
    /// free. If so, neither may be in the books.
    pub settled: bool,
    /// From when to when, since the run began, leases may not exclude each other, as a node's clock had jumped.
    pub clocks_off: Vec<(Duration, Duration)>,
    /// How many lock holders there were: each has the index of its place among them.
    pub lock_holders: usize,
    /// How long after the healing each replica may take until it answers orders of a sale again.
    pub resumes_within: Duration,
    /// How long after its deadline, and after the healing, a reservation may still count as held; and
    /// how long units may be free that somebody waits for.
    pub tidies_within: Duration,
}

/// The fenced counter of one resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Its value in the end.
    pub value: i64,
    /// Every accepted write in the order in which it was accepted: token, holder, the value after it.
    pub writes: Vec<(u64, String, i64)>,
}

/// An invariant: its name, and what it finds. Nothing found means that it holds.
pub type Checker = (&'static str, fn(&Case<'_>) -> Vec<String>);

/// Every checker.
pub const CHECKERS: &[Checker] = &[
    ("stock", stock::check),
    ("acknowledged", acknowledged::check),
    ("refused", refused::check),
    ("unknown", unknown::check),
    ("one result per key", one_result_per_key::check),
    ("unasked", unasked::check),
    ("tokens", tokens::check),
    ("lost updates", lost_updates::check),
    ("mutual exclusion", mutual_exclusion::check),
    ("log", log::check),
    ("in order", in_order::check),
    ("looks", looks::check),
    ("sold out", sold_out::check),
    ("reservations end", reservations_end::check),
    ("waiting list", waiting_list::check),
    ("resumes", resumes::check),
];

/// What each checker finds, in their order.
#[must_use]
pub fn judge(evidence: &Evidence) -> Vec<(&'static str, Vec<String>)> {
    let case = Case::new(evidence);
    CHECKERS.iter().map(|(name, check)| (*name, check(&case))).collect()
}

/// Everything that all checkers find, each with the checker's name.
#[must_use]
pub fn violations(evidence: &Evidence) -> Vec<String> {
    let mut all = Vec::new();
    for (name, found) in judge(evidence) {
        let more = found.len().saturating_sub(FINDINGS_MAX);
        all.extend(found.iter().take(FINDINGS_MAX).map(|found| format!("{name}: {found}")));
        if more > 0 {
            all.push(format!("{name}: … and {more} more"));
        }
    }
    all
}
