//! Putting commands into a partition: done once a quorum of nodes has them.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    Partition, Place, Queue, Queued,
    node::{Node, NodeError},
    wire,
};
use crate::domain::{Request, SaleId};

/// Pause before a node that failed is asked to take the same again.
const AGAIN_PAUSE: Duration = Duration::from_millis(50);

/// Why commands were not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PutError {
    /// As many wait as may. Nothing happened.
    #[error("the queue is full")]
    Full,
    /// Too few nodes. Nothing happened.
    #[error("{0}")]
    Unavailable(String),
    /// Some nodes may have them, so they may be run.
    #[error("{0}")]
    Unknown(String),
}

/// The same commands, for every node.
struct Batch {
    partition: Partition,
    number: u64,
    /// Id and text of each.
    commands: Vec<(Uuid, String)>,
    /// How many may wait in the partition.
    most: usize,
    said: mpsc::UnboundedSender<Said>,
}

/// What a node said to a batch.
struct Said {
    node: Arc<Node>,
    /// Whether it was asked to make room.
    made_room: bool,
    answer: Result<bool, NodeError>,
}

impl Queue {
    /// Puts commands into a partition, in this order. When it is done, a quorum has them. While it is not
    /// known whether they will be run, nodes that did not take them are asked again, for `patience` and until
    /// `stop`.
    ///
    /// # Errors
    ///
    /// See [`PutError`].
    pub(crate) async fn put(
        &self,
        partition: Partition,
        from: &str,
        requests: &[(SaleId, Request)],
        patience: Duration,
        stop: &CancellationToken,
    ) -> Result<(), PutError> {
        let until = Instant::now() + patience;
        let number = self.highest(partition).await?.saturating_add(1);
        let commands = texts(number, from, requests)?;
        let (said, mut heard) = mpsc::unbounded_channel();
        let batch = Arc::new(Batch { partition, number, commands, most: self.most, said });
        self.nodes.iter().for_each(|node| batch.put(node, false, Duration::ZERO));
        let (mut tally, mut asked) = (Tally::default(), self.nodes.len());
        while asked > 0
            && let Some(said) = heard.recv().await
        {
            asked -= 1;
            tally.count(said);
            if tally.taken >= self.quorum() {
                return Ok(());
            }
            if tally.is_in_doubt() {
                // What one has may be run, so the others are to have it too, or nobody would know that it is.
                // Nodes get commands in different orders, and the last room of each may have gone to
                // others: so they make room.
                let is_early = Instant::now() < until && !stop.is_cancelled();
                for refusal in std::mem::take(&mut tally.refusals) {
                    let pause = match refusal {
                        Refusal { made_room: false, error: None, .. } => Duration::ZERO,
                        _ if is_early => AGAIN_PAUSE,
                        _ => {
                            tally.refusals.push(refusal);
                            continue;
                        }
                    };
                    asked += 1;
                    batch.put(&refusal.node, true, pause);
                }
            }
        }
        Err(tally.error())
    }
}

/// The commands as nodes have them.
fn texts(
    number: u64,
    from: &str,
    requests: &[(SaleId, Request)],
) -> Result<Vec<(Uuid, String)>, PutError> {
    let batch = Uuid::now_v7();
    let each = (0..).zip(requests).map(|(index, (sale, request))| {
        let place = Place { number, batch, index };
        let id = request.id.as_uuid();
        let queued = Queued { place, from: from.to_owned(), sale: *sale, request: request.clone() };
        let text =
            wire::write(&queued).map_err(|error| PutError::Unavailable(error.to_string()))?;
        Ok((id, text))
    });
    each.collect()
}

impl Batch {
    /// Asks a node to take it. Who stops listening does not stop that: a command is to reach the slow
    /// nodes too.
    fn put(self: &Arc<Self>, node: &Arc<Node>, make_room: bool, pause: Duration) {
        let (batch, node) = (Arc::clone(self), Arc::clone(node));
        drop(tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            let most = if make_room { batch.most.saturating_mul(2) } else { batch.most };
            let answer = node.put(batch.partition, batch.number, &batch.commands, most).await;
            let _gone = batch.said.send(Said { node, made_room: make_room, answer });
        }));
    }
}

/// A node that did not take it, and was not asked again yet.
struct Refusal {
    node: Arc<Node>,
    made_room: bool,
    /// `None` when it is full.
    error: Option<NodeError>,
}

/// What nodes said so far.
#[derive(Default)]
struct Tally {
    taken: usize,
    may_have_it: bool,
    refusals: Vec<Refusal>,
}

impl Tally {
    fn count(&mut self, Said { node, made_room, answer }: Said) {
        let error = match answer {
            Ok(true) => {
                self.taken += 1;
                return;
            }
            Ok(false) => None,
            Err(error) => {
                self.may_have_it |= !error.nothing_done;
                Some(error)
            }
        };
        self.refusals.push(Refusal { node, made_room, error });
    }

    /// Whether some may have it, and it is not known whether a quorum will.
    const fn is_in_doubt(&self) -> bool {
        self.taken > 0 || self.may_have_it
    }

    /// What too few takers mean.
    fn error(&self) -> PutError {
        let errors = self.refusals.iter().filter_map(|refusal| refusal.error.as_ref());
        let failed = errors.map(NodeError::to_string).collect::<Vec<_>>().join("; ");
        if self.is_in_doubt() {
            PutError::Unknown(failed)
        } else if self.refusals.iter().any(|refusal| refusal.error.is_none()) {
            PutError::Full
        } else {
            PutError::Unavailable(failed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_some_nodes_may_have_is_not_said_not_to_have_happened() {
        let node = Node::new("redis://127.0.0.1:1", "test".into(), Duration::from_secs(1));
        let node = Arc::new(node.unwrap());
        let tally = |taken, full: usize, may_have_it| {
            let refusal = |_| Refusal { node: Arc::clone(&node), made_room: true, error: None };
            Tally { taken, may_have_it, refusals: (0..full).map(refusal).collect() }.error()
        };
        assert!(matches!(tally(0, 0, false), PutError::Unavailable(_)));
        assert!(matches!(tally(0, 2, false), PutError::Full));
        assert!(matches!(tally(1, 2, false), PutError::Unknown(_)));
        assert!(matches!(tally(0, 0, true), PutError::Unknown(_)));
        assert!(matches!(tally(0, 2, true), PutError::Unknown(_)));
    }
}
