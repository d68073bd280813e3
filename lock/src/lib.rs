#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod client;
#[cfg(feature = "postgres")]
pub mod fence;
pub mod model;
pub mod node;

pub use client::{AcquireError, ConfigError, Lease, LeaseConfig, Leases, Lost, ReleaseOutcome};
pub use model::{
    FencingToken, GrantNumber, HolderId, Loss, Resource, ResourceError, Stamp, Tally, TokenError,
};
pub use node::{NodeError, NodeErrorKind, NodeStep};
