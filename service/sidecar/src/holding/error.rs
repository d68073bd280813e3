//! Why something is not held.

use leasehold::{AcquireAllError, AcquireError, EvictError, ResumeError, SlotsError};

use super::ended::Ended;

/// Why a request about leases failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// It was not to be had.
    #[error(transparent)]
    Acquire(#[from] AcquireError),
    /// Several were not to be had.
    #[error(transparent)]
    All(#[from] AcquireAllError),
    /// There cannot be so many slots, or none of that name.
    #[error(transparent)]
    Slots(#[from] SlotsError),
    /// It could not be taken over.
    #[error(transparent)]
    Resume(#[from] ResumeError),
    /// It could not be taken away.
    #[error(transparent)]
    Evict(#[from] EvictError),
    /// It was taken away, but too few nodes answered to know whether they all heard of it.
    #[error(
        "too few nodes answered to know whether the lease is free; its program was told that it is over"
    )]
    EvictedPerhaps,
    /// The sidecar holds as many leases as it may.
    #[error("this sidecar holds {max} leases, as many as it may")]
    Full {
        /// As many as it may.
        max: usize,
    },
    /// The link that was named is not there.
    #[error("there is no such link: it broke, or was never opened by this client")]
    NoLink,
    /// The link broke while the lease was waited for.
    #[error("the link broke while the lease was waited for")]
    LinkBroken,
    /// The request id stands for something else.
    #[error("the request id was used for something else, which is still held or asked for")]
    RequestIdReused,
    /// An earlier request with the same id still waits.
    #[error("an earlier request with this request id still waits for the lease")]
    StillAsked,
    /// This client has no such lease.
    #[error("this client has no such lease; after a restart of the sidecar, attach it first")]
    NotFound,
    /// The lease is over.
    #[error("the lease is over: {0}")]
    Over(Ended),
    /// The sidecar is about to stop.
    #[error("this sidecar is about to stop")]
    Stopping,
}
