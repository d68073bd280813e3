//! What can be set, and which settings fit together.

use std::time::Duration;

use crate::model::{Timing, TimingError};

/// Settings of a [`Leases`](crate::Leases). Checked once, when it is made.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use leasehold::LeaseConfig;
///
/// let config = LeaseConfig { ttl: Duration::from_secs(2), ..LeaseConfig::default() };
/// assert_eq!(config.node_timeout, Duration::from_millis(250));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseConfig {
    /// How long a lease lives on the nodes without renewal: 20 ms to one day, whole milliseconds.
    /// Default: 10 s. Shorter frees the lease of a dead holder sooner; longer lets a holder
    /// survive longer pauses of its own and of the nodes.
    pub ttl: Duration,
    /// How long one node may take to answer, connecting included. Twice this and the drift must
    /// fit into the TTL. Default: 250 ms. Shorter skips a silent node sooner; longer tolerates
    /// slow disks and networks.
    pub node_timeout: Duration,
    /// How long a lease may be renewed. Default: 10 minutes. Afterwards it runs out within a TTL,
    /// so that a task which hangs cannot hold its resource for ever. Zero switches renewal off.
    pub lifetime_max: Duration,
    /// Shortest wait between two attempts of [`acquire`](crate::Leases::acquire). Default: 5 ms.
    pub retry_min: Duration,
    /// Longest wait between two attempts. Default: 50 ms. The wait is random between the two, so
    /// that waiters do not move in step.
    pub retry_max: Duration,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            node_timeout: Duration::from_millis(250),
            lifetime_max: Duration::from_secs(600),
            retry_min: Duration::from_millis(5),
            retry_max: Duration::from_millis(50),
        }
    }
}

/// Settings that cannot work. None of these changes by trying again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Durations that do not fit together.
    #[error(transparent)]
    Timing(#[from] TimingError),
    /// The waits between attempts are zero or the wrong way round.
    #[error("retry_min {min:?} must be above zero and not above retry_max {max:?}")]
    Retry {
        /// The shortest wait.
        min: Duration,
        /// The longest wait.
        max: Duration,
    },
    /// There are no nodes.
    #[error("at least one node is needed")]
    NoNodes,
    /// An address that cannot be read; without its password.
    #[error("node {index}: {reason}")]
    Address {
        /// Which of the given addresses, from 0.
        index: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The same server twice: one server would have two votes.
    #[error("nodes {first} and {second} are both {address}: each must be a server of its own")]
    Duplicate {
        /// Index of the first.
        first: usize,
        /// Index of the second.
        second: usize,
        /// The address that both have.
        address: String,
    },
}

impl LeaseConfig {
    pub(super) fn check(&self) -> Result<Timing, ConfigError> {
        if self.retry_min.is_zero() || self.retry_min > self.retry_max {
            return Err(ConfigError::Retry { min: self.retry_min, max: self.retry_max });
        }
        Ok(Timing::new(self.ttl, self.node_timeout)?)
    }
}
