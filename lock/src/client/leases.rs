//! The door: one per process and set of nodes.

use std::{sync::Arc, time::Duration};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    attempt,
    clock::{Clock, Hints},
    config::{ConfigError, LeaseConfig},
    error::AcquireError,
    lease::Lease,
    wait,
};
use crate::{
    model::{FencingToken, GrantRequest, HolderId, Resource, Timing, quorum},
    node::{Node, NodeError, RedisNode},
};

/// Acquires leases on one or N independent nodes. Cloning is cheap and shares the connections.
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
/// use leasehold::{LeaseConfig, Leases, Resource};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let nodes = ["redis://10.0.0.1", "redis://10.0.0.2", "redis://10.0.0.3"];
/// let leases = Leases::connect(nodes, LeaseConfig::default())?;
/// let lease = leases.acquire(&Resource::new("invoice/42")?, Duration::from_secs(3)).await?;
/// println!("token {}", lease.token());
/// lease.release().await;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Leases {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) nodes: Vec<Arc<dyn Node>>,
    pub(super) config: LeaseConfig,
    pub(super) timing: Timing,
    pub(super) clock: Clock,
    pub(super) hints: Hints,
}

impl Leases {
    /// Leases on the Redis or Valkey servers at these addresses
    /// (`redis://[user:password@]host:port`), each a server of its own without replication
    /// between them. Connects on first use.
    ///
    /// An odd number is best: two nodes tolerate no more failures than one, four no more than
    /// three.
    ///
    /// # Errors
    ///
    /// When there is no address, one cannot be read, two are equal, or the settings do not fit
    /// together.
    pub fn connect<I>(urls: I, config: LeaseConfig) -> Result<Self, ConfigError>
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        let timeout = config.check()?.node_timeout();
        let mut nodes: Vec<Arc<dyn Node>> = Vec::new();
        for (index, url) in urls.into_iter().enumerate() {
            let node = RedisNode::new(url.as_ref(), timeout)
                .map_err(|error| ConfigError::Address { index, reason: error.to_string() })?;
            if let Some(first) = nodes.iter().position(|other| other.address() == node.address()) {
                let address = node.address().to_owned();
                return Err(ConfigError::Duplicate { first, second: index, address });
            }
            nodes.push(Arc::new(node));
        }
        Self::over(nodes, config)
    }

    /// Leases on nodes of any kind.
    ///
    /// # Errors
    ///
    /// When there is no node, or the settings do not fit together.
    pub fn over(nodes: Vec<Arc<dyn Node>>, config: LeaseConfig) -> Result<Self, ConfigError> {
        let timing = config.check()?;
        if nodes.is_empty() {
            return Err(ConfigError::NoNodes);
        }
        let shared = Shared { nodes, config, timing, clock: Clock::new(), hints: Hints::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tries once to acquire a lease; takes at most two node timeouts.
    ///
    /// The lease is renewed in the background until it is released, dropped, or reaches
    /// [`LeaseConfig::lifetime_max`].
    ///
    /// # Errors
    ///
    /// When another holder has it, when no quorum answers, or when the grant took so long that
    /// nothing of it was left. Whatever was granted is released on every node.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no lease behind: the attempt ends in the background and releases
    /// what it got.
    ///
    /// # Panics
    ///
    /// When polled outside of a tokio runtime.
    pub async fn try_acquire(&self, resource: &Resource) -> Result<Lease, AcquireError> {
        let shared = Arc::clone(&self.shared);
        let request = GrantRequest {
            resource: resource.clone(),
            holder: HolderId::from_random(Uuid::new_v4().as_u128()),
            ttl: shared.timing.ttl(),
            hint: shared.hints.next(shared.clock.wall()),
        };
        let (reply, answer) = oneshot::channel();
        drop(tokio::spawn(attempt::run(shared, request, reply)));
        answer.await.unwrap_or_else(|_| Err(AcquireError::Shutdown { resource: resource.clone() }))
    }

    /// Acquires a lease, trying again with random waits until `wait` is over.
    ///
    /// The last attempt may end up to two node timeouts later. A `wait` of zero tries once.
    ///
    /// # Errors
    ///
    /// [`AcquireError::DeadlineReached`] with the last attempt's reason as its source; at once when
    /// trying again cannot help ([`AcquireError::is_retryable`]).
    ///
    /// # Cancel safety
    ///
    /// As [`Leases::try_acquire`].
    pub async fn acquire(
        &self,
        resource: &Resource,
        wait: Duration,
    ) -> Result<Lease, AcquireError> {
        wait::acquire(self, &self.shared, resource, wait).await
    }

    /// Lifts the numbers of later grants above a token that was seen elsewhere, for example in the
    /// refusal of a protected store: after a total loss of the nodes' data the next lease is then
    /// newer than every accepted one.
    pub fn observe(&self, token: FencingToken) {
        self.shared.hints.observe(token.number());
    }

    /// Asks every node whether it answers; errors only, in no particular order.
    pub async fn failing_nodes(&self) -> Vec<NodeError> {
        let pings = self.shared.nodes.iter().map(|node| node.ping());
        let answers = futures_util::future::join_all(pings).await;
        answers.into_iter().filter_map(Result::err).collect()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.shared.nodes.len()
    }

    /// How many nodes must grant.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.shared.nodes.len())
    }
}
