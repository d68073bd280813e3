// The README links to files; here the same names lead to the items. The first definition counts.
//! [Guarantees]: crate::guide::guarantees
//! [Timing]: crate::guide::timing
//! [Fencing]: crate::guide::fencing
//! [Migration]: crate::guide::migration
//! [Deployment]: crate::guide::deployment
//! [`Leases::observe`]: crate::Leases::observe
//! [`Leases::acquire_all`]: crate::Leases::acquire_all
//! [`Leases::resume`]: crate::Leases::resume
//! [`Leases::inspect`]: crate::Leases::inspect
//! [`Leases::evict`]: crate::Leases::evict
//! [`Leases::check`]: crate::Leases::check
//! [`Lease::lost`]: crate::Lease::lost
//! [`Lease::guard`]: crate::Lease::guard
//! [`Lease::cancellation`]: crate::Lease::cancellation
//! [`Slots`]: crate::Slots
//! [`Candidate`]: crate::Candidate
//! [`node::MemoryNode`]: crate::node::MemoryNode
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod client;
#[cfg(feature = "postgres")]
pub mod fence;
pub mod guide;
pub mod model;
pub mod node;

pub use client::{
    AcquireAllError, AcquireError, Candidate, ConfigError, Event, EvictError, Evicted, Inspection,
    Lease, LeaseConfig, LeaseSet, Leases, Lost, NODES_MAX, RESOURCES_MAX, ReleaseOutcome,
    ResumeError, Slots, SlotsError,
};
pub use model::{
    FencingToken, GrantNumber, Hold, HolderId, Loss, Resource, ResourceError, Stamp, Tally,
    TokenError,
};
pub use node::{NodeError, NodeErrorKind, NodeStep, Warning};
