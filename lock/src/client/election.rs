//! Leader election: a thin loop over one lease.

use std::time::Duration;

use super::{
    error::AcquireError,
    lease::{Lease, Lost, ReleaseOutcome},
    leases::Leases,
};
use crate::model::{Resource, Stamp};

/// How long one wait for the office lasts; then it is waited for again.
const SLICE: Duration = Duration::from_secs(60);

/// A candidate for an office that one holds at a time.
///
/// Whoever holds the lease leads. A leader that is paused does not know that it has been succeeded:
/// what it writes must be shown with its [`Stamp`], and checked by the store.
///
/// Renewal of a leader's lease ends after [`LeaseConfig::lifetime_max`](crate::LeaseConfig), which
/// is then the longest term; the leader may stand again.
///
/// Dropping a candidate leaves the office, as dropping a [`Lease`] does.
///
/// # Example
///
/// ```
/// # use std::{sync::Arc, time::Duration};
/// # use leasehold::{Candidate, Event, LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
/// # let leases = Leases::over(vec![node], LeaseConfig::default())?;
/// let mut candidate = Candidate::new(leases, Resource::new("scheduler")?);
/// match candidate.next().await? {
///     Event::Elected(stamp) => println!("leads with token {}", stamp.token),
///     Event::Lost(lost) => println!("{lost}"),
/// }
/// assert!(candidate.is_leader());
/// candidate.resign().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Candidate {
    leases: Leases,
    office: Resource,
    lease: Option<Lease>,
}

/// What happens to a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It leads from now on.
    Elected(Stamp),
    /// It leads no more, and has to stop what only a leader does.
    Lost(Lost),
}

impl Candidate {
    /// A candidate for this office.
    #[must_use]
    pub const fn new(leases: Leases, office: Resource) -> Self {
        Self { leases, office, lease: None }
    }

    /// Waits for the next event: as a candidate until it is elected, as the leader until it is lost.
    ///
    /// # Errors
    ///
    /// When it cannot be elected however long it waits ([`AcquireError::is_retryable`] is false). An
    /// outage of the nodes is waited out.
    ///
    /// # Cancel safety
    ///
    /// Safe: no event is lost, and the office is kept.
    pub async fn next(&mut self) -> Result<Event, AcquireError> {
        if let Some(lease) = &self.lease {
            let loss = lease.lost().await;
            let lost = Lost { resource: self.office.clone(), token: lease.token(), loss };
            self.lease = None;
            return Ok(Event::Lost(lost));
        }
        loop {
            match self.leases.acquire(&self.office, SLICE).await {
                Ok(lease) => {
                    let stamp = lease.stamp().clone();
                    self.lease = Some(lease);
                    return Ok(Event::Elected(stamp));
                }
                Err(error) if !error.is_retryable() => return Err(error),
                Err(_) => {}
            }
        }
    }

    /// Runs `work` as the leader until it ends or the office is lost; `None` when it does not lead.
    ///
    /// # Errors
    ///
    /// [`Lost`] when the office was lost first; `work` was dropped where it stood.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops `work`; the office is kept.
    pub async fn lead<F: Future>(&self, work: F) -> Option<Result<F::Output, Lost>> {
        Some(self.lease.as_ref()?.guard(work).await)
    }

    /// Whether it leads, as far as it can know. A `true` may be outdated when it is read.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| !lease.is_lost())
    }

    /// What to show to a protected store, while it leads.
    #[must_use]
    pub fn stamp(&self) -> Option<&Stamp> {
        self.lease.as_ref().map(Lease::stamp)
    }

    /// Leaves the office; `None` when it did not hold it. [`next`](Candidate::next) stands for it
    /// again.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop the release.
    pub async fn resign(&mut self) -> Option<ReleaseOutcome> {
        Some(self.lease.take()?.release().await)
    }
}
