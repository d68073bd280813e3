//! A sale's log counts from one without a gap, and the sale that it gives when it is played is the one
//! that stands in the tables.
//!
//! Source: design, "append-only event log"; event sourcing's fold. The checks are those of the main job.

use leasehold_stack::audit::{log_has_no_gap, log_rebuilds_the_sale};

use super::Case;

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(|sale| {
        [log_has_no_gap(sale.books, &[]), log_rebuilds_the_sale(sale.books, &[])].concat()
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::planted::{Planted, assert_bites, books};

    pub(crate) const PLANTED: &[Planted] = &[
        ("an event is missing", |evidence| {
            let _lost = books(evidence).events.remove(2);
        }),
        ("a write is missing", |evidence| {
            let _lost = books(evidence).batches.remove(2);
        }),
        ("a claim stands as the log does not say", |evidence| {
            books(evidence).claims[0].status = "expired".to_owned();
        }),
        ("a deadline is not the log's", |evidence| {
            let claims = &mut books(evidence).claims;
            let due = claims.iter_mut().find_map(|claim| claim.expires_at.as_mut());
            *due.unwrap() += 1;
        }),
        ("time goes back", |evidence| {
            let events = &mut books(evidence).events;
            events[3].at = events[1].at;
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
