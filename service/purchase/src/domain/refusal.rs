//! Why a request is refused. A refusal changes nothing and stores nothing: the same key may be tried
//! again.

use super::{Currency, Invalid, Moment, Status};

/// What stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Fewer units are left than were asked for.
    SoldOut {
        /// How many are left to whoever comes now.
        left: u32,
    },
    /// Selling begins later.
    NotOpen {
        /// When.
        opens_at: Moment,
    },
    /// Selling has ended.
    Closed,
    /// The buyer would have more than one buyer may.
    LimitReached {
        /// How many units one buyer may have.
        max: u32,
        /// How many this one has, reserved and waited for ones included.
        has: u32,
    },
    /// As many wait as may.
    WaitingListFull,
    /// The sale has no such claim.
    NoSuchClaim,
    /// The claim is another buyer's.
    NotYours,
    /// The claim is in a status in which this cannot happen.
    Status(Status),
    /// The payment is in another currency.
    WrongCurrency {
        /// The sale's.
        currency: Currency,
    },
    /// The payment is another amount.
    WrongAmount {
        /// What it has to be, in minor units.
        total_minor: i64,
    },
    /// More units are to be given back than there are.
    RefundTooLarge {
        /// How many can be.
        left: u32,
    },
    /// Fewer units than are sold and reserved already.
    BelowSold {
        /// How many are: the least that capacity and allowance may sum to.
        least: u32,
    },
    /// The sale is not at the version that was expected.
    Version {
        /// At which it is.
        current: i64,
    },
    /// A field of a change is outside its limits.
    Invalid(Invalid),
}
