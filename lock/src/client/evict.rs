//! Taking a lease away from who holds it.

use futures_util::future::join_all;

use super::{
    error::listed,
    leases::{Leases, Shared},
};
use crate::{
    model::{
        Ballot, FencingToken, Hold, HolderId, Question, Reply, Resource, Seen, Tally, Verdict,
        Vote, evictable, most_named,
    },
    node::NodeError,
};

/// Whom a lease was taken away from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evicted {
    /// Nobody: it was free on a quorum of nodes.
    Free,
    /// A holder of this crate: it has the lease on no quorum any more.
    Holder {
        /// Who had it; if no quorum named the same, the one that most nodes named.
        holder: HolderId,
        /// The token of its grant's first turn, if a quorum agreed on its number.
        token: Option<FencingToken>,
    },
}

/// Why a lease was not taken away for certain.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvictError {
    /// A lock of another library, or any other key of that name, is on so many nodes that no quorum
    /// is left. Nothing was changed: delete it with that library's tools.
    #[error(
        "{resource} is not evicted: {} of {} nodes have a foreign key of that name",
        tally.held, tally.nodes
    )]
    Foreign {
        /// What was to be freed.
        resource: Resource,
        /// How the nodes stood: those with a foreign key are counted as held, and those from which
        /// one of our holders can be evicted as granted.
        tally: Tally,
    },
    /// Too few nodes answered. Those that did have released it, unless they were too few from the
    /// start: then nothing was changed.
    #[error(
        "it is unknown whether {resource} is evicted: {} of {} needed nodes are without it, {} \
         foreign, {} did not answer{}",
        tally.granted, tally.quorum, tally.held, tally.unknown, listed(failures)
    )]
    Unknown {
        /// What was to be freed.
        resource: Resource,
        /// How the nodes stood: those without it are counted as granted.
        tally: Tally,
        /// What each failed node said, or that it was silent.
        failures: Vec<NodeError>,
    },
}

impl Leases {
    /// Takes a lease away from whoever holds it, by order of an administrator: each node releases it
    /// as if its holder had, so whoever waits for it is handed it at once. Takes at most two node
    /// timeouts. Locks of other libraries are not touched.
    ///
    /// **The evicted holder is not asked and may be writing**: it learns of it at its next renewal, a
    /// third of its TTL later at most ([`Lease::lost`](crate::Lease::lost) says *taken*), and acts as
    /// a holder until then. Who gets the lease next has a larger token all the same, since numbers go
    /// on growing: once that one was claimed at the store, the store refuses the evicted one. Other
    /// stores are not protected meanwhile. A task that waits in the holder's own process is served
    /// when that learns of it.
    ///
    /// A second call finds the lease free, or its next holder, and then evicts that one.
    ///
    /// # Errors
    ///
    /// [`EvictError::Foreign`] when another library's lock is there. [`EvictError::Unknown`] when too
    /// few nodes answered in time; trying again changes nothing for the worse.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not take back what nodes were asked: some may have released the lease
    /// and others not. Call it again.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use leasehold::{Evicted, LeaseConfig, Leases, Loss, Resource, node::{MemoryNode, Node}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    /// # let config = LeaseConfig { ttl: Duration::from_secs(1), ..LeaseConfig::default() };
    /// # let leases = Leases::over(vec![Arc::clone(&node)], config.clone())?;
    /// # let administrator = Leases::over(vec![node], config)?;
    /// let report = Resource::new("report")?;
    /// let hangs = leases.try_acquire(&report).await?;
    ///
    /// let (holder, token) = (hangs.stamp().holder, Some(hangs.token()));
    /// assert_eq!(administrator.evict(&report).await?, Evicted::Holder { holder, token });
    /// assert_eq!(hangs.lost().await, Loss::Taken);
    /// assert_eq!(administrator.evict(&report).await?, Evicted::Free);
    /// # Ok(()) }
    /// ```
    pub async fn evict(&self, resource: &Resource) -> Result<Evicted, EvictError> {
        let shared = &self.shared;
        let (seen, mut failures) = shared.look(resource).await;
        let possible = evictable(&seen);
        if possible.verdict() == Verdict::No {
            let (resource, tally) = (resource.clone(), possible.tally());
            return Err(EvictError::Foreign { resource, tally });
        }
        let done = match possible.verdict() {
            Verdict::Yes => shared.release_all(resource, &seen, &mut failures).await,
            Verdict::No | Verdict::Unknown | Verdict::Pending => possible,
        };
        if done.verdict() != Verdict::Yes {
            let (resource, tally) = (resource.clone(), done.tally());
            return Err(EvictError::Unknown { resource, tally, failures });
        }
        let Some(holder) = most_named(&seen) else { return Ok(Evicted::Free) };
        let token = match Hold::of(&seen) {
            Hold::Ours { token, .. } => token,
            Hold::Free | Hold::Foreign { .. } | Hold::Unknown => None,
        };
        tracing::warn!(lease.resource = %resource, lease.token = ?token, "lease evicted");
        Ok(Evicted::Holder { holder, token })
    }
}

impl Shared {
    /// Releases a lease at every node that one of our holders has it on; counts those without it.
    async fn release_all(
        &self,
        resource: &Resource,
        seen: &[Option<Seen>],
        failures: &mut Vec<NodeError>,
    ) -> Ballot {
        let releases = seen.iter().enumerate().map(|(node, seen)| async move {
            match seen {
                Some(Seen::Free) => Ok(Vote::Yes),
                Some(Seen::Ours { holder, .. }) => self.release_for(node, resource, *holder).await,
                Some(Seen::Foreign { .. }) => Ok(Vote::No),
                None => Ok(Vote::Unknown),
            }
        });
        let votes = join_all(releases).await.into_iter().map(|release| {
            release.unwrap_or_else(|error| {
                failures.push(error);
                Vote::Unknown
            })
        });
        Ballot::of(votes.collect())
    }

    /// Releases a lease at one node, as its holder would.
    async fn release_for(
        &self,
        node: usize,
        resource: &Resource,
        holder: HolderId,
    ) -> Result<Vote, NodeError> {
        let question = Question::Release { resource: resource.clone(), holder, next: None };
        let answers = self.nodes[node].ask(std::slice::from_ref(&question)).await;
        match answers.into_iter().next() {
            // Not ours: it ended since.
            Some(Ok(Reply::Released { .. } | Reply::NotOurs)) => Ok(Vote::Yes),
            Some(Err(error)) => {
                self.note_error(&error);
                Err(error)
            }
            Some(Ok(_)) | None => Ok(Vote::Unknown),
        }
    }
}
