//! Tells others what happens to sales: every row of the log, in order per sale, at least once.
//!
//! A [`Worker`] in each replica looks which webhooks are behind. Which replica delivers is settled by a
//! lease per webhook, and how far a delivery came is written under that lease's fence: a replica that was
//! stopped and wakes up cannot set it back. A delivery is written before it is sent, so that whoever sends
//! it again sends the same events under the same `webhook-id`, by which receivers drop repeats.
//!
//! Each webhook has a task of its own: a slow receiver holds up nobody else. What fails is sent again
//! after a growing time, and put aside as a dead letter after
//! [`attempts_max`](WebhookConfig::attempts_max) attempts; later events of the sale go on then.

mod address;
mod backoff;
mod courier;
mod sender;
mod sign;
mod worker;

use std::time::Duration;

pub use address::Policy;
pub use worker::Worker;

/// Most events of one delivery.
pub const EVENTS_MAX: i32 = 100;

/// How deliveries are made.
#[derive(Clone, Copy, Debug)]
pub struct WebhookConfig {
    /// Where they may lead.
    pub policy: Policy,
    /// How often to look for what is new. Default: 500 ms.
    pub poll: Duration,
    /// How long a receiver may take, from connecting to the end of its answer. Default: 10 s, at most
    /// [`TIMEOUT_MAX`].
    pub timeout: Duration,
    /// How often a delivery is sent before it is put aside. Default: 12.
    pub attempts_max: u32,
    /// The shortest time before the second attempt; it doubles with each further one, up to
    /// [`BACKOFF_MAX`]. Default: 1 s.
    pub backoff: Duration,
}

/// Longest time that a receiver may be given: less than a lease can live.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(20);

/// Longest time between two attempts.
pub const BACKOFF_MAX: Duration = Duration::from_secs(5 * 60);

impl Default for WebhookConfig {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            poll: Duration::from_millis(500),
            timeout: Duration::from_secs(10),
            attempts_max: 12,
            backoff: Duration::from_secs(1),
        }
    }
}
