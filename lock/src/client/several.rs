//! Several resources at once: all or none, each with its own token.

use std::time::Duration;

use futures_util::future::{join_all, select_all};

use super::{
    error::AcquireError,
    lease::{Lease, Lost, ReleaseOutcome},
    leases::Leases,
};
use crate::model::{Resource, Stamp};

/// Most resources that can be held together. Each is a question to every node and a renewal of its
/// own, so more only cost time.
pub const RESOURCES_MAX: usize = 64;

/// Leases on several resources, in the order of their names.
///
/// Each has a token of its own: a store that is protected compares the token of the resource that
/// it is about. Dropping the value gives every lease back, as dropping a [`Lease`] does.
#[derive(Debug)]
#[must_use = "leases that are dropped are released"]
pub struct LeaseSet {
    leases: Vec<Lease>,
}

/// Why several resources were not acquired. None of them is held then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireAllError {
    /// No resource was named, or more than [`RESOURCES_MAX`].
    #[error("{resources} resources are not in 1..={RESOURCES_MAX}")]
    Count {
        /// How many different ones were named.
        resources: usize,
    },
    /// One of them could not be acquired; the others were given back.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
}

impl Leases {
    /// Acquires leases on all of these resources, or on none, waiting up to `wait` for all of them
    /// together. Names given twice count once.
    ///
    /// All are first tried at once, in one round trip. If some are held, all are given back and then
    /// acquired one after another in the order of their names, so that two callers who want the same
    /// ones in different orders do not wait for each other for ever.
    ///
    /// # Errors
    ///
    /// When no name or too many are given; when one resource was not to be had in time, as
    /// [`Leases::acquire`] says.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives back what was acquired so far.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use leasehold::{LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    /// # let leases = Leases::over(vec![node], LeaseConfig::default())?;
    /// let seats = [Resource::new("seat/8")?, Resource::new("seat/7")?];
    /// let held = leases.acquire_all(&seats, Duration::from_secs(1)).await?;
    /// for stamp in held.stamps() {
    ///     println!("{} with token {}", stamp.resource, stamp.token);
    /// }
    /// // Somebody who wants one of them, too, gets none of his.
    /// let other = [Resource::new("seat/7")?, Resource::new("seat/1")?];
    /// assert!(leases.acquire_all(&other, Duration::ZERO).await.is_err());
    /// assert!(leases.try_acquire(&Resource::new("seat/1")?).await.is_ok());
    /// held.release().await;
    /// # Ok(()) }
    /// ```
    pub async fn acquire_all(
        &self,
        resources: &[Resource],
        wait: Duration,
    ) -> Result<LeaseSet, AcquireAllError> {
        let mut resources = resources.to_vec();
        resources.sort();
        resources.dedup();
        if resources.is_empty() || resources.len() > RESOURCES_MAX {
            return Err(AcquireAllError::Count { resources: resources.len() });
        }
        let begun = self.now();
        let tried = join_all(resources.iter().map(|resource| self.try_acquire(resource))).await;
        let tried: Result<Vec<Lease>, AcquireError> = tried.into_iter().collect();
        match tried {
            Ok(leases) => return Ok(LeaseSet { leases }),
            Err(error) if wait.is_zero() || !error.is_retryable() => return Err(error.into()),
            Err(_) => {}
        }
        let mut leases = Vec::with_capacity(resources.len());
        for resource in &resources {
            let left = wait.saturating_sub(self.now() - begun);
            leases.push(self.acquire(resource, left).await?);
        }
        // What was acquired first must not have run out while the rest was waited for.
        match leases.iter().find(|lease| lease.is_lost()) {
            Some(lost) => Err(AcquireError::TooSlow {
                resource: lost.resource().clone(),
                elapsed: self.now() - begun,
                ttl: self.ttl(),
            }
            .into()),
            None => Ok(LeaseSet { leases }),
        }
    }
}

impl LeaseSet {
    /// The leases, in the order of their resources' names; at least one.
    pub fn leases(&self) -> &[Lease] {
        &self.leases
    }

    /// The leases themselves, in the same order: each is kept, lost and given back on its own from here
    /// on.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use leasehold::{LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    /// # let leases = Leases::over(vec![node], LeaseConfig::default())?;
    /// let seats = [Resource::new("seat/8")?, Resource::new("seat/7")?];
    /// let mut held = leases.acquire_all(&seats, Duration::ZERO).await?.into_leases();
    /// // They are in the order of their names.
    /// held.remove(0).release().await;
    /// assert!(leases.try_acquire(&Resource::new("seat/7")?).await.is_ok());
    /// assert!(leases.try_acquire(&Resource::new("seat/8")?).await.is_err());
    /// # Ok(()) }
    /// ```
    #[must_use = "leases that are dropped are released"]
    pub fn into_leases(self) -> Vec<Lease> {
        self.leases
    }

    /// What to show to a protected store, for each resource.
    pub fn stamps(&self) -> impl Iterator<Item = &Stamp> {
        self.leases.iter().map(Lease::stamp)
    }

    /// Waits until the first of them is lost, and says which and why.
    ///
    /// # Cancel safety
    ///
    /// Safe: it only watches.
    pub async fn lost(&self) -> Lost {
        let losses = self.leases.iter().map(|lease| {
            Box::pin(async move {
                let loss = lease.lost().await;
                Lost { resource: lease.resource().clone(), token: lease.token(), loss }
            })
        });
        select_all(losses).await.0
    }

    /// Runs `work` until it ends or one of the leases is lost; on loss `work` is dropped where it
    /// stands. The other leases are kept until they are given back.
    ///
    /// # Errors
    ///
    /// [`Lost`] when a lease was lost first. What `work` did until then stays done.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`; the leases stay.
    pub async fn guard<F: Future>(&self, work: F) -> Result<F::Output, Lost> {
        tokio::select! {
            biased;
            lost = self.lost() => Err(lost),
            done = work => Ok(done),
        }
    }

    /// Gives all of them back, at once, and says what that came to, in the order of the names.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the release.
    pub async fn release(self) -> Vec<ReleaseOutcome> {
        join_all(self.leases.into_iter().map(Lease::release)).await
    }
}
