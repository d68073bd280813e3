//! What may be sold to whom: pure rules. No clock, socket or database.

mod decide;
mod ids;
mod money;
mod order;
mod receipt;
mod sale;

pub use decide::{Decision, Grant, Known, Outcome, Stored, decide};
pub use ids::{PurchaseId, SaleId};
pub use money::{Currency, Money, PRICE_MINOR_MAX};
pub use order::{
    BUYER_BYTES_MAX, Buyer, Fingerprint, IdempotencyKey, KEY_BYTES_MAX, Order, QUANTITY_MAX,
    Quantity,
};
pub use receipt::Receipt;
pub use sale::{CAPACITY_MAX, NAME_CHARS_MAX, Sale, SaleDraft, Stock};

/// A value that the rules refuse: which field, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct Invalid {
    /// The field, as requests name it.
    pub field: &'static str,
    /// What is wrong with it, with the limit.
    pub reason: String,
}

impl Invalid {
    fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}
