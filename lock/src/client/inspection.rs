//! Looking at what the nodes have of a resource.

use futures_util::future::join_all;

use super::leases::{Leases, Shared};
use crate::{
    model::{Hold, Resource, Seen},
    node::{NodeError, NodeErrorKind, NodeStep},
};

/// Who has a resource, as the nodes said when they were looked at. It may be outdated when it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Inspection {
    /// Who has it, as a quorum of nodes says.
    pub hold: Hold,
    /// What each failed node said, or that it was silent.
    pub failures: Vec<NodeError>,
}

impl Leases {
    /// Asks every node who has a resource, all at once. Takes one node timeout at most and changes
    /// nothing, so it may be called at any time, also by who does not hold the lease.
    ///
    /// It is for people and programs that watch: nothing follows from it for who may write, since
    /// leases change hands without asking. A node that may not vote yet says what it has all the
    /// same. Nodes that do not answer in time are among the [`failures`](Inspection::failures); when
    /// no quorum of the others agrees, the answer is [`Hold::Unknown`].
    ///
    /// # Cancel safety
    ///
    /// Safe: it only looks.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use leasehold::{Hold, LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    /// # let leases = Leases::over(vec![node], LeaseConfig::default())?;
    /// let report = Resource::new("report")?;
    /// assert_eq!(leases.inspect(&report).await.hold, Hold::Free);
    /// let lease = leases.try_acquire(&report).await?;
    /// let Hold::Ours { holder, token, .. } = leases.inspect(&report).await.hold else {
    ///     panic!("it is held")
    /// };
    /// assert_eq!((holder, token), (lease.stamp().holder, Some(lease.token())));
    /// # Ok(()) }
    /// ```
    pub async fn inspect(&self, resource: &Resource) -> Inspection {
        let (seen, failures) = self.shared.look(resource).await;
        Inspection { hold: Hold::of(&seen), failures }
    }
}

impl Shared {
    /// What each node has of a resource, as far as it says.
    pub(super) async fn look(&self, resource: &Resource) -> (Vec<Option<Seen>>, Vec<NodeError>) {
        let looks = join_all(self.nodes.iter().map(|node| node.look(resource))).await;
        let mut failures = Vec::new();
        let looks = looks.into_iter().enumerate();
        let seen = looks.map(|(node, look)| match self.one_vote_each(node).and(look) {
            Ok(seen) => seen,
            Err(error) => {
                self.note_error(&error);
                failures.push(error);
                None
            }
        });
        (seen.collect(), failures)
    }

    /// A server that has answered as another node already does not count again.
    fn one_vote_each(&self, node: usize) -> Result<(), NodeError> {
        let Some(run) = self.nodes[node].run() else { return Ok(()) };
        match self.nodes[..node].iter().find(|other| other.run() == Some(run)) {
            None => Ok(()),
            Some(first) => Err(NodeError {
                address: self.nodes[node].address().into(),
                step: NodeStep::Look,
                kind: NodeErrorKind::SameServer(first.address().into()),
            }),
        }
    }
}
