//! Nobody counts on a lease while another does: of one resource, the times from when a holder knew of its
//! lease to when it last counted on it never overlap, and tokens grow in their order.
//!
//! A holder beside a sidecar counts on a lease for `valid_for_ms` from before it asked, so that what the answer
//! takes on its way is not counted.
//!
//! What ended before its holder knew of it (it was stopped in between) was never counted on.
//!
//! A node whose clock jumps ahead forgets leases early, and one more vote is enough for another holder then. So
//! a lease is excused that began after such a jump and before all leases of that moment had run out; it is the
//! later of two that is, so one that was held already is judged against all before it.
//!
//! Source: Redlock's safety property, "mutual exclusion"; the lease protocol's I1 and I2. All times
//! are of one clock.

use std::collections::BTreeMap;

use super::{Case, Evidence};
use crate::history::Hold;

/// Leases that somebody counted on.
fn counted_on(evidence: &Evidence) -> impl Iterator<Item = &Hold> {
    evidence.history.holds.iter().filter(|hold| hold.from < hold.until)
}

/// Whether it began when leases need not exclude each other.
fn is_excused(evidence: &Evidence, hold: &Hold) -> bool {
    evidence.clocks_off.iter().any(|(from, to)| (*from..=*to).contains(&hold.from))
}

/// Of the leases that somebody counted on, how many are held against those before them; and how many there are.
#[must_use]
pub fn leases_judged(evidence: &Evidence) -> (usize, usize) {
    let judged = counted_on(evidence).filter(|hold| !is_excused(evidence, hold)).count();
    (judged, counted_on(evidence).count())
}

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let mut of_resource: BTreeMap<&str, Vec<&Hold>> = BTreeMap::new();
    for hold in counted_on(case.evidence) {
        of_resource.entry(&hold.resource).or_default().push(hold);
    }
    let mut found = Vec::new();
    for (resource, mut holds) in of_resource {
        holds.sort_by_key(|hold| (hold.from, hold.token));
        // Of those so far, the one that lasts longest.
        let mut last: Option<&Hold> = None;
        for hold in holds {
            let Some(before) = last else {
                last = Some(hold);
                continue;
            };
            let is_judged = !is_excused(case.evidence, hold);
            if is_judged && hold.from < before.until {
                found.push(format!("{resource} was held by two: {before:?} and {hold:?}"));
            }
            if is_judged && hold.token <= before.token {
                found.push(format!("{resource}: tokens go back: {before:?}, then {hold:?}"));
            }
            if hold.until > before.until {
                last = Some(hold);
            }
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::{
        Case, Evidence,
        planted::{Planted, assert_bites},
        sound::sound,
    };

    pub(crate) const PLANTED: &[Planted] = &[
        ("two hold at once", |evidence| {
            two_at_once(evidence);
        }),
        ("one holds within another's time", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[0].until = holds[2].until;
        }),
        ("a later holder has a smaller token", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[2].token = holds[1].token - 1;
        }),
        ("two held already when a clock jumped", |evidence| {
            two_at_once(evidence);
            let began = evidence.history.holds[1].from;
            evidence.clocks_off = vec![(began + NS, evidence.read_at)];
        }),
        ("two hold after the last lease of the jump had run out", |evidence| {
            two_at_once(evidence);
            let began = evidence.history.holds[1].from;
            evidence.clocks_off = vec![(Duration::ZERO, began - NS)];
        }),
    ];

    const NS: Duration = Duration::from_nanos(1);

    fn two_at_once(evidence: &mut Evidence) {
        let holds = &mut evidence.history.holds;
        holds[1].from = holds[0].until - NS;
    }

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }

    #[test]
    fn who_begins_after_a_clock_jumped_is_excused_and_counted_as_such() {
        let mut evidence = sound();
        assert_eq!(super::leases_judged(&evidence), (4, 4));
        two_at_once(&mut evidence);
        let began = evidence.history.holds[1].from;
        evidence.clocks_off = vec![(began - NS, began + NS)];
        assert_eq!(super::check(&Case::new(&evidence)), Vec::<String>::new());
        assert_eq!(super::leases_judged(&evidence), (3, 4));
        // Those after it are judged as ever.
        evidence.history.holds[3].from = evidence.history.holds[2].until - NS;
        assert_eq!(super::check(&Case::new(&evidence)).len(), 1);
    }

    #[test]
    fn what_ended_before_it_was_known_was_never_held() {
        let mut evidence = sound();
        let mut late = evidence.history.holds[0].clone();
        (late.from, late.token) = (late.until, 1);
        evidence.history.holds.push(late);
        assert_eq!(super::check(&Case::new(&evidence)), Vec::<String>::new());
        assert_eq!(super::leases_judged(&evidence), (4, 4));
    }
}
