//! What is asked about a resource, whoever has it.

use leasehold::{Evicted, FencingToken, Hold, Inspection, Resource};
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
        let (was_held, old) = match self.evict_here(resource).await {
            Some(token) => (true, Some(token)),
            None => match self.leases().evict(resource).await? {
                Evicted::Free => (false, None),
                Evicted::Holder { token, .. } => (true, token),
            },
        };
        Ok(Freed { was_held, old, newer: self.newer(resource, old).await })
    }

    /// Ends a lease that is held through this sidecar: nodes would tell it only when it renews.
    async fn evict_here(&self, resource: &Resource) -> Option<FencingToken> {
        let orders = self.table.holding(resource)?;
        let (told, view) = oneshot::channel();
        orders.send(Order::Look(told)).await.ok()?;
        let view = view.await.ok()?;
        let (told, outcome) = oneshot::channel();
        orders.send(Order::Evict(told)).await.ok()?;
        let _outcome = outcome.await.ok()?;
        Some(view.stamp.token)
    }

    async fn newer(&self, resource: &Resource, old: Option<FencingToken>) -> Option<FencingToken> {
        let token = match self.leases().try_acquire(resource).await {
            Ok(lease) => {
                let token = lease.token();
                let _outcome = lease.release().await;
                Some(token)
            }
            // Whoever waited for it has it by now.
            Err(_) => match self.leases().inspect(resource).await.hold {
                Hold::Ours { token, .. } => token,
                Hold::Free | Hold::Foreign { .. } | Hold::Unknown => None,
            },
        };
        token.filter(|token| old.is_none_or(|old| *token > old))
    }
}
