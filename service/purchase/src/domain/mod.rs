//! What may be sold to whom: pure rules. No clock, socket or database.
//!
//! [`decide`] turns a sale's [`State`] and a list of [`Request`]s into outcomes and [`Event`]s; a
//! strategy of granting only says how the state is read consistently and how the events are written.
//! [`State::apply`] says what each event changes, for decisions and for rebuilding a sale from its
//! log alike. [`TRANSITIONS`] lists everything that can happen to a claim.

mod buyer;
mod claim;
mod decide;
mod event;
mod fold;
mod ids;
mod key;
mod moment;
mod money;
mod refusal;
mod request;
mod rules;
mod sale;
mod state;
mod strategy;
#[cfg(test)]
mod tests;
mod validation;
mod view;
mod webhook;

pub use buyer::{BUYER_CHARS_MAX, Buyer, LINES_MAX, QUANTITY_MAX, Quantity};
pub use claim::{Claim, Status, TRANSITIONS};
pub use decide::{Answer, Decision, Outcome, decide, is_certain};
pub use event::{ClaimEvent, Event, Kind};
pub use fold::Fold;
pub use ids::{ClaimId, SaleId, WebhookId};
pub use key::{Fingerprint, IdempotencyKey, KEY_BYTES_MAX};
pub use moment::Moment;
pub use money::{Currency, Money, PRICE_MINOR_MAX};
pub use refusal::Refusal;
pub use request::{Command, Payment, REFERENCE_CHARS_MAX, Request, Wanted};
pub use sale::{
    CAPACITY_MAX, NAME_CHARS_MAX, RESERVATION_SECONDS, RESERVATION_SECONDS_MAX, Sale, SaleChange,
    SaleDraft, Terms, VERSION_MAX, WithoutLeases,
};
pub use state::{Impossible, Known, State, Stored};
pub use strategy::Strategy;
pub use validation::{Circumstances, Validation};
pub use view::{ClaimView, EventClaimView, EventView, Reply, SaleState, SaleView, TermsView};
pub use webhook::{
    DeadLetterView, REPLAY_FROM_MAX, Replay, ReplayDraft, Secret, URL_BYTES_MAX, WEBHOOKS_MAX,
    Webhook, WebhookDraft, WebhookView, WebhookWanted,
};

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
    pub(crate) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        Self { field, reason: reason.into() }
    }
}
