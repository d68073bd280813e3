//! Reading one partition from all nodes, for whoever holds its lease.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use leasehold::FencingToken;
use uuid::Uuid;

use super::{
    Partition, Queue, Queued,
    node::{Done, Entry, Node, NodeError, Reading},
    order::{Order, Place},
    wire,
};

/// Who reads the queue, as the nodes' tools show it.
const GROUP: &str = "purchase";

/// For how long a node that did not answer is left alone.
const AWAY: Duration = Duration::from_secs(1);

/// How many commands that have run are remembered. A copy that comes later is looked up in Postgres.
const RAN_MAX: usize = 20_000;

/// For how long a command may wait. One that waited for longer is not run: its buyer has gone. Much less
/// than replies are kept for: a node that comes back after days must not bring up old commands anew.
pub(crate) const AGE_MAX: Duration = Duration::from_secs(1800);

/// A command whose turn it is.
#[derive(Debug)]
pub(crate) struct Ready {
    pub(crate) queued: Queued,
    /// How long it has waited, at least.
    pub(crate) age: Duration,
    /// Where it is: which node, and its name there.
    at: Vec<(usize, String)>,
}

/// What is known of one node.
struct Source {
    node: Arc<Node>,
    /// Whether what was read before was taken over.
    is_adopted: bool,
    /// How often that was tried.
    takeover: u32,
    away_until: Option<Instant>,
    /// To be taken out of it.
    done: Vec<Done>,
}

/// Reads a partition in rounds.
pub(crate) struct Reader {
    reading: Reading,
    quorum: usize,
    sources: Vec<Source>,
    order: Order<Ready>,
    ready: BTreeMap<Place, Ready>,
    ran: HashSet<Place>,
    ran_first: VecDeque<Place>,
}

impl Reader {
    /// Reads for whoever holds the partition's lease with this token. Nodes that it has read refuse readers
    /// with older ones.
    pub(crate) fn new(queue: &Queue, partition: Partition, token: FencingToken) -> Self {
        // Of one length, so that they compare as texts.
        let token = format!("{:020}", token.as_i64());
        let source = |node: &Arc<Node>| Source {
            node: Arc::clone(node),
            is_adopted: false,
            takeover: 0,
            away_until: None,
            done: Vec::new(),
        };
        Self {
            reading: Reading { partition, group: GROUP.to_owned(), token },
            quorum: queue.quorum(),
            sources: queue.nodes.iter().map(source).collect(),
            order: Order::default(),
            ready: BTreeMap::new(),
            ran: HashSet::new(),
            ran_first: VecDeque::new(),
        }
    }

    /// Without leases: reads everything, whoever else does, and keeps what this replica was asked itself.
    #[cfg(feature = "faults")]
    pub(crate) fn alone(&mut self, replica: &str) {
        self.reading.group = replica.to_owned();
        self.reading.token = "~".to_owned();
    }

    /// Takes out what has run, and reads every node to its end. What may be run by now is in
    /// [`Self::ready`].
    ///
    /// # Errors
    ///
    /// When fewer than a quorum answered: what they said. Nothing is lost, the next round goes on.
    pub(crate) async fn round(&mut self) -> Result<(), String> {
        let reading = &self.reading;
        let now = Instant::now();
        let each = self.sources.iter_mut().map(|source| async move {
            match source.away_until {
                Some(until) if now < until => None,
                _ => Some(source.read(reading).await),
            }
        });
        let read = futures_util::future::join_all(each).await;
        let (mut answered, mut failed) = (0, Vec::new());
        for (index, read) in read.into_iter().enumerate() {
            match read {
                Some(Ok(entries)) => {
                    answered += 1;
                    let source = &mut self.sources[index];
                    source.done.clear();
                    (source.is_adopted, source.away_until) = (true, None);
                    self.note(index, entries);
                }
                Some(Err(error)) => {
                    tracing::debug!(%error, queue.partition = %self.reading.partition, "a queue node is not read");
                    let source = &mut self.sources[index];
                    source.away_until = Some(Instant::now() + AWAY);
                    // What it read to us may be lost with the answer: it gives that only when asked anew.
                    source.is_adopted = false;
                    failed.push(error.to_string());
                }
                None => {}
            }
        }
        let is_complete = answered >= self.quorum;
        self.ready.extend(self.order.end_round(is_complete));
        if is_complete { Ok(()) } else { Err(failed.join("; ")) }
    }

    fn note(&mut self, index: usize, entries: Vec<Entry>) {
        for Entry { name, age, text } in entries {
            let queued = match wire::read(&text) {
                Ok(queued) => queued,
                Err(_) if age > AGE_MAX => {
                    self.sources[index].done.push((name, Uuid::nil()));
                    continue;
                }
                Err(error) => {
                    // Perhaps a newer release put it there: it stays, for one that knows it.
                    tracing::warn!(
                        queue.partition = %self.reading.partition, queue.entry = name, %error,
                        "a queued command cannot be read"
                    );
                    continue;
                }
            };
            #[cfg(feature = "faults")]
            if crate::faults::lease_is_off() && queued.from != self.reading.group {
                continue;
            }
            let (place, id) = (queued.place, queued.request.id.as_uuid());
            if self.ran.contains(&place) {
                self.sources[index].done.push((name, id));
                continue;
            }
            let known = match self.ready.get_mut(&place) {
                Some(known) => Some(known),
                None => {
                    let at = vec![(index, name.clone())];
                    self.order.see(place, Ready { queued, age, at })
                }
            };
            if let Some(known) = known {
                known.age = known.age.min(age);
                if known.at.iter().all(|(at, _)| *at != index) {
                    known.at.push((index, name));
                }
            }
        }
    }

    /// What may be run, in order.
    pub(crate) fn ready(&self) -> impl Iterator<Item = &Ready> {
        self.ready.values()
    }

    /// Notes that a command has run, and that what it came to is committed.
    pub(crate) fn ran(&mut self, place: Place) {
        let Some(Ready { queued, at, .. }) = self.ready.remove(&place) else { return };
        for (index, name) in at {
            self.sources[index].done.push((name, queued.request.id.as_uuid()));
        }
        if self.ran.insert(place) {
            self.ran_first.push_back(place);
        }
        if self.ran_first.len() > RAN_MAX
            && let Some(oldest) = self.ran_first.pop_front()
        {
            let _forgotten = self.ran.remove(&oldest);
        }
    }

    /// Whether nothing is known that has still to be run or taken out.
    pub(crate) fn is_empty(&self) -> bool {
        self.order.len() == 0 && self.ready.is_empty() && self.is_settled()
    }

    /// Whether what has run is taken out of every node that answers.
    pub(crate) fn is_settled(&self) -> bool {
        self.sources.iter().all(|source| source.done.is_empty() || source.away_until.is_some())
    }
}

impl Source {
    async fn read(&mut self, reading: &Reading) -> Result<Vec<Entry>, NodeError> {
        let mut adopted = Vec::new();
        if !self.is_adopted {
            self.takeover = self.takeover.saturating_add(1);
            adopted = self.node.adopt(reading, self.takeover).await?;
        }
        let mut entries = self.node.read(reading, self.takeover, &self.done).await?;
        entries.splice(..0, adopted);
        Ok(entries)
    }
}
