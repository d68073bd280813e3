//! Nobody counts on a lease while another does: of one resource, the times from when a holder knew of its
//! lease to when it last counted on it never overlap, and tokens grow in their order.
//!
//! A holder beside a sidecar counts on a lease for `valid_for_ms` from before it asked, so that what the answer
//! takes on its way is not counted.
//!
//! What ended before its holder knew of it (it was stopped in between) was never counted on.
//!
//! Source: Redlock's safety property, "mutual exclusion"; the lease protocol's I1 and I2. All times
//! are of one clock.

use std::collections::BTreeMap;

use super::Case;
use crate::history::Hold;

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let mut of_resource: BTreeMap<&str, Vec<&Hold>> = BTreeMap::new();
    for hold in case.evidence.history.holds.iter().filter(|hold| hold.from < hold.until) {
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
            if hold.from < before.until {
                found.push(format!("{resource} was held by two: {before:?} and {hold:?}"));
            }
            if hold.token <= before.token {
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
    use super::super::planted::{Planted, assert_bites};

    pub(crate) const PLANTED: &[Planted] = &[
        ("two hold at once", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[1].from = holds[0].until - std::time::Duration::from_nanos(1);
        }),
        ("one holds within another's time", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[0].until = holds[2].until;
        }),
        ("a later holder has a smaller token", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[2].token = holds[1].token - 1;
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }

    #[test]
    fn what_ended_before_it_was_known_was_never_held() {
        let mut evidence = super::super::sound::sound();
        let mut late = evidence.history.holds[0].clone();
        (late.from, late.token) = (late.until, 1);
        evidence.history.holds.push(late);
        assert_eq!(super::check(&super::Case::new(&evidence)), Vec::<String>::new());
    }
}
