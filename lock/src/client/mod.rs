//! Drives: acquire, wait, pass on, renew, release. Feeds the model and obeys it.
//!
//! ```text
//! leases ──► line ──────► attempt ──► inbox ──► engine ──► book ──► model
//!   (door)    (who waits)               (orders)              (attempts and leases)
//!              ▲                          ▲                     │
//!              │                          └── wakes             │  what nodes tell
//!              └────────────────────────────────────────────────┘  seeks for those who wait
//! ```
//!
//! Whose turn it is to carry the engine on, its task's or a caller's, is the matter of `desk`.

mod admit;
mod attempt;
mod batch;
mod book;
mod clock;
mod config;
mod desk;
mod election;
mod engine;
mod error;
mod evict;
mod grant;
mod identities;
mod inbox;
mod inspection;
mod lease;
mod leases;
mod line;
mod pause;
mod promise;
mod resume;
mod several;
mod slots;
mod wakes;

pub(crate) use clock::Clock;
pub use config::{ConfigError, LeaseConfig};
pub use election::{Candidate, Event};
pub use error::AcquireError;
pub use evict::{EvictError, Evicted};
pub use inspection::Inspection;
pub use lease::{Lease, Lost, ReleaseOutcome};
pub use leases::{Leases, NODES_MAX};
pub use resume::ResumeError;
pub use several::{AcquireAllError, LeaseSet, RESOURCES_MAX};
pub use slots::{Slots, SlotsError};
