//! Taking over a lease that an earlier process held.

use std::{sync::Arc, time::Duration};

use tracing::Instrument as _;

use super::{
    desk::Answer,
    error::listed,
    grant::Grant,
    inbox::{Inbox, Order},
    lease::Lease,
    leases::{Leases, Shared},
};
use crate::{
    model::{FencingToken, Resource, Stamp, Tally},
    node::NodeError,
};

/// Why a lease was not resumed. Only after [`ResumeError::NotHeld`] is it over for certain.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResumeError {
    /// A task of this process holds or seeks a lease on the resource; the nodes were not asked.
    #[error("lease {resource} is not resumed: a task of this process holds or seeks it")]
    HeldHere {
        /// What was to be resumed.
        resource: Resource,
    },
    /// So many nodes do not keep it any more that no quorum is left: it ended, was released, or is
    /// another's. What the others kept of it is released.
    #[error(
        "lease {resource} with token {token} is not held any more: {} of {} needed nodes keep it, \
         {} refused, {} unknown",
        tally.granted, tally.quorum, tally.held, tally.unknown
    )]
    NotHeld {
        /// What was to be resumed.
        resource: Resource,
        /// The token that it had.
        token: FencingToken,
        /// How the nodes stood.
        tally: Tally,
    },
    /// Too few nodes answered to know. Nothing was released: within its lifetime it can be resumed
    /// later.
    #[error(
        "it is unknown whether lease {resource} with token {token} is still held: {} of {} needed \
         nodes keep it, {} refused, {} did not answer{}",
        tally.granted, tally.quorum, tally.held, tally.unknown, listed(failures)
    )]
    Unknown {
        /// What was to be resumed.
        resource: Resource,
        /// The token that it had.
        token: FencingToken,
        /// How the nodes stood.
        tally: Tally,
        /// What each failed node said, or that it was silent.
        failures: Vec<NodeError>,
    },
    /// A quorum keeps it, but that was heard so late that nothing of it was left, as when the
    /// process was paused. Nothing was released: it may still be resumed.
    #[error("lease {resource} was resumed too late: it took {elapsed:?} of a ttl of {ttl:?}")]
    TooSlow {
        /// What was to be resumed.
        resource: Resource,
        /// How long it took.
        elapsed: Duration,
        /// The lease's lifetime.
        ttl: Duration,
    },
    /// There is no tokio runtime, or it is shutting down. Nothing was released.
    #[error("lease {resource} was not resumed: the runtime is shutting down")]
    Shutdown {
        /// What was to be resumed.
        resource: Resource,
    },
}

/// A resumed lease on its way to who asked for it. If nobody takes it, it is renewed no more, and the
/// nodes keep it to the end of its lifetime: its holder may be somebody outside of this process, who
/// goes on with it.
pub(super) struct Resumed {
    pub(super) shared: Arc<Shared>,
    pub(super) grant: Arc<Grant>,
    pub(super) turn: u16,
    pub(super) is_taken: bool,
}

impl Resumed {
    fn take(mut self) -> Lease {
        self.is_taken = true;
        Lease::turn(Arc::clone(&self.shared), Arc::clone(&self.grant), self.turn)
    }
}

impl Drop for Resumed {
    fn drop(&mut self) {
        if !self.is_taken {
            let grant = Arc::clone(&self.grant);
            // Without a runtime nobody renews it either.
            let _no_runtime = Inbox::leave(&self.shared, Order::LetGo { grant });
        }
    }
}

impl Leases {
    /// Takes over a lease that an earlier process held, while the nodes still keep it: the same
    /// resource, holder and token. Takes at most one node timeout.
    ///
    /// Every node is asked to let it run anew for this client's TTL; none makes a lease again that
    /// has ended. What a quorum confirms is a lease like any other: renewed in the background, with a
    /// [`lifetime_max`](crate::LeaseConfig::lifetime_max) that begins now, passed on in this process
    /// with turns above its own, released when it is dropped.
    ///
    /// **The process that held it must have ended**, and of the stamps of one grant only the one with
    /// the largest token may be resumed: nodes know neither processes nor turns, and two who act
    /// under one token are one holder to a protected store.
    ///
    /// # Errors
    ///
    /// [`ResumeError::HeldHere`] at once if a task of this process holds or seeks the resource, so
    /// also for a second call. [`ResumeError::NotHeld`] when no quorum keeps it any more, and
    /// [`ResumeError::Unknown`] when too few nodes answer in time: then nothing is released, and it
    /// can be tried again until the TTL ends. [`ResumeError::Shutdown`] outside of a tokio runtime,
    /// or when it ends.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future releases nothing and leaves nothing renewed: what the nodes keep ends one
    /// TTL later at most, and can be resumed until then.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use leasehold::{LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    /// # let leases = Leases::over(vec![Arc::clone(&node)], LeaseConfig::default())?;
    /// let lease = leases.try_acquire(&Resource::new("report")?).await?;
    /// let stamp = lease.stamp().clone(); // Kept where it outlives the process.
    /// # std::mem::forget(lease);
    ///
    /// // The process is killed, and started again within the TTL.
    /// # let leases = Leases::over(vec![node], LeaseConfig::default())?;
    /// let resumed = leases.resume(&stamp).await?;
    /// assert_eq!(resumed.stamp(), &stamp);
    /// assert!(leases.resume(&stamp).await.is_err(), "it is held here");
    /// # Ok(()) }
    /// ```
    pub async fn resume(&self, stamp: &Stamp) -> Result<Lease, ResumeError> {
        let (shared, resource) = (&self.shared, &stamp.resource);
        let Some(asking) = shared.lines.enter_alone(shared, resource) else {
            return Err(ResumeError::HeldHere { resource: resource.clone() });
        };
        let (reply, mut answer) = Answer::new(shared);
        let shutdown = || ResumeError::Shutdown { resource: resource.clone() };
        let order = Order::Resume { stamp: stamp.clone(), reply };
        answer.order(order).map_err(|_| shutdown())?;
        let span = tracing::debug_span!("resume", lease.resource = %resource);
        let resumed = answer.instrument(span).await.unwrap_or_else(|| Err(shutdown()))?;
        Ok(asking.got(resumed.take()))
    }
}
