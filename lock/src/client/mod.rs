//! Drives: acquire, wait, keep (renewal), release. Feeds the model and obeys it.

mod attempt;
mod clock;
mod config;
mod error;
mod keeper;
mod lease;
mod leases;
mod wait;

pub(crate) use clock::Clock;
pub use config::{ConfigError, LeaseConfig};
pub use error::AcquireError;
pub use lease::{Lease, Lost, ReleaseOutcome};
pub use leases::Leases;
