//! Commands of sales, run in order: a queue over N Redis nodes. The only room of the service that knows
//! Redis.
//!
//! A command goes to every node, and is accepted once a quorum has it: it survives the loss of any
//! minority of them, disks included, and with `appendfsync always` also that all of them are killed.
//! Commands stand in streams, one a partition, which a consumer group reads; a sale is always in the same
//! partition. Whoever holds the partition's lease runs them (`grant::queued`), in the order that
//! [`order`] finds, and takes them out once what they came to is committed in Postgres. Until then they
//! are read again by whoever is next, and Postgres tells that they have run.

#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod node;
mod order;
mod put;
mod reader;
mod wire;

use std::{fmt, sync::Arc, time::Duration};

use redis::RedisError;
use tokio::sync::mpsc;
use uuid::Uuid;

use self::node::Node;
pub(crate) use self::{
    order::Place,
    put::PutError,
    reader::{AGE_MAX, Reader, Ready},
};
use crate::domain::{ClaimId, Request, SaleId};

/// Into how many partitions sales are divided. More would be led by more replicas at once, and each costs a
/// lease while something waits in it. It cannot change while commands wait.
pub(crate) const PARTITIONS: u16 = 16;

/// How long to wait before listening to a node again that broke off.
const LISTEN_AGAIN: Duration = Duration::from_millis(500);

/// A part of the sales whose commands are run in one order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Partition(u16);

impl Partition {
    /// The partition of a sale.
    pub(crate) const fn of(sale: SaleId) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "it is less than PARTITIONS")]
        Self((sale.as_uuid().as_u128() % PARTITIONS as u128) as u16)
    }

    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..PARTITIONS).map(Self)
    }

    pub(crate) const fn number(self) -> usize {
        self.0 as usize
    }

    fn of_number(number: u16) -> Option<Self> {
        (number < PARTITIONS).then_some(Self(number))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A command in the queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    pub(crate) place: Place,
    /// The replica that is to be told.
    pub(crate) from: String,
    pub(crate) sale: SaleId,
    pub(crate) request: Request,
}

/// What a node says by itself.
#[derive(Debug)]
pub(crate) enum Heard {
    /// Something was put into a partition.
    Rung(Partition),
    /// These commands of ours have run.
    Told(Vec<Uuid>),
}

/// The queue. Cloning is cheap and shares the connections.
#[derive(Clone, Debug)]
pub struct Queue {
    nodes: Arc<[Arc<Node>]>,
    /// How many commands may wait in a partition.
    most: usize,
}

impl Queue {
    /// The queue of this name on these nodes, each asked with a time limit of `timeout`, with at most `most`
    /// commands in a partition. Connects on first use.
    ///
    /// # Errors
    ///
    /// When a URL cannot be read.
    pub fn new(
        urls: &[String],
        name: &Arc<str>,
        timeout: Duration,
        most: usize,
    ) -> Result<Self, RedisError> {
        let nodes = urls.iter().map(|url| Node::new(url, Arc::clone(name), timeout).map(Arc::new));
        Ok(Self { nodes: nodes.collect::<Result<_, _>>()?, most })
    }

    fn quorum(&self) -> usize {
        self.nodes.len() / 2 + 1
    }

    /// Asks every node, and gives the answers as they come. Who stops listening does not stop the
    /// asking: a command is to reach the slow nodes too.
    fn ask<T, F>(&self, ask: impl Fn(Arc<Node>) -> F) -> mpsc::UnboundedReceiver<T>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (answers, answered) = mpsc::unbounded_channel();
        for node in self.nodes.iter() {
            let (asking, answers) = (ask(Arc::clone(node)), answers.clone());
            drop(tokio::spawn(async move {
                let _gone = answers.send(asking.await);
            }));
        }
        answered
    }

    /// The highest place that a quorum knows.
    async fn highest(&self, partition: Partition) -> Result<u64, PutError> {
        let mut answers = self.ask(|node| async move { node.highest(partition).await });
        let (mut highest, mut answered, mut failed) = (0, 0, Vec::new());
        while let Some(answer) = answers.recv().await {
            match answer {
                Ok(number) => (highest, answered) = (number.max(highest), answered + 1),
                Err(error) => failed.push(error.to_string()),
            }
            if answered >= self.quorum() {
                return Ok(highest);
            }
        }
        Err(PutError::Unavailable(failed.join("; ")))
    }

    /// In which partitions something waits, as far as nodes say that answer.
    pub(crate) async fn waiting(&self) -> Vec<Partition> {
        let mut answers = self.ask(|node| async move { node.waiting().await });
        let mut found = Vec::new();
        while let Some(answer) = answers.recv().await {
            match answer {
                Ok(partitions) => found.extend(partitions),
                Err(error) => tracing::debug!(%error, "a queue node does not say what waits"),
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Whether a command waits. `None` when too few nodes answer to know that it does not.
    pub(crate) async fn has(&self, partition: Partition, id: ClaimId) -> Option<bool> {
        let mut answers = self.ask(|node| async move { node.has(partition, id.as_uuid()).await });
        let mut without = 0;
        while let Some(answer) = answers.recv().await {
            match answer {
                Ok(true) => return Some(true),
                Ok(false) => without += 1,
                Err(error) => tracing::debug!(%error, "a queue node does not say what waits"),
            }
        }
        (without >= self.quorum()).then_some(false)
    }

    /// Tells a replica that these commands have run. It looks by itself after a while.
    pub(crate) fn tell(&self, replica: &str, ids: &[Uuid]) {
        let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
        let (replica, ids) = (Arc::<str>::from(replica), Arc::<str>::from(ids.join(",")));
        let _answers = self.ask(|node| {
            let (replica, ids) = (Arc::clone(&replica), Arc::clone(&ids));
            async move { node.tell(&replica, &ids).await.is_ok() }
        });
    }

    /// Passes on what all nodes say, until nobody listens.
    pub(crate) async fn listen(&self, replica: &str, heard: mpsc::Sender<Heard>) {
        let each = self.nodes.iter().map(|node| {
            let heard = heard.clone();
            async move {
                while !heard.is_closed() {
                    let why = node.listen(replica, &heard).await;
                    tracing::debug!(
                        node.address = node.address(),
                        why,
                        "a queue node is not heard"
                    );
                    tokio::time::sleep(LISTEN_AGAIN).await;
                }
            }
        });
        let _ended = futures_util::future::join_all(each).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sale_has_a_partition_and_they_fill_evenly() {
        let mut sales = [0; PARTITIONS as usize];
        for _ in 0..1600 {
            sales[Partition::of(SaleId::from_uuid(Uuid::now_v7())).number()] += 1;
        }
        assert!(sales.iter().all(|count| (40..=200).contains(count)), "{sales:?}");
        assert!(Partition::of_number(PARTITIONS).is_none());
    }
}
