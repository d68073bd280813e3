//! Nothing happened that nobody asked for: every event is of a key that was not only refused, and has its
//! stored answer; or it is time's: a deadline that passed, an offer to who waits, the money that is
//! owed after a payment in vain, a place in the waiting list that could never have come to anything.
//!
//! Who asked for new terms is not in the history, so those need only their stored answer.
//!
//! Source: the converse of "nothing acknowledged lost"; Jepsen's `set-full` calls it unexpected.

use leasehold_purchase::domain::{Kind, Status};

use super::{Case, case::SaleCase, course::Step};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (deed, tally) in &sale.deeds {
        let asked_for = tally.done - tally.by_rule;
        if asked_for > tally.told + tally.unknown {
            found.push(format!("{deed:?} was done {} times: {tally:?}", tally.done));
        }
        if asked_for > tally.stored {
            found.push(format!("{deed:?} was done without a stored answer: {tally:?}"));
        }
    }
    let changes = |kind: &str| sale.books.replies.iter().filter(|reply| reply.kind == kind).count();
    let changed = sale.course.steps.iter().filter(|step| step.kind == Kind::SaleChanged).count();
    if changed > changes(Kind::SaleChanged.name()) {
        found.push("terms were changed without a stored answer".to_owned());
    }
    let strange = sale.strange.iter().filter(|reply| reply.claim_id.is_some());
    found.extend(strange.map(|reply| format!("nobody asked with key {}", reply.key)));
    let steps = &sale.course.steps;
    for (at, step) in steps.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| steps.get(at));
        let deadline = step.claim.and_then(|event| sale.course.lives.get(&event.claim.as_uuid()));
        let deadline = deadline.and_then(|life| life.deadline);
        found.extend(
            untimely(step, before, deadline).map(|why| format!("event {}: {why}", step.seq)),
        );
    }
    found
}

/// What is wrong with an event that time brings.
fn untimely(step: &Step<'_>, before: Option<&Step<'_>>, deadline: Option<i64>) -> Option<String> {
    match step.kind {
        Kind::Expired if deadline.is_none_or(|deadline| deadline > step.at) => {
            Some(format!("expired at {}, its deadline is {deadline:?}", step.at))
        }
        Kind::Offered if step.before != Some(Status::Waiting) => {
            Some(format!("offered to one who is {:?}", step.before))
        }
        Kind::RefundDue => {
            let paid = before.filter(|before| before.kind == Kind::PaidUnfulfilled);
            let paid = paid.and_then(|before| before.claim).map(|event| event.claim);
            let due = step.claim.map(|event| event.claim);
            (paid != due).then(|| "money is owed for nothing".to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use leasehold_purchase::domain::{Buyer, Kind, Moment};

    use super::super::planted::{Planted, assert_bites, books, claim_event};

    pub(crate) const PLANTED: &[Planted] = &[
        ("a purchase of nobody", |evidence| {
            let (_, event) = claim_event(evidence, Kind::Purchased);
            event.buyer = Buyer::new("nobody").unwrap();
        }),
        ("a purchase twice", |evidence| {
            let (at, _) = claim_event(evidence, Kind::Purchased);
            let twice = books(evidence).events[at].clone();
            books(evidence).events.push(twice);
        }),
        ("a refund twice", |evidence| {
            let (at, _) = claim_event(evidence, Kind::PartlyRefunded);
            let twice = books(evidence).events[at].clone();
            books(evidence).events.insert(at + 1, twice);
        }),
        ("an answer to nobody", |evidence| {
            let mut twin = books(evidence).replies[0].clone();
            twin.key = "twin".to_owned();
            books(evidence).replies.push(twin);
        }),
        ("expired too early", |evidence| {
            let (at, _) = claim_event(evidence, Kind::Expired);
            let read = &mut books(evidence).events[at];
            read.at = Moment::from_millis(read.at.as_millis() - 9_000);
        }),
        ("new terms of nobody", |evidence| {
            books(evidence).replies.retain(|reply| reply.kind != "sale_changed");
        }),
        ("money is owed for a purchase", |evidence| {
            let (_, event) = claim_event(evidence, Kind::PaidUnfulfilled);
            event.kind = Kind::Confirmed;
        }),
        ("an offer to one who did not wait", |evidence| {
            let (_, event) = claim_event(evidence, Kind::Queued);
            event.kind = Kind::Reserved;
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
