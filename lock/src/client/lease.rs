//! A held lease, as its holder sees it.

use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    desk::{self, Answer},
    grant::Grant,
    inbox::{NoRuntime, Order},
    leases::Shared,
    line::Passing,
    promise::Promise,
};
use crate::model::{FencingToken, Loss, Resource, Stamp};

/// A held lease, renewed in the background.
///
/// Holding it does not prove that nobody else does: a process may be paused past the end of its
/// lease and not notice. What protects data is its [`stamp`](Lease::stamp), checked by the store
/// in the same transaction as the write.
///
/// # Drop
///
/// Dropping a lease releases it in the background, or passes it on to the next waiter of this
/// process; it neither blocks nor panics, with a runtime or without. When the tokio runtime has
/// ended, nothing is sent, and the nodes free the lease after its TTL. To know the outcome, call
/// [`release`](Lease::release).
///
/// # Example
///
/// Work that stops when the lease is lost:
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use leasehold::{LeaseConfig, Leases, Loss, Resource, node::{MemoryNode, Node}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node = Arc::new(MemoryNode::new());
/// # let config = LeaseConfig {
/// #     ttl: Duration::from_secs(3), ..LeaseConfig::default()
/// # };
/// # let leases = Leases::over(vec![Arc::clone(&node) as Arc<dyn Node>], config)?;
/// let lease = leases.try_acquire(&Resource::new("report")?).await?;
/// assert_eq!(lease.guard(async { 7 }).await?, 7);
///
/// node.forget(); // As by FLUSHALL: the next renewal learns that the lease is gone.
/// let lost = lease.guard(std::future::pending::<()>()).await.unwrap_err();
/// assert_eq!(lost.loss, Loss::Taken);
/// assert!(lease.is_lost());
/// # Ok(()) }
/// ```
#[must_use = "a lease that is dropped is released"]
pub struct Lease {
    shared: Arc<Shared>,
    grant: Arc<Grant>,
    stamp: Stamp,
    turn: u16,
    /// Cancelled when this turn is over, if anybody asked for it.
    over: OnceLock<CancellationToken>,
    /// Whether this handle has given the lease back already.
    is_given_back: bool,
}

/// What a release came to. None of these needs the caller to do more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseOutcome {
    /// It was ours, and is free on a quorum of nodes; or it went to the next waiter of this process,
    /// with a larger token.
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
    pub(super) fn first(shared: Arc<Shared>, grant: Arc<Grant>) -> Self {
        let stamp = grant.binding.stamp();
        Self { shared, grant, stamp, turn: 0, over: OnceLock::new(), is_given_back: false }
    }

    pub(super) fn turn(shared: Arc<Shared>, grant: Arc<Grant>, turn: u16) -> Self {
        let mut stamp = grant.binding.stamp();
        // There is room: `Lines` passes a lease on only while there is.
        if let Ok(token) = FencingToken::new(grant.binding.number, turn) {
            stamp.token = token;
        }
        Self { shared, grant, stamp, turn, over: OnceLock::new(), is_given_back: false }
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

    /// How long the holder may still act if no renewal succeeds, on this process's monotonic clock;
    /// zero when the lease is lost. At most `ttl − drift`. On systems whose monotonic clock stands
    /// still while the machine is suspended it is too long after waking up.
    #[must_use]
    pub fn remaining(&self) -> Duration {
        self.grant.remaining(self.shared.clock.now())
    }

    /// Whether the lease is lost or its validity over. A `false` may be outdated when it is read.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.remaining().is_zero()
    }

    /// Waits until the lease is lost, and says why; at once when it is already. Never ends while the
    /// lease is kept.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only watches.
    pub async fn lost(&self) -> Loss {
        self.grant.lost().await
    }

    /// A token that is cancelled when the lease is lost, for work that is told to stop rather than
    /// dropped. It is also cancelled when the lease is given back. Each call returns the same token;
    /// the first one starts a task that ends with the lease.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn cancellation(&self) -> CancellationToken {
        let over = self.over.get_or_init(|| {
            let over = CancellationToken::new();
            let (grant, cancel) = (Arc::clone(&self.grant), over.clone());
            drop(tokio::spawn(async move {
                let _given_back = cancel.run_until_cancelled(grant.lost()).await;
                cancel.cancel();
            }));
            over
        });
        over.clone()
    }

    /// Runs `work` until it ends or the lease is lost, whichever comes first; on loss `work` is
    /// dropped where it stands, which is at an `await`. Work that blocks the thread is not stopped.
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

    /// Gives the lease back and says what that came to. If another task of this process waits for it
    /// and the turn allows it, the task gets it at once; else it is released on every node, which is
    /// settled at most one node timeout later. Renewal stops first. A lost lease may be given back,
    /// too.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the release.
    pub async fn release(mut self) -> ReleaseOutcome {
        let shared = Arc::clone(&self.shared);
        let (reply, mut outcome) = Answer::new(&shared);
        if self.give_back(Some(reply), |_, order| outcome.order(order)) {
            return ReleaseOutcome::Released;
        }
        let span = tracing::debug_span!("release", lease.resource = %self.stamp.resource);
        outcome.instrument(span).await.unwrap_or(ReleaseOutcome::Unknown)
    }

    pub(super) const fn grant(&self) -> &Arc<Grant> {
        &self.grant
    }

    /// This handle was never given to anybody: its grant goes on without it.
    pub(super) fn forget(mut self) {
        self.is_given_back = true;
    }

    /// Passes the lease on (`true`) or leaves an order to release it.
    fn give_back(
        &mut self,
        reply: Option<Promise<ReleaseOutcome>>,
        leave: impl FnOnce(&Arc<Shared>, Order) -> Result<(), NoRuntime>,
    ) -> bool {
        if self.is_given_back {
            return false;
        }
        self.is_given_back = true;
        if let Some(over) = self.over.get() {
            over.cancel();
        }
        let now = self.shared.clock.now();
        metrics::histogram!("lease_hold_seconds").record(now - self.grant.granted_at);
        let seek = match self.shared.lines.pass_on(&self.shared, &self.grant, self.turn, now) {
            Passing::Passed => return true,
            Passing::Release { seek } => seek,
        };
        let grant = Arc::clone(&self.grant);
        // Without a runtime nothing can be sent: the TTL frees the lease, and nobody seeks it.
        if leave(&self.shared, Order::Release { grant, reply, seek }).is_err() && seek {
            self.shared.lines.abandon(|line| line == self.resource());
        }
        false
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let _passed = self.give_back(None, desk::leave);
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
