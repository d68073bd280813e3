//! What was refused each time that it was asked left nothing behind: no answer under its key, and no more
//! events of its sort than others may have caused.
//!
//! A refusal is not stored, so the same key may succeed when it is asked again: then it was not only
//! refused. Nor was it when one of its tries was not answered.
//!
//! Source: design, "unknown is an answer": a refusal must be as final as a yes.

use super::{Case, case::SaleCase};
use crate::history::Outcome;

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let refused = sale.keys.iter().filter(|(_, key)| key.is_refused());
    let stored = refused.filter_map(|(name, key)| {
        let reply = key.reply?;
        let asked = key.operations.iter().map(|one| {
            let said = match &one.outcome {
                Outcome::Refused(code) => code,
                Outcome::Ok(_) | Outcome::Unknown(_) => "",
            };
            format!("{said} at {:?} after {} tries since {:?}", one.end, one.tries, one.start)
        });
        let asked = asked.collect::<Vec<_>>().join(", ");
        Some(format!(
            "key {name} was refused ({asked}), and stored is {} of {:?}",
            reply.kind, reply.claim_id
        ))
    });
    let done = sale.deeds.iter().filter(|(_, tally)| tally.refused > 0);
    let done = done.filter(|(_, tally)| tally.done - tally.by_rule > tally.told + tally.unknown);
    let done = done.map(|(deed, tally)| {
        format!("{deed:?} was done {} times, though refused: {tally:?}", tally.done)
    });
    stored.chain(done).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use leasehold_purchase::domain::{ClaimId, Kind};
    use uuid::Uuid;

    use super::super::planted::{Planted, assert_bites, books, claim_event, refused};
    use crate::history::Asked;

    pub(crate) const PLANTED: &[Planted] = &[
        ("an answer is stored", |evidence| {
            let key = refused(evidence, |_| true).key.clone();
            books(evidence).replies[0].key = key;
        }),
        ("a purchase of whoever was refused", |evidence| {
            let buyer = refused(evidence, |asked| matches!(asked, Asked::Buy { .. })).buyer.clone();
            let (at, event) = claim_event(evidence, Kind::Purchased);
            let mut event = event.clone();
            event.quantity = 1;
            event.claim = ClaimId::from_uuid(Uuid::from_u128(99));
            event.buyer = leasehold_purchase::domain::Buyer::new(&buyer).unwrap();
            let mut read = books(evidence).events[at].clone();
            read.event = leasehold_purchase::domain::Event::Claim(event);
            books(evidence).events.push(read);
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }

    #[test]
    fn what_may_have_happened_by_an_unanswered_try_is_not_refused() {
        let mut evidence = super::super::sound::sound();
        let refused = refused(&mut evidence, |_| true);
        refused.unanswered = 1;
        let key = refused.key.clone();
        books(&mut evidence).replies[0].key = key;
        assert_eq!(super::check(&super::Case::new(&evidence)), Vec::<String>::new());
    }
}
