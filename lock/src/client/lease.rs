//! A held lease, as its holder sees it.

use std::{fmt, future::Future, pin::pin, time::Duration};

use tokio::sync::{mpsc, oneshot, watch};

use super::{clock::Clock, keeper::ReleaseOrder};
use crate::model::{FencingToken, Loss, Moment, Resource, Stamp};

/// What the keeper last knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) valid_until: Moment,
    pub(super) loss: Option<Loss>,
}

/// A held lease, renewed in the background.
///
/// Holding it does not prove that nobody else does: a process may be paused past the end of its
/// lease and not notice. What protects data is its [`stamp`](Lease::stamp), checked by the store
/// in the same transaction as the write.
///
/// # Drop
///
/// Dropping a lease releases it in the background, without blocking. When the tokio runtime has
/// ended, nothing is sent, and the nodes free the lease after its TTL. To know the outcome, call
/// [`release`](Lease::release).
pub struct Lease {
    clock: Clock,
    stamp: Stamp,
    status: watch::Receiver<Status>,
    keeper: mpsc::Sender<ReleaseOrder>,
}

/// What a release came to. None of these needs the caller to do more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// It was ours on a quorum of nodes, and is free there.
    Released,
    /// A quorum of nodes says that it was not ours any more.
    NotOurs,
    /// Too few nodes answered; what is left of it ends after its TTL.
    Unknown,
}

/// The lease was lost while work under it was going on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("lease {resource} with token {token} was lost: {loss}")]
pub struct Lost {
    /// What was held.
    pub resource: Resource,
    /// The token it had.
    pub token: FencingToken,
    /// Why it is over.
    pub loss: Loss,
}

impl Lease {
    pub(super) const fn new(
        clock: Clock,
        stamp: Stamp,
        status: watch::Receiver<Status>,
        keeper: mpsc::Sender<ReleaseOrder>,
    ) -> Self {
        Self { clock, stamp, status, keeper }
    }

    /// What is held.
    #[must_use]
    pub const fn resource(&self) -> &Resource {
        &self.stamp.resource
    }

    /// The fencing token: larger than that of every earlier holder of this resource.
    #[must_use]
    pub const fn token(&self) -> FencingToken {
        self.stamp.token
    }

    /// What to show to a protected store.
    #[must_use]
    pub const fn stamp(&self) -> &Stamp {
        &self.stamp
    }

    /// How long the holder may still act if no renewal succeeds; zero when the lease is lost.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        let status = *self.status.borrow();
        if status.loss.is_some() { Duration::ZERO } else { status.valid_until - self.clock.now() }
    }

    /// Whether the lease is lost or its validity over. A `false` may be outdated when it is read.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Waits until the lease is lost, and says why. Never ends while the lease is kept.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only watches.
    pub async fn lost(&self) -> Loss {
        let mut status = self.status.clone();
        loop {
            if let Some(loss) = status.borrow_and_update().loss {
                return loss;
            }
            if status.changed().await.is_err() {
                // The keeper ended without a word: the runtime is going down.
                return Loss::Expired;
            }
        }
    }

    /// Runs `work` until it ends or the lease is lost, whichever comes first; on loss `work` is
    /// dropped where it stands.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the lease was lost first. What `work` did until then stays done.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`; the lease stays.
    pub async fn guard<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        let mut work = pin!(work);
        tokio::select! {
            biased;
            loss = self.lost() => {
                let Stamp { resource, token, .. } = self.stamp.clone();
                Err(Lost { resource, token, loss })
            }
            done = &mut work => Ok(done),
        }
    }

    /// Releases the lease on every node and says what that came to, as soon as it is settled: at
    /// most one node timeout later. Renewal stops first.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the release.
    pub async fn release(self) -> ReleaseOutcome {
        let (order, outcome) = oneshot::channel();
        if self.keeper.send(order).await.is_err() {
            return ReleaseOutcome::Unknown;
        }
        outcome.await.unwrap_or(ReleaseOutcome::Unknown)
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("stamp", &self.stamp)
            .field("remaining", &self.remaining())
            .finish_non_exhaustive()
    }
}
