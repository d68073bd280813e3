//! How the units of a sale are granted: one way in, several strategies, one decision for all.
//!
//! What may be sold is [`crate::domain`]'s to say. A strategy only says how the sale is read so
//! that a decision about it holds, and how the outcome is written. Whatever the strategy, a write
//! names the version of the sale that it was decided from, so strategies cannot harm each other.

mod config;
mod decision;
mod direct;
mod error;
mod granting;
mod leased;
mod queued;
mod retry;
mod sweep;

pub use config::GrantConfig;
pub use error::GrantError;
pub use granting::Granting;
pub use queued::Submitted;
pub use retry::{Pause, Retries};
use tokio::time::Instant;

use crate::domain::{Outcome, Request, SaleId};

/// What a request comes to, for the one who waits.
type Answer = Result<Outcome, GrantError>;

/// A way to grant.
trait Strategy {
    /// Works on one request, and answers when what it comes to is committed, or at the deadline.
    ///
    /// # Errors
    ///
    /// See [`GrantError`]: only [`GrantError::Unknown`] leaves open whether it was granted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the request if it still waits. If it was being written, it may be
    /// granted, and asking again with the same key tells.
    async fn submit(&self, sale: SaleId, request: Request, deadline: Instant) -> Answer;

    /// Gives up the reservations whose deadline has passed, and offers what is free to those who wait.
    /// Whether it succeeds does not matter: every decision does the same first.
    async fn tidy(&self, sale: SaleId);

    /// Ends when nothing is under way any more. No request may come after it was called.
    async fn close(&self);
}
