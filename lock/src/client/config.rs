//! What can be set, and which settings fit together.

use std::time::Duration;

use super::leases::NODES_MAX;
use crate::model::{TURNS_PER_GRANT, Timing, TimingError};

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
    /// survive longer pauses of its own and of the nodes. Give all clients of the same nodes the
    /// same: a node that starts without any memory of the others stays out for the TTL of the
    /// client that asks.
    pub ttl: Duration,
    /// How long one node may take to answer, connecting included. Twice this and the drift must
    /// fit into the TTL. Default: 250 ms. Shorter skips a silent node sooner; longer tolerates
    /// slow disks and networks.
    pub node_timeout: Duration,
    /// How long a lease may be renewed. Default: 10 minutes. Afterwards it runs out within a TTL,
    /// so that a task which hangs cannot hold its resource for ever. Zero switches renewal off.
    pub lifetime_max: Duration,
    /// Shortest wait between two attempts for a lease that others hold; above zero. Default: 5 ms.
    /// Longer spares the nodes when many processes wait for one lease.
    pub retry_min: Duration,
    /// Longest wait between two attempts that no node has prompted. Default: 250 ms. The wait is
    /// random between the two, so that waiters do not move in step; while nodes are silent the
    /// longest wait doubles up to 32 times. Whoever releases a lease hands it over to the next, so
    /// this counts only when a message is lost, or the holder is another library or has died.
    /// Shorter finds those out sooner, at the price of more questions.
    pub retry_max: Duration,
    /// In how many turns tasks of this process may have the lease one after another before it goes
    /// back to the nodes. Default: 1024, which is also the most. 1 switches passing on off.
    pub turns_max: u16,
    /// For how long tasks of this process may pass the lease on among themselves before other
    /// processes get it. Default: 20 ms. Longer means fewer round trips, shorter that other
    /// processes wait less. It counts from the grant; a turn that lasts longer is not cut short.
    pub turns_time: Duration,
}

impl Default for LeaseConfig {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10),
            node_timeout: Duration::from_millis(250),
            lifetime_max: Duration::from_secs(600),
            retry_min: Duration::from_millis(5),
            retry_max: Duration::from_millis(250),
            turns_max: TURNS_PER_GRANT,
            turns_time: Duration::from_millis(20),
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
    /// There are no turns, or more than a token has room for.
    #[error("turns_max {turns} is not in 1..={TURNS_PER_GRANT}")]
    Turns {
        /// What was given.
        turns: u16,
    },
    /// There are no nodes.
    #[error("at least one node is needed")]
    NoNodes,
    /// There are more nodes than [`NODES_MAX`].
    #[error("{nodes} nodes are more than {NODES_MAX}")]
    TooManyNodes {
        /// How many were given.
        nodes: usize,
    },
    /// Two addresses lead to one server, which would have two votes.
    #[error(
        "nodes {first} and {second} are the same server (run id {run_id}): each must be a server of its own"
    )]
    SameServer {
        /// The first address.
        first: String,
        /// The second address.
        second: String,
        /// What both say their process is.
        run_id: String,
    },
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
        if self.turns_max == 0 || self.turns_max > TURNS_PER_GRANT {
            return Err(ConfigError::Turns { turns: self.turns_max });
        }
        Ok(Timing::new(self.ttl, self.node_timeout)?)
    }
}
