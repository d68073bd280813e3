//! Every reservation ends: none counts as held long after its deadline, once the service had time to tidy
//! up, and none is confirmed as if its deadline had not passed.
//!
//! Source: design, "reservation (a claim with a deadline: pending → confirmed, cancelled, expired)"; a
//! liveness property, as the timeouts of pending transfers have it elsewhere.

use leasehold_purchase::domain::{Kind, Status, Strategy};

use super::{Case, case::SaleCase};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let grace = i64::try_from(case.evidence.tidies_within.as_millis()).unwrap_or(i64::MAX);
    let grace = case.had_time_to_tidy().then_some(grace);
    case.each_sale(|sale| [overdue(sale, grace), overlooked(sale)].concat())
}

fn overdue(sale: &SaleCase<'_>, grace: Option<i64>) -> Vec<String> {
    let read_at = sale.books.read_at.as_millis();
    let mut found = Vec::new();
    for claim in sale.books.claims.iter().filter(|claim| claim.status == "pending") {
        let Some(deadline) = claim.expires_at else {
            found.push(format!("{} is reserved for ever", claim.id));
            continue;
        };
        if grace.is_some_and(|grace| deadline.saturating_add(grace) < read_at) {
            let late = read_at - deadline;
            found.push(format!("{} is held {late} ms after its deadline", claim.id));
        }
    }
    found
}

/// Confirmed after the deadline, and not as a payment that came too late.
fn overlooked(sale: &SaleCase<'_>) -> Vec<String> {
    let confirmed = sale.course.steps.iter().filter(|step| {
        // What is decided from the log can get a later time when it is written.
        step.kind == Kind::Confirmed
            && step.before == Some(Status::Pending)
            && step.terms.strategy != Strategy::EventLog
    });
    let late = confirmed.filter_map(|step| {
        let claim = step.claim?.claim.as_uuid();
        let deadline = sale.course.lives.get(&claim)?.deadline?;
        (deadline <= step.at).then(|| {
            format!("event {} confirms {claim} at {}, after {deadline}", step.seq, step.at)
        })
    });
    late.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use leasehold_purchase::domain::{Kind, Moment};

    use super::super::planted::{Planted, assert_bites, books, claim_event};

    pub(crate) const PLANTED: &[Planted] = &[
        ("a reservation is never given up", |evidence| {
            let books = books(evidence);
            books.read_at = books.read_at.plus_millis(60_000);
        }),
        ("a reservation without a deadline", |evidence| {
            let mut claims = books(evidence).claims.iter_mut();
            claims.find(|claim| claim.status == "pending").unwrap().expires_at = None;
        }),
        ("confirmed too late", |evidence| {
            let (_, event) = claim_event(evidence, Kind::Reserved);
            event.expires_at = Some(Moment::from_millis(1));
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }

    #[test]
    fn what_had_no_time_to_be_given_up_may_be_there() {
        let mut evidence = super::super::sound::sound();
        (PLANTED[0].1)(&mut evidence);
        evidence.healed_at = Some(evidence.read_at);
        assert_eq!(super::check(&super::Case::new(&evidence)), Vec::<String>::new());
    }
}
