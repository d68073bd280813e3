//! Violations that tests put into sound evidence.

use std::collections::BTreeMap;

use leasehold_purchase::domain::{ClaimEvent, Event, Kind};
use leasehold_stack::audit::Books;
use uuid::Uuid;

use super::{CHECKERS, Case, Counter, Evidence, judge, sound::sound};
use crate::history::{Asked, Operation, Outcome, Receipt};

/// What is wrong, and how it is brought about.
pub(super) type Planted = (&'static str, fn(&mut Evidence));

/// Asserts that a checker accepts what is sound, and finds each of these.
#[track_caller]
pub(super) fn assert_bites(check: fn(&Case<'_>) -> Vec<String>, planted: &[Planted]) {
    assert_eq!(check(&Case::new(&sound())), Vec::<String>::new());
    for (what, plant) in planted {
        let mut evidence = sound();
        plant(&mut evidence);
        assert_ne!(check(&Case::new(&evidence)), Vec::<String>::new(), "not found: {what}");
    }
}

/// The books of the one sale.
pub(super) fn books(evidence: &mut Evidence) -> &mut Books {
    books_of(&mut evidence.books)
}

/// The only ones of these.
pub(super) fn books_of(books: &mut BTreeMap<Uuid, Books>) -> &mut Books {
    books.values_mut().next().unwrap()
}

/// The one counter.
pub(super) fn counter(evidence: &mut Evidence) -> &mut Counter {
    evidence.counters.values_mut().next().unwrap()
}

/// All events of this kind.
pub(super) fn claim_events(
    evidence: &mut Evidence,
    kind: Kind,
) -> impl Iterator<Item = &mut ClaimEvent> {
    books(evidence).events.iter_mut().filter_map(move |read| match &mut read.event {
        Event::Claim(event) if event.kind == kind => Some(event),
        _ => None,
    })
}

/// The first event of this kind, and where it stands.
pub(super) fn claim_event(evidence: &mut Evidence, kind: Kind) -> (usize, &mut ClaimEvent) {
    let events = books(evidence).events.iter_mut().enumerate();
    let mut events = events.filter_map(|(at, read)| match &mut read.event {
        Event::Claim(event) if event.kind == kind => Some((at, event)),
        _ => None,
    });
    events.next().unwrap()
}

fn operation(evidence: &mut Evidence, is_it: impl Fn(&Operation) -> bool) -> &mut Operation {
    evidence.history.operations.iter_mut().find(|operation| is_it(operation)).unwrap()
}

/// The first such operation that was told to be done.
pub(super) fn told(evidence: &mut Evidence, is_it: fn(Asked) -> bool) -> &mut Operation {
    operation(evidence, |asked| asked.receipt().is_some() && is_it(asked.asked))
}

/// The first such operation that was refused.
pub(super) fn refused(evidence: &mut Evidence, is_it: fn(Asked) -> bool) -> &mut Operation {
    operation(evidence, |asked| matches!(asked.outcome, Outcome::Refused(_)) && is_it(asked.asked))
}

/// An operation that was done and of which nobody was told: its key, and its claim.
pub(super) fn unknown_done(evidence: &Evidence) -> (String, Uuid) {
    let case = Case::new(evidence);
    let mut keys = case.sales[0].keys.iter().filter(|(_, key)| key.is_unknown());
    let done = keys.find_map(|(name, key)| Some((*name, key.reply?.claim_id?)));
    let (name, claim) = done.unwrap();
    (name.to_owned(), claim)
}

/// An operation that was answered as an earlier one with its key.
pub(super) fn replayed(evidence: &mut Evidence) -> &mut Operation {
    let case = Case::new(evidence);
    let answered = |key: &super::case::Key<'_>| {
        key.operations.iter().filter(|asked| asked.receipt().is_some()).count()
    };
    let twice = case.sales[0].keys.iter().find(|(_, key)| answered(key) > 1);
    let name = (*twice.unwrap().0).to_owned();
    let mut operations = evidence.history.operations.iter_mut().rev();
    operations.find(|operation| operation.key == name).unwrap()
}

/// The answer of an operation that was done.
pub(super) fn receipt(operation: &mut Operation) -> &mut Receipt {
    match &mut operation.outcome {
        Outcome::Ok(receipt) => receipt,
        other => panic!("{other:?}"),
    }
}

/// Of each checker, violations that it finds. A checker that is not here, or has none, cannot be known
/// to find anything.
const OF_CHECKERS: &[(&str, &[Planted])] = &[
    ("stock", super::stock::tests::PLANTED),
    ("acknowledged", super::acknowledged::tests::PLANTED),
    ("refused", super::refused::tests::PLANTED),
    ("unknown", super::unknown::tests::PLANTED),
    ("one result per key", super::one_result_per_key::tests::PLANTED),
    ("unasked", super::unasked::tests::PLANTED),
    ("tokens", super::tokens::tests::PLANTED),
    ("lost updates", super::lost_updates::tests::PLANTED),
    ("mutual exclusion", super::mutual_exclusion::tests::PLANTED),
    ("log", super::log::tests::PLANTED),
    ("in order", super::in_order::tests::PLANTED),
    ("looks", super::looks::tests::PLANTED),
    ("sold out", super::sold_out::tests::PLANTED),
    ("reservations end", super::reservations_end::tests::PLANTED),
    ("waiting list", super::waiting_list::tests::PLANTED),
    ("resumes", super::resumes::tests::PLANTED),
];

#[test]
fn every_checker_bites() {
    for (name, _) in CHECKERS {
        let planted = OF_CHECKERS.iter().find(|(of, _)| of == name).map(|(_, planted)| *planted);
        let planted = planted.unwrap_or_default();
        assert!(!planted.is_empty(), "nothing shows that {name:?} finds anything");
        for (what, plant) in planted {
            let mut evidence = sound();
            plant(&mut evidence);
            let found = judge(&evidence).into_iter().find(|(of, _)| of == name);
            assert!(found.is_some_and(|(_, found)| !found.is_empty()), "{name}: not found: {what}");
        }
    }
}

#[test]
fn the_table_of_checkers_has_them_all() {
    let rows = include_str!("mod.rs").lines().filter_map(|line| line.strip_prefix("//! | `"));
    let listed: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
    let names: Vec<&str> = CHECKERS.iter().map(|(name, _)| *name).collect();
    assert_eq!(listed, names);
}

#[test]
fn what_is_sound_is_accepted_by_all() {
    assert_eq!(super::violations(&sound()), Vec::<String>::new());
    assert_eq!(super::violations(&Evidence::default()), Vec::<String>::new());
}
