//! What happened to a sale, in the words of its log.

use super::{Buyer, Claim, ClaimId, Moment, Terms};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The sale was made.
    SaleCreated,
    /// The sale's terms were changed.
    SaleChanged,
    /// Units were bought directly.
    Purchased,
    /// Units were reserved.
    Reserved,
    /// A buyer went into the waiting list.
    Queued,
    /// Units were reserved for a buyer who waited.
    Offered,
    /// Reserved units were bought; or units again, when they were paid for too late.
    Confirmed,
    /// A reservation was given up, or the waiting list left.
    Cancelled,
    /// A reservation's deadline passed.
    Expired,
    /// Some units of a purchase were given back.
    PartlyRefunded,
    /// All units of a purchase were given back, or the money of one that was paid too late.
    Refunded,
    /// Units were paid for too late, and nothing was left.
    PaidUnfulfilled,
    /// Money is to go back to a buyer: whoever hears this has to send it.
    RefundDue,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 13] = [
        Self::SaleCreated,
        Self::SaleChanged,
        Self::Purchased,
        Self::Reserved,
        Self::Queued,
        Self::Offered,
        Self::Confirmed,
        Self::Cancelled,
        Self::Expired,
        Self::PartlyRefunded,
        Self::Refunded,
        Self::PaidUnfulfilled,
        Self::RefundDue,
    ];

    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SaleCreated => "sale_created",
            Self::SaleChanged => "sale_changed",
            Self::Purchased => "purchased",
            Self::Reserved => "reserved",
            Self::Queued => "queued",
            Self::Offered => "offered",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::PartlyRefunded => "partly_refunded",
            Self::Refunded => "refunded",
            Self::PaidUnfulfilled => "paid_unfulfilled",
            Self::RefundDue => "refund_due",
        }
    }

    /// The kind of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// One thing that happened. Its number in the sale's log and its time come with the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The sale was made on these terms.
    Created(Box<Terms>),
    /// The sale goes on under these terms.
    Changed(Box<Terms>),
    /// Something happened to a claim.
    Claim(ClaimEvent),
}

/// What happened to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimEvent {
    /// What.
    pub kind: Kind,
    /// To which claim.
    pub claim: ClaimId,
    /// Whose it is.
    pub buyer: Buyer,
    /// How many units this is about: of a refund, those that are given back.
    pub quantity: u32,
    /// Their price.
    pub total_minor: i64,
    /// The deadline, for what has one from now on.
    pub expires_at: Option<Moment>,
    /// What the payment is called where it was made.
    pub payment_reference: Option<String>,
}

impl Event {
    /// What kind of thing this is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Created(_) => Kind::SaleCreated,
            Self::Changed(_) => Kind::SaleChanged,
            Self::Claim(event) => event.kind,
        }
    }
}

impl ClaimEvent {
    /// Something that happens to all of a claim.
    #[must_use]
    pub fn of(kind: Kind, claim: &Claim) -> Self {
        Self {
            kind,
            claim: claim.id,
            buyer: claim.buyer.clone(),
            quantity: claim.quantity,
            total_minor: claim.total_minor,
            expires_at: None,
            payment_reference: claim.payment_reference.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind;

    #[test]
    fn names_read_back() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::from_name("refunded "), None);
    }
}
