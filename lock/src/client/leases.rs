//! The door: one per process and set of nodes.

use std::{sync::Arc, time::Duration};

use futures_util::future::join_all;
use tracing::Instrument as _;
use uuid::Uuid;

use super::{
    attempt::attempt,
    clock::{Clock, Hints},
    config::{ConfigError, LeaseConfig},
    desk::Desk,
    error::AcquireError,
    inbox::Inbox,
    lease::Lease,
    line::{Entry, Lines, Spot},
    wakes::Wakes,
};
use crate::{
    model::{ClientId, FencingToken, Moment, Resource, Timing, quorum},
    node::{Node, NodeError, RedisNode, ServerReport, Warning},
};

/// Acquires leases on one or N independent nodes. Cloning is cheap and shares the connections.
///
/// Make one for each set of nodes in a process, and clone it: its tasks then wait in one line, and
/// pass leases on without a round trip. Two of them are two clients, as if of two processes.
///
/// Everything runs in the tokio runtime of the task that uses it first; one background task serves
/// all leases, and ends when nothing is held or wanted. When that runtime ends, they are lost. While
/// little is under way, a task that acquires, releases or drops a lease talks to the nodes itself.
#[derive(Clone, Debug)]
pub struct Leases {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) nodes: Vec<Arc<dyn Node>>,
    pub(super) config: LeaseConfig,
    pub(super) timing: Timing,
    pub(super) client: ClientId,
    pub(super) clock: Clock,
    pub(super) hints: Hints,
    pub(super) inbox: Inbox,
    pub(super) desk: Desk,
    pub(super) lines: Lines,
    pub(super) wakes: Wakes,
}

impl Leases {
    /// Leases on the Redis or Valkey servers at these addresses
    /// (`redis://[user:password@]host[:port][/db]`; `rediss://` with feature `tls`), each a server
    /// of its own without replication between them. Connects on first use.
    ///
    /// An odd number is best: two nodes tolerate no more failures than one, four no more than
    /// three.
    ///
    /// # Errors
    ///
    /// When there is no address, one cannot be read, two are equal, or the settings do not fit
    /// together. Whether two addresses lead to one server shows only when they are asked:
    /// [`Leases::check`].
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

    /// Leases on nodes of any kind: [`MemoryNode`](crate::node::MemoryNode) in tests, or an
    /// implementation of [`Node`] of your own. Addresses are not compared; a server that is there
    /// twice is found when it is asked, if the node says which run it is ([`Node::run`]).
    ///
    /// # Errors
    ///
    /// When there is no node, or more than [`NODES_MAX`], or the settings do not fit together.
    pub fn over(nodes: Vec<Arc<dyn Node>>, config: LeaseConfig) -> Result<Self, ConfigError> {
        let timing = config.check()?;
        if nodes.is_empty() {
            return Err(ConfigError::NoNodes);
        }
        if nodes.len() > NODES_MAX {
            return Err(ConfigError::TooManyNodes { nodes: nodes.len() });
        }
        let shared = Shared {
            wakes: Wakes::new(nodes.len()),
            nodes,
            config,
            timing,
            client: ClientId::from_random(Uuid::new_v4().as_u64_pair().1),
            clock: Clock::new(),
            hints: Hints::default(),
            inbox: Inbox::default(),
            desk: Desk::default(),
            lines: Lines::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Tries once to acquire a lease; takes at most two node timeouts. When another task of this
    /// process has it, the nodes are not asked.
    ///
    /// The lease is renewed in the background until it is released, dropped, or reaches
    /// [`LeaseConfig::lifetime_max`].
    ///
    /// # Errors
    ///
    /// When another holder has it, when no quorum answers or may vote (servers that were just
    /// started do not, for about one TTL), or when the grant took so long that nothing of it was
    /// left. Whatever was granted is released on every node. [`AcquireError::Shutdown`] outside of a
    /// tokio runtime, or when it ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no lease behind: the attempt ends in the background and releases
    /// what it got.
    pub async fn try_acquire(&self, resource: &Resource) -> Result<Lease, AcquireError> {
        self.acquire(resource, Duration::ZERO).await
    }

    /// Acquires a lease, waiting for it up to `wait`.
    ///
    /// Tasks of this process get it in the order in which they asked, and pass it on without a round
    /// trip, each with a larger token; other processes get it in between
    /// ([`LeaseConfig::turns_time`]). The nodes are asked once for all of them, and hand the lease
    /// over when it is this process's turn. If `wait` is over before the first answer, that one is
    /// waited for, at most two node timeouts longer. A `wait` of zero tries once, as
    /// [`Leases::try_acquire`] does.
    ///
    /// # Errors
    ///
    /// [`AcquireError::DeadlineReached`] with the last attempt's reason as its source; at once when
    /// trying again cannot help ([`AcquireError::is_retryable`]).
    ///
    /// # Cancel safety
    ///
    /// As [`Leases::try_acquire`]. A caller that goes away loses its place in the line.
    pub async fn acquire(
        &self,
        resource: &Resource,
        wait: Duration,
    ) -> Result<Lease, AcquireError> {
        let shared = &self.shared;
        let begun = shared.clock.glance();
        let span = tracing::debug_span!("acquire", lease.resource = %resource);
        let acquired = self.ask_or_wait(resource, wait, begun).instrument(span).await;
        // Labels that are not constant would be allocated each time.
        let seconds = match &acquired {
            Ok(_) => metrics::histogram!("lease_acquire_seconds", "outcome" => "granted"),
            Err(error) if error.is_unavailable() => {
                metrics::histogram!("lease_acquire_seconds", "outcome" => "unavailable")
            }
            Err(_) => metrics::histogram!("lease_acquire_seconds", "outcome" => "contended"),
        };
        seconds.record(shared.clock.glance() - begun);
        acquired
    }

    async fn ask_or_wait(
        &self,
        resource: &Resource,
        wait: Duration,
        begun: Moment,
    ) -> Result<Lease, AcquireError> {
        let shared = &self.shared;
        let spot = match shared.lines.enter(shared, resource, !wait.is_zero()) {
            Entry::Taken(why) => {
                return Err(why.unwrap_or_else(|| {
                    AcquireError::held_here(resource, self.nodes(), self.quorum())
                }));
            }
            Entry::Ask(asking) => {
                return attempt(shared, resource).await.map(|lease| asking.got(lease));
            }
            Entry::Wait(spot) => spot,
        };
        self.wait(resource, spot, wait, begun).await
    }

    async fn wait(
        &self,
        resource: &Resource,
        mut spot: Spot<'_>,
        wait: Duration,
        begun: Moment,
    ) -> Result<Lease, AcquireError> {
        let shared = &self.shared;
        let deadline = shared.clock.instant(begun.after(wait));
        spot.served_by(deadline).await.unwrap_or_else(|| {
            let (last, attempts) = spot.reason();
            Err(AcquireError::DeadlineReached {
                resource: resource.clone(),
                waited: shared.clock.now() - begun,
                attempts,
                last: Box::new(last),
            })
        })
    }

    /// Lifts the numbers of later grants above a token that was seen elsewhere, for example in the
    /// refusal of a protected store: after a total loss of the nodes' data the next lease is then
    /// newer than every accepted one.
    ///
    /// It counts for all resources of this client, and for attempts that begin afterwards. A number
    /// more than five minutes ahead of this client's clock is followed only so far: nodes refuse
    /// what is more than ten minutes ahead of theirs. Example: guide to
    /// [`fencing`](crate::guide::fencing).
    pub fn observe(&self, token: FencingToken) {
        self.shared.hints.observe(token.number());
    }

    /// Asks every node what it is and how it is set up, and says what should be otherwise. Meant for
    /// the start of a program: it takes one node timeout at most. Acquiring does not need it.
    ///
    /// # Errors
    ///
    /// [`ConfigError::SameServer`] when two addresses lead to one server, which would have two votes.
    /// A node that does not answer is no error here: [`Leases::failing_nodes`] names it.
    ///
    /// Safe to cancel: it changes nothing.
    pub async fn check(&self) -> Result<Vec<Warning>, ConfigError> {
        let reports = join_all(self.shared.nodes.iter().map(|node| node.report())).await;
        let reports: Vec<Option<ServerReport>> =
            reports.into_iter().map(|report| report.ok().flatten()).collect();
        let mut warnings = Vec::new();
        if self.nodes().is_multiple_of(2) {
            warnings.push(Warning::EvenNodes(self.nodes()));
        }
        for (second, report) in reports.iter().enumerate() {
            let Some(report) = report else { continue };
            let same = |other: &Option<ServerReport>| {
                other.as_ref().is_some_and(|other| other.run_id == report.run_id)
            };
            if let Some(first) = reports[..second].iter().position(same) {
                let address = |node: usize| self.shared.nodes[node].address().to_owned();
                return Err(ConfigError::SameServer {
                    first: address(first),
                    second: address(second),
                    run_id: report.run_id.clone(),
                });
            }
            warnings.extend(report.warnings());
        }
        Ok(warnings)
    }

    /// Asks every node whether it answers, all at once; only errors are returned, in the nodes' order.
    /// Takes one node timeout at most, and changes nothing. One that answers may still not vote yet.
    pub async fn failing_nodes(&self) -> Vec<NodeError> {
        let pings = self.shared.nodes.iter().map(|node| node.ping());
        let answers = join_all(pings).await;
        answers.into_iter().filter_map(Result::err).collect()
    }

    pub(super) fn now(&self) -> Moment {
        self.shared.clock.now()
    }

    pub(super) fn ttl(&self) -> Duration {
        self.shared.timing.ttl()
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.shared.nodes.len()
    }

    /// How many nodes must grant: more than half of them.
    #[must_use]
    pub fn quorum(&self) -> usize {
        quorum(self.shared.nodes.len())
    }
}

/// Most nodes that leases can be spread over: more only cost time.
pub const NODES_MAX: usize = 64;

impl Shared {
    /// Counts a node's failure.
    pub(super) fn note_error(&self, error: &NodeError) {
        metrics::counter!(
            "lease_node_errors_total",
            "node" => error.address.to_string(), "step" => error.step.as_str(),
            "kind" => error.kind.as_str()
        )
        .increment(1);
        tracing::debug!(%error, "node failed");
    }
}
