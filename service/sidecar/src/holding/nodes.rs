//! What is asked about a resource, whoever has it.

use leasehold::{Evicted, FencingToken, Hold, Inspection, ReleaseOutcome, Resource};
use tokio::sync::oneshot;

use super::{HoldError, Holdings, keeper::Order};

/// What taking a lease away came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Freed {
    /// Whether somebody had it.
    pub was_held: bool,
    /// The token of whoever had it, in the first turn of its grant, if a quorum knew it.
    pub old: Option<FencingToken>,
    /// A token above it: a store that has seen this one refuses whoever had the lease. `None` when no
    /// larger one was to be had.
    pub newer: Option<FencingToken>,
}

impl Holdings {
    /// Who has a resource, as the nodes say, and whether it is held through this sidecar.
    pub async fn inspect(&self, resource: &Resource) -> (Inspection, bool) {
        let is_here = self.table.holding(resource).is_some();
        (self.leases().inspect(resource).await, is_here)
    }

    /// Whether nobody has a resource; `None` when too few nodes say.
    pub async fn is_free(&self, resource: &Resource) -> Option<bool> {
        let (inspection, is_here) = self.inspect(resource).await;
        match inspection.hold {
            _ if is_here => Some(false),
            Hold::Free => Some(true),
            Hold::Ours { .. } | Hold::Foreign { .. } => Some(false),
            Hold::Unknown => None,
        }
    }

    /// Takes a lease away from whoever has it, and mints a token above theirs.
    ///
    /// # Errors
    ///
    /// When a lock of another library is there, or too few nodes answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not give it back; call it again to get the newer token.
    pub async fn evict(&self, resource: &Resource) -> Result<Freed, HoldError> {
        let (was_held, old) = match self.evict_here(resource).await? {
            Some(token) => (true, Some(token)),
            None => match self.leases().evict(resource).await? {
                Evicted::Free => (false, None),
                Evicted::Holder { token, .. } => (true, token),
            },
        };
        Ok(Freed { was_held, old, newer: self.newer(resource, old).await })
    }

    /// Ends a lease that is held through this sidecar: nodes would tell it only when it renews.
    async fn evict_here(&self, resource: &Resource) -> Result<Option<FencingToken>, HoldError> {
        let Some(orders) = self.table.holding(resource) else { return Ok(None) };
        let (told, view) = oneshot::channel();
        let _over = orders.send(Order::Look(told)).await;
        let Ok(view) = view.await else { return Ok(None) };
        let (told, outcome) = oneshot::channel();
        let _over = orders.send(Order::Evict(told)).await;
        match outcome.await {
            Ok(ReleaseOutcome::Unknown) => Err(HoldError::EvictedPerhaps),
            Ok(_) => Ok(Some(view.stamp.token)),
            // It ended by itself meanwhile; somebody else may have it.
            Err(_) => Ok(None),
        }
    }

    async fn newer(&self, resource: &Resource, old: Option<FencingToken>) -> Option<FencingToken> {
        let is_newer = |token: &FencingToken| old.is_none_or(|old| *token > old);
        // Whoever waited for it has it by now.
        if let Hold::Ours { token: Some(token), .. } = self.leases().inspect(resource).await.hold
            && is_newer(&token)
        {
            return Some(token);
        }
        // A leader that was elected here hears of its end when it renews.
        let lease = self.leases().acquire(resource, self.hears_within).await.ok()?;
        let token = lease.token();
        let _outcome = lease.release().await;
        Some(token).filter(is_newer)
    }
}
