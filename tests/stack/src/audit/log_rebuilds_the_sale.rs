//! The sale that its log gives when it is played from the first event is the one that stands in the
//! tables: counts, and every claim.
//!
//! Source: design, "every change is a row of an append-only event log"; event sourcing's fold.

use std::collections::HashMap;

use leasehold_purchase::domain::{Event, Moment, Sale, SaleId, State};
use uuid::Uuid;

use super::{Books, books::ClaimRow};
use crate::Answered;

/// Where the tables are not what the log gives.
#[must_use]
pub fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let Some(Event::Created(terms)) = books.events.first().map(|first| &first.event) else {
        return vec!["the log does not begin with the making of the sale".to_owned()];
    };
    let sale = Sale { id: SaleId::from_uuid(Uuid::nil()), terms: (**terms).clone() };
    let mut state = State::created(sale);
    for event in &books.events[1..] {
        if let Err(impossible) = state.apply(&event.event) {
            return vec![format!("event {}: {impossible}", event.seq)];
        }
    }
    let mut found = Vec::new();
    let terms = &state.sale.terms;
    let played = (terms.capacity, terms.allowance, state.sold, state.held, state.waiting);
    let stands = (books.capacity, books.allowance, books.sold, books.held, books.waiting);
    let stands = (
        stands.0.cast_unsigned(),
        stands.1.cast_unsigned(),
        stands.2.cast_unsigned(),
        stands.3.cast_unsigned(),
        stands.4.cast_unsigned(),
    );
    if played != stands {
        found.push(format!(
            "capacity, allowance, sold, held, waiting: the log gives {played:?}, the sale has {stands:?}"
        ));
    }
    let mut rows: HashMap<Uuid, &ClaimRow> =
        books.claims.iter().map(|claim| (claim.id, claim)).collect();
    for claim in state.claims.values() {
        let played = ClaimRow {
            id: claim.id.as_uuid(),
            buyer: claim.buyer.as_str().to_owned(),
            quantity: claim.quantity.cast_signed(),
            refunded: claim.refunded.cast_signed(),
            status: claim.status.name().to_owned(),
            expires_at: claim.expires_at.map(Moment::as_millis),
        };
        let row = rows.remove(&played.id);
        if row != Some(&played) {
            found.push(format!("the log gives {played:?}, the table has {row:?}"));
        }
    }
    found.extend(rows.values().map(|claim| format!("the log knows nothing of {claim:?}")));
    found
}

#[cfg(test)]
mod tests {
    use super::super::books::sound;

    #[test]
    fn finds_what_the_log_does_not_say() {
        let (mut books, told) = sound();
        books.sold = 1;
        assert_eq!(super::check(&books, &told).len(), 1);
        let (mut books, told) = sound();
        books.claims[0].status = "refunded".to_owned();
        assert_eq!(super::check(&books, &told).len(), 1);
        let (mut books, told) = sound();
        let again = books.claims[0].clone();
        books.claims.push(super::ClaimRow { id: uuid::Uuid::from_u128(9), ..again });
        assert_eq!(super::check(&books, &told).len(), 1);
        let (mut books, told) = sound();
        let twice = books.events[1].clone();
        books.events.push(twice);
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
