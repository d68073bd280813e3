//! A claim: one buyer's hold on units of one sale, from reservation or purchase to its end.

use super::{Buyer, ClaimId, Kind, Moment};

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// In the waiting list: holds nothing yet.
    Waiting,
    /// Holds its units until its deadline.
    Pending,
    /// Bought.
    Confirmed,
    /// Given up before it was bought.
    Cancelled,
    /// Its deadline passed.
    Expired,
    /// Bought, and all of its units were given back.
    Refunded,
    /// Paid for too late, when nothing was left: the money goes back.
    PaidUnfulfilled,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 7] = [
        Self::Waiting,
        Self::Pending,
        Self::Confirmed,
        Self::Cancelled,
        Self::Expired,
        Self::Refunded,
        Self::PaidUnfulfilled,
    ];

    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Pending => "pending",
            Self::Confirmed => "confirmed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
            Self::Refunded => "refunded",
            Self::PaidUnfulfilled => "paid_unfulfilled",
        }
    }

    /// The status of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.name() == name)
    }
}

/// Everything that may happen to a claim: in which status (`None`: it is made by this), what, and
/// the status after it. What is not listed cannot happen.
pub const TRANSITIONS: &[(Option<Status>, Kind, Status)] = &[
    (None, Kind::Purchased, Status::Confirmed),
    (None, Kind::Reserved, Status::Pending),
    (None, Kind::Queued, Status::Waiting),
    (Some(Status::Waiting), Kind::Offered, Status::Pending),
    (Some(Status::Waiting), Kind::Cancelled, Status::Cancelled),
    (Some(Status::Pending), Kind::Confirmed, Status::Confirmed),
    (Some(Status::Pending), Kind::Cancelled, Status::Cancelled),
    (Some(Status::Pending), Kind::Expired, Status::Expired),
    // Paid after the deadline, while something was left.
    (Some(Status::Expired), Kind::Confirmed, Status::Confirmed),
    (Some(Status::Expired), Kind::PaidUnfulfilled, Status::PaidUnfulfilled),
    (Some(Status::Cancelled), Kind::PaidUnfulfilled, Status::PaidUnfulfilled),
    (Some(Status::PaidUnfulfilled), Kind::RefundDue, Status::PaidUnfulfilled),
    (Some(Status::PaidUnfulfilled), Kind::Refunded, Status::Refunded),
    (Some(Status::Confirmed), Kind::PartlyRefunded, Status::Confirmed),
    (Some(Status::Confirmed), Kind::Refunded, Status::Refunded),
];

/// The status after `kind` happened to a claim in status `from`; `None` when that cannot happen.
#[must_use]
pub(super) fn after(from: Option<Status>, kind: Kind) -> Option<Status> {
    TRANSITIONS.iter().find(|(status, event, _)| (*status, *event) == (from, kind)).map(|row| row.2)
}

/// One claim as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Its id, for life.
    pub id: ClaimId,
    /// Whose.
    pub buyer: Buyer,
    /// How many units, refunded ones included.
    pub quantity: u32,
    /// How many of them were given back after they were bought.
    pub refunded: u32,
    /// Where it stands.
    pub status: Status,
    /// Until when it may be confirmed, if it ever had a deadline.
    pub expires_at: Option<Moment>,
    /// Price of all units.
    pub total_minor: i64,
    /// What the payment is called where it was made.
    pub payment_reference: Option<String>,
}

impl Claim {
    /// Units that it keeps from others, in the waiting list or not.
    #[must_use]
    pub const fn units(&self) -> u32 {
        match self.status {
            Status::Waiting | Status::Pending => self.quantity,
            Status::Confirmed => self.quantity.saturating_sub(self.refunded),
            Status::Cancelled | Status::Expired | Status::Refunded | Status::PaidUnfulfilled => 0,
        }
    }

    /// Whether its deadline has passed.
    #[must_use]
    pub fn is_due(&self, now: Moment) -> bool {
        self.status == Status::Pending && self.expires_at.is_some_and(|deadline| deadline <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_can_be_reached_and_its_name_reads_back() {
        for status in Status::ALL {
            assert!(TRANSITIONS.iter().any(|row| row.2 == status), "{status:?} is never reached");
            assert_eq!(Status::from_name(status.name()), Some(status));
        }
        assert_eq!(Status::from_name("lost"), None);
    }

    #[test]
    fn nothing_happens_in_two_ways_and_the_end_is_the_end() {
        for (at, row) in TRANSITIONS.iter().enumerate() {
            let twin = TRANSITIONS.iter().position(|other| (other.0, other.1) == (row.0, row.1));
            assert_eq!(twin, Some(at), "{row:?}");
        }
        for kind in Kind::ALL {
            assert_eq!(after(Some(Status::Refunded), kind), None);
        }
    }

    #[test]
    fn a_cancelled_claim_never_holds_units_again() {
        for kind in Kind::ALL {
            let next = after(Some(Status::Cancelled), kind);
            assert!(matches!(next, None | Some(Status::PaidUnfulfilled)), "{kind:?} gave {next:?}");
        }
    }
}
