//! What cannot be, however many servers died: one invariant a file, each with its source, and each
//! with a test in which it finds a planted violation.
//!
//! The invariants of [`leasehold_stack::audit`] are about one sale whose buyers ask for one thing each.
//! These are about whole histories: reservations, refunds, repeated keys, lock holders.

use std::collections::BTreeMap;

use leasehold_stack::audit::Books;
use uuid::Uuid;

use crate::history::History;

/// What is examined after a run, when all faults are healed and every unknown was asked again.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    /// What everybody was told.
    pub history: History,
    /// What Postgres holds of each sale.
    pub books: BTreeMap<Uuid, Books>,
    /// What Postgres holds of each resource that the lock holders count in.
    pub counters: BTreeMap<String, Counter>,
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
pub type Checker = (&'static str, fn(&Evidence) -> Vec<String>);

/// Every checker.
pub const CHECKERS: &[Checker] = &[];

/// Everything that all checkers find, each with the checker's name.
#[must_use]
pub fn violations(evidence: &Evidence) -> Vec<String> {
    CHECKERS
        .iter()
        .flat_map(|(name, check)| {
            check(evidence).into_iter().map(move |found| format!("{name}: {found}"))
        })
        .collect()
}
