//! Why a lease was not acquired.

use std::{fmt::Write as _, time::Duration};

use crate::{
    model::{GaveUp, Resource, Tally},
    node::NodeError,
};

/// Why a lease was not acquired. Whatever was granted on the way is released on every node.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcquireError {
    /// Another holder has the lease, or several contend for it.
    #[error(
        "lease {resource} is held: {} of {} needed nodes granted, {} held, {} unknown",
        tally.granted, tally.quorum, tally.held, tally.unknown
    )]
    Contended {
        /// What was wanted.
        resource: Resource,
        /// How the nodes stood.
        tally: Tally,
        /// When the first of the nodes that refused would free it if it is not renewed; `None` when
        /// none says so, as for a foreign lock without expiry, or when another task of this process
        /// has it.
        free_in: Option<Duration>,
    },
    /// So many nodes did not answer, refused this client or may not vote yet that no quorum exists.
    #[error(
        "lease {resource} is unavailable: {} of {} needed nodes granted, {} did not vote{}",
        tally.granted, tally.quorum, tally.unknown, listed(failures)
    )]
    Unavailable {
        /// What was wanted.
        resource: Resource,
        /// How the nodes stood.
        tally: Tally,
        /// What each failed node said, or that it was silent.
        failures: Vec<NodeError>,
    },
    /// A quorum granted, but so late that nothing of the lease was left.
    #[error(
        "lease {resource} was granted too late: the grant took {elapsed:?} of a ttl of {ttl:?}"
    )]
    TooSlow {
        /// What was wanted.
        resource: Resource,
        /// How long the grant took.
        elapsed: Duration,
        /// The lease's lifetime.
        ttl: Duration,
    },
    /// The wait is over; the last attempt's reason is the source. Other tasks of this process may
    /// have had the lease all the time: then nobody asked the nodes.
    #[error("lease {resource} was not acquired within {waited:?} and {attempts} attempts")]
    DeadlineReached {
        /// What was wanted.
        resource: Resource,
        /// How long was waited.
        waited: Duration,
        /// How many attempts this process made, for all its waiters together.
        attempts: u32,
        /// Why the last attempt failed.
        #[source]
        last: Box<Self>,
    },
    /// The tokio runtime is shutting down.
    #[error("lease {resource} was not acquired: the runtime is shutting down")]
    Shutdown {
        /// What was wanted.
        resource: Resource,
    },
}

pub(super) fn listed(failures: &[NodeError]) -> String {
    failures.iter().fold(String::new(), |mut text, failure| {
        let _infallible = write!(text, "; {failure}");
        text
    })
}

impl AcquireError {
    pub(super) fn gave_up(
        resource: &Resource,
        why: GaveUp,
        failures: Vec<NodeError>,
        free_in: Option<Duration>,
    ) -> Self {
        let resource = resource.clone();
        match why {
            GaveUp::Contended(tally) => Self::Contended { resource, tally, free_in },
            GaveUp::Unavailable(tally) => Self::Unavailable { resource, tally, failures },
        }
    }

    /// Another task of this process has it: the nodes were not asked.
    pub(super) fn held_here(resource: &Resource, nodes: usize, quorum: usize) -> Self {
        let tally = Tally { granted: 0, held: nodes, unknown: 0, quorum, nodes };
        Self::Contended { resource: resource.clone(), tally, free_in: None }
    }

    /// Whether trying again may help without somebody changing a configuration: not when so many
    /// nodes deny this client (password, permission, clock) that the rest are no quorum.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Contended { .. } | Self::TooSlow { .. } => true,
            Self::Unavailable { tally, failures, .. } => {
                failures.iter().filter(|failure| !failure.is_retryable()).count()
                    <= tally.nodes - tally.quorum
            }
            Self::DeadlineReached { last, .. } => last.is_retryable(),
            Self::Shutdown { .. } => false,
        }
    }

    /// Whether nodes were silent rather than the lease held by another.
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::Shutdown { .. } => true,
            Self::DeadlineReached { last, .. } => last.is_unavailable(),
            Self::Contended { .. } | Self::TooSlow { .. } => false,
        }
    }
}
