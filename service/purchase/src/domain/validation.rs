//! What may have happened since a sale was read without making a decision about it wrong.

use super::{Buyer, ClaimId, Decision, Event, Kind, State};

/// Which later events make a decision wrong. What is left out may happen: units that others get are
/// left out, since the write itself keeps to the sale's capacity and allowance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Validation {
    /// Any event.
    Exact,
    /// Those of these kinds, and those about these claims or of these buyers.
    Only {
        /// Kinds of events.
        kinds: Vec<Kind>,
        /// Claims that the decision changes.
        claims: Vec<ClaimId>,
        /// Buyers whose units were counted.
        buyers: Vec<Buyer>,
    },
}

/// What of a sale a validation depends on, as it was before the decision.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances {
    /// Nobody waited, and nothing had to be given up.
    is_plain: bool,
    /// One buyer may have only so many units.
    is_limited: bool,
}

impl Circumstances {
    /// As the sale stands.
    #[must_use]
    pub fn of(state: &State) -> Self {
        Self {
            is_plain: state.waiting == 0 && state.due.is_empty(),
            is_limited: state.sale.terms.per_buyer_max.is_some(),
        }
    }
}

impl Validation {
    /// What would make this decision wrong.
    #[must_use]
    pub fn of(circumstances: Circumstances, decision: &Decision) -> Self {
        if !circumstances.is_plain {
            return Self::Exact;
        }
        let (mut claims, mut buyers) = (Vec::new(), Vec::new());
        for event in &decision.events {
            let Event::Claim(event) = event else { return Self::Exact };
            if !stands_alone(event.kind) {
                return Self::Exact;
            }
            claims.push(event.claim);
            if circumstances.is_limited {
                buyers.push(event.buyer.clone());
            }
        }
        // One who went into the waiting list comes before whoever buys later, and gets what is given
        // back; new terms may end the sale.
        Self::Only { kinds: vec![Kind::Queued, Kind::SaleChanged], claims, buyers }
    }
}

/// Whether such an event is right whatever happens to other claims, as long as units are left.
const fn stands_alone(kind: Kind) -> bool {
    match kind {
        Kind::Purchased
        | Kind::Reserved
        | Kind::Confirmed
        | Kind::Cancelled
        | Kind::PartlyRefunded
        | Kind::Refunded => true,
        Kind::SaleCreated
        | Kind::SaleChanged
        | Kind::Queued
        | Kind::Offered
        | Kind::Expired
        | Kind::PaidUnfulfilled
        | Kind::RefundDue => false,
    }
}
