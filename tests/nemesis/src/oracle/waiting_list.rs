//! Waiting lists are served in order. The rule is that of `domain/rules.rs`: units are offered to whoever
//! waits longest. If that one wants more than is free, all behind wait too, or it would wait for ever;
//! if it wants more than the sale could ever have, it is taken out of the list. While anybody waits,
//! nobody else gets units: not by buying, not by reserving, not by paying too late.
//!
//! And once the service had time to tidy up, nothing is free that the first one could have: at once, if it was
//! waited for that ([`Evidence::settled`](super::Evidence::settled)), otherwise after a time.
//!
//! Source: design, "waiting list with quantities, fed when units return"; first come, first served.

use std::collections::{HashSet, VecDeque};

use leasehold_purchase::domain::{Kind, Status};
use uuid::Uuid;

use super::{Case, case::SaleCase};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let grace = i64::try_from(case.evidence.tidies_within.as_millis()).unwrap_or(i64::MAX);
    let grace = match case.evidence.settled {
        true => Some(0),
        false => case.had_time_to_tidy().then_some(grace),
    };
    case.each_sale(|sale| of_sale(sale, grace))
}

/// Those who wait, in order. Who left stays in the queue until it would be their turn.
#[derive(Default)]
struct Line {
    queue: VecDeque<(Uuid, u32)>,
    waiting: HashSet<Uuid>,
}

impl Line {
    fn first(&mut self) -> Option<(Uuid, u32)> {
        while let Some((first, units)) = self.queue.front().copied() {
            if self.waiting.contains(&first) {
                return Some((first, units));
            }
            let _gone = self.queue.pop_front();
        }
        None
    }
}

fn of_sale(sale: &SaleCase<'_>, grace: Option<i64>) -> Vec<String> {
    let (mut line, mut found) = (Line::default(), Vec::new());
    for step in &sale.course.steps {
        let Some(event) = step.claim else { continue };
        let claim = event.claim.as_uuid();
        let gets_units = match step.kind {
            Kind::Queued => {
                line.queue.push_back((claim, event.quantity));
                let _new = line.waiting.insert(claim);
                false
            }
            Kind::Offered => {
                let first = line.first().map(|(first, _)| first);
                if first != Some(claim) {
                    found.push(format!(
                        "event {} offers units to {claim}, and it is the turn of {first:?}",
                        step.seq
                    ));
                }
                let _was = line.waiting.remove(&claim);
                false
            }
            Kind::Cancelled => {
                let _was = line.waiting.remove(&claim);
                false
            }
            Kind::Purchased | Kind::Reserved => true,
            Kind::Confirmed => step.before == Some(Status::Expired),
            Kind::SaleCreated
            | Kind::SaleChanged
            | Kind::Expired
            | Kind::PartlyRefunded
            | Kind::Refunded
            | Kind::PaidUnfulfilled
            | Kind::RefundDue => false,
        };
        if gets_units && !line.waiting.is_empty() {
            let count = line.waiting.len();
            found.push(format!("event {} gives {claim} units while {count} wait", step.seq));
        }
    }
    found.extend(grace.and_then(|grace| forgotten(sale, line.first()?, grace)));
    found
}

/// Units that are free, and have been for long, while somebody waits who could have them.
fn forgotten(sale: &SaleCase<'_>, (first, wanted): (Uuid, u32), grace: i64) -> Option<String> {
    let (books, last) = (sale.books, sale.course.steps.last()?);
    let idle = books.read_at.as_millis() - last.at;
    if idle < grace || last.terms.is_closed(books.read_at) {
        return None;
    }
    let free = last.limit() - last.sold - last.held;
    let wanted = i64::from(wanted);
    let is_next = wanted <= free || wanted > last.limit();
    is_next
        .then(|| format!("{first} waits for {wanted} units, {free} have been free for {idle} ms"))
}

#[cfg(test)]
pub(super) mod tests {
    use leasehold_purchase::domain::{Event, Kind};

    use super::super::{
        Case, Evidence,
        planted::{Planted, assert_bites, books, claim_event, claim_events},
        sound::sound,
    };

    pub(crate) const PLANTED: &[Planted] = &[
        ("the second is offered units first", |evidence| {
            let events = &mut books(evidence).events;
            let is_offer = |event: &Event| event.kind() == Kind::Offered;
            let mut offers = (0..events.len()).filter(|at| is_offer(&events[*at].event));
            let (first, second) = (offers.next().unwrap(), offers.next().unwrap());
            let later = events[second].event.clone();
            events[second].event = std::mem::replace(&mut events[first].event, later);
        }),
        ("one who comes later buys first", |evidence| {
            let (queued, _) = claim_event(evidence, Kind::Queued);
            let events = &mut books(evidence).events;
            let is_sale = |event: &Event| event.kind() == Kind::Purchased;
            let later = (queued..events.len()).find(|at| is_sale(&events[*at].event)).unwrap();
            let event = events.remove(later);
            events.insert(queued + 1, event);
        }),
        ("the last one is offered nothing, however long it was waited for", forget_the_last),
        ("the last one is offered nothing for a minute", |evidence| {
            forget_the_last(evidence);
            evidence.settled = false;
            books(evidence).read_at = books(evidence).read_at.plus_millis(60_000);
        }),
        ("the first one waits for more than there is", |evidence| {
            claim_events(evidence, Kind::Queued).last().unwrap().quantity = 99;
        }),
    ];

    /// What the one before it had reserved is free.
    fn forget_the_last(evidence: &mut Evidence) {
        let events = &mut books(evidence).events;
        let pending = events.iter().rposition(|read| read.event.kind() == Kind::Reserved);
        let _left = events.remove(pending.unwrap());
    }

    #[test]
    fn what_nobody_waited_for_may_still_be_offered() {
        let mut evidence = sound();
        forget_the_last(&mut evidence);
        evidence.settled = false;
        assert_eq!(super::check(&Case::new(&evidence)), Vec::<String>::new());
    }

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
