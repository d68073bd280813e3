//! A bounded number of holders, as exclusive leases on numbered slots.

use std::time::Duration;

use super::{
    error::AcquireError,
    lease::Lease,
    leases::Leases,
    several::{AcquireAllError, LeaseSet, RESOURCES_MAX},
};
use crate::model::{Resource, ResourceError};

/// A resource that several may hold at once: a counting semaphore, and a lock for readers and
/// writers.
///
/// It is made of numbered slots, each an exclusive lease with its own token: `<name>/slot/0`, and so
/// on. One slot is one permit (or one reader); all slots together are a writer. So there are never
/// more holders than slots under the assumption that a single lease needs, and each write can be
/// fenced, by the slot's resource and token. What other libraries do instead, a counter or a list of
/// permits on each of N nodes, does not bound the holders: with two permits on three nodes, three
/// holders can each have a majority.
///
/// # Example
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use leasehold::{LeaseConfig, Leases, Slots, node::{MemoryNode, Node}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
/// # let leases = Leases::over(vec![node], LeaseConfig::default())?;
/// let exports = Slots::new(leases, "exports", 2)?;
/// let one = exports.acquire(Duration::ZERO).await?;
/// let two = exports.acquire(Duration::ZERO).await?;
/// assert!(exports.acquire(Duration::ZERO).await.is_err());
/// one.release().await;
/// assert!(exports.acquire_every(Duration::ZERO).await.is_err());
/// two.release().await;
/// let writer = exports.acquire_every(Duration::ZERO).await?;
/// assert!(exports.acquire(Duration::ZERO).await.is_err());
/// # drop(writer);
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Slots {
    leases: Leases,
    slots: Vec<Resource>,
}

/// Why there can be no such slots.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SlotsError {
    /// No slot, or more than [`RESOURCES_MAX`].
    #[error("{slots} slots are not in 1..={RESOURCES_MAX}")]
    Count {
        /// How many were asked for.
        slots: usize,
    },
    /// The name, with the slot's number, cannot be a resource.
    #[error(transparent)]
    Name(#[from] ResourceError),
}

/// How long one slot is waited for before another is tried.
const SLICE: Duration = Duration::from_millis(100);

impl Slots {
    /// So many slots of this name. Everybody who uses them must name the same number.
    ///
    /// # Errors
    ///
    /// When there are none or more than [`RESOURCES_MAX`], or the name cannot be a resource.
    pub fn new(leases: Leases, name: &str, slots: usize) -> Result<Self, SlotsError> {
        if slots == 0 || slots > RESOURCES_MAX {
            return Err(SlotsError::Count { slots });
        }
        let slots = (0..slots).map(|slot| Resource::new(format!("{name}/slot/{slot}")));
        Ok(Self { leases, slots: slots.collect::<Result<_, _>>()? })
    }

    /// Acquires any slot, waiting up to `wait`. Slots are tried in a random order, so that their
    /// users spread; there is no order among those who wait. A `wait` of zero tries each slot once,
    /// one after another, and so does any other `wait` at least: while nodes are silent this takes
    /// up to two node timeouts for each slot.
    ///
    /// # Errors
    ///
    /// When every slot is held until the wait is over, with the last attempt's reason; at once when
    /// trying again cannot help.
    ///
    /// # Cancel safety
    ///
    /// As [`Leases::acquire`].
    pub async fn acquire(&self, wait: Duration) -> Result<Lease, AcquireError> {
        let begun = self.leases.now();
        let first = fastrand::usize(0..self.slots.len());
        let slots = || self.slots[first..].iter().chain(&self.slots[..first]);
        let mut last = None;
        let mut attempts = 0;
        for slot in slots() {
            attempts += 1;
            match self.leases.try_acquire(slot).await {
                Ok(lease) => return Ok(lease),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => last = Some(error),
            }
        }
        for slot in slots().cycle() {
            let left = wait.saturating_sub(self.leases.now() - begun);
            if left.is_zero() {
                break;
            }
            match self.leases.acquire(slot, left.min(SLICE)).await {
                Ok(lease) => return Ok(lease),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(AcquireError::DeadlineReached { attempts: more, last: why, .. }) => {
                    attempts += more;
                    last = Some(*why);
                }
                Err(error) => last = Some(error),
            }
        }
        let resource = &self.slots[first];
        let last = last.unwrap_or_else(|| {
            AcquireError::held_here(resource, self.leases.nodes(), self.leases.quorum())
        });
        if wait.is_zero() {
            return Err(last);
        }
        let (resource, waited) = (resource.clone(), self.leases.now() - begun);
        Err(AcquireError::DeadlineReached { resource, waited, attempts, last: Box::new(last) })
    }

    /// Acquires every slot, waiting up to `wait` for all of them together: nobody else holds any
    /// then.
    ///
    /// # Errors
    ///
    /// As [`Leases::acquire_all`].
    ///
    /// # Cancel safety
    ///
    /// As [`Leases::acquire_all`].
    pub async fn acquire_every(&self, wait: Duration) -> Result<LeaseSet, AcquireAllError> {
        self.leases.acquire_all(&self.slots, wait).await
    }

    /// The resources that the slots are, for a store that checks their tokens.
    #[must_use]
    pub fn resources(&self) -> &[Resource] {
        &self.slots
    }
}
