//! The strategy `queue`: commands of a sale stand in a queue on the lease nodes, and run in order.
//!
//! ```text
//! submit ─► inbox ─► put: a quorum of nodes has it: accepted ─► wait for what it comes to
//!                                 │                                   ▲
//!              partition's leader ─► rounds ─► decide, write, fenced ─┘ told; Postgres knows
//! ```
//!
//! Every replica may put; the one that holds a partition's lease runs it. Replicas share the partitions out
//! among those that live. What is accepted is run, once, whoever dies: it stays with the nodes until what
//! it came to is committed, and a command that is read again has a row in Postgres by then.

mod assignment;
mod inbox;
mod leader;
mod run;
mod waiting;

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use leasehold::{Leases, Resource};
use tokio::{
    sync::{Notify, mpsc},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use self::{
    inbox::{Inbox, Putter},
    waiting::Waiting,
};
use super::{GrantConfig, GrantError};
use crate::{
    domain::{ClaimId, Outcome, Request, SaleId},
    live::Tally,
    queue::{Heard, Partition, Queue},
    store::{Ran, Store},
};

/// How often it is looked for commands that nobody was told of.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// After how long a replica that left no sign of life has no share of the partitions.
const LIVING_MS: i64 = 3000;

/// Replicas among which partitions are shared out at most.
const REPLICAS_MAX: i64 = 1000;

/// What nodes said and was not looked at yet. More is found out by looking.
const HEARD_MAX: usize = 1000;

/// What became of a request that was submitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It was decided, and that is committed.
    Decided(Outcome),
    /// It is in the queue under this id, and will be run.
    Accepted(ClaimId),
}

/// Queues commands, and runs those of the partitions that are led here.
#[derive(Debug)]
pub(super) struct Queued {
    shared: Arc<Shared>,
    tasks: TaskTracker,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    leases: Leases,
    queue: Queue,
    config: GrantConfig,
    tally: Arc<Tally>,
    waiting: Waiting,
    partitions: Vec<Part>,
    /// The replicas that live, by name.
    living: Mutex<Vec<String>>,
    /// Whether something was put into the queue since it was last looked.
    is_busy: AtomicBool,
    stop: CancellationToken,
}

/// What this replica has of a partition.
#[derive(Debug)]
struct Part {
    partition: Partition,
    resource: Resource,
    inbox: Inbox,
    /// Wakes whoever leads it, or would.
    bell: Notify,
}

impl Queued {
    /// Call it inside of a runtime.
    pub(super) fn new(
        store: Store,
        leases: Leases,
        queue: Queue,
        config: GrantConfig,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> Self {
        let (mut partitions, mut inboxes) = (Vec::new(), Vec::new());
        for partition in Partition::all() {
            let (inbox, puts) = Inbox::new(config.queue_max);
            // Of a name that was checked one can be made.
            let name = format!("queue/{}/{partition}", config.queue_name);
            let Ok(resource) = Resource::new(name) else { continue };
            partitions.push(Part { partition, resource, inbox, bell: Notify::new() });
            inboxes.push((partition, puts));
        }
        let shared = Arc::new(Shared {
            store,
            leases,
            queue,
            config,
            tally,
            waiting: Waiting::default(),
            partitions,
            living: Mutex::default(),
            is_busy: AtomicBool::new(true),
            stop,
        });
        let tasks = TaskTracker::new();
        for (partition, puts) in inboxes {
            let putter = Putter {
                queue: shared.queue.clone(),
                partition,
                from: Arc::clone(&shared.config.replica),
                patience: shared.config.outage_patience,
                stop: shared.stop.clone(),
            };
            drop(tasks.spawn(putter.run(puts)));
            drop(tasks.spawn(leader::lead_when_needed(Arc::clone(&shared), partition)));
        }
        drop(tasks.spawn(Arc::clone(&shared).hear()));
        drop(tasks.spawn(Arc::clone(&shared).look()));
        Self { shared, tasks }
    }

    /// Puts a command into the queue; with `wait`, waits for what it comes to, at most until `deadline`.
    ///
    /// # Errors
    ///
    /// See [`GrantError`]: only [`GrantError::Unknown`] leaves open whether it will be run.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future is to stop waiting: what is in the queue is run.
    pub(super) async fn submit(
        &self,
        sale: SaleId,
        request: Request,
        deadline: Instant,
        wait: bool,
    ) -> Result<Submitted, GrantError> {
        let (id, partition) = (request.id, Partition::of(sale));
        // Before it is put, since it may run at once.
        let place = wait.then(|| self.shared.waiting.begin(id.as_uuid()));
        let part = &self.shared.partitions[partition.number()];
        let put = part.inbox.put(sale, request, deadline).await;
        let Some(mut place) = place else { return put.map(|()| Submitted::Accepted(id)) };
        let told = match put {
            Ok(()) => tokio::time::timeout_at(deadline, &mut place.told).await.ok(),
            // Too few are known to have it, and it may have run all the same.
            Err(GrantError::Unknown) => match place.told.try_recv() {
                Ok(ran) => Some(Ok(ran)),
                Err(_) => return Err(GrantError::Unknown),
            },
            Err(error) => return Err(error),
        };
        match told {
            Some(Ok(Ran::Decided(outcome))) => Ok(Submitted::Decided(outcome)),
            Some(Ok(Ran::Expired)) => Err(GrantError::Busy),
            Some(Ok(Ran::Failed)) => {
                Err(GrantError::Internal("a queued command failed".to_owned()))
            }
            Some(Err(_)) | None => Ok(Submitted::Accepted(id)),
        }
    }

    /// Whether a command waits in the queue. `None` when too few nodes answer to know that it does not.
    pub(super) async fn has(&self, sale: SaleId, id: ClaimId) -> Option<bool> {
        self.shared.queue.has(Partition::of(sale), id).await
    }

    pub(super) async fn close(&self) {
        let _more = self.tasks.close();
        self.tasks.wait().await;
    }
}

impl Shared {
    /// Hears what nodes say, until granting is closed.
    async fn hear(self: Arc<Self>) {
        let (heard, mut news) = mpsc::channel(HEARD_MAX);
        let listening = self.queue.listen(&self.config.replica, heard);
        let hearing = async {
            while let Some(news) = news.recv().await {
                match news {
                    Heard::Rung(partition) => {
                        self.is_busy.store(true, Ordering::Relaxed);
                        if self.is_mine(partition) {
                            self.ring(partition);
                        }
                    }
                    Heard::Told(ids) => self.tell_those_of(self.waiting.of(ids)).await,
                }
            }
        };
        tokio::select! {
            () = self.stop.cancelled() => {}
            ((), ()) = async { tokio::join!(listening, hearing) } => {}
        }
    }

    /// Looks now and then for what was not heard: commands that wait, and what became of others.
    async fn look(self: Arc<Self>) {
        let mut before = Vec::new();
        loop {
            let waiting = self.queue.waiting().await;
            if self.is_busy.swap(false, Ordering::Relaxed) || !waiting.is_empty() {
                self.look_who_lives().await;
            }
            for &partition in &waiting {
                // Whoever should lead it may be gone: then anybody does.
                if self.is_mine(partition) || before.contains(&partition) {
                    self.ring(partition);
                }
            }
            before = waiting;
            tokio::select! {
                () = self.stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY.mul_f64(0.75 + fastrand::f64() / 2.0)) => {}
            }
            self.tell_those_of(self.waiting.all()).await;
        }
    }

    async fn look_who_lives(&self) {
        match self.store.replicas(REPLICAS_MAX).await {
            Ok(replicas) => {
                let living = replicas.into_iter().filter(|replica| replica.seen_ago_ms < LIVING_MS);
                let names = living.map(|replica| replica.name).collect();
                *self.living.lock().unwrap_or_else(PoisonError::into_inner) = names;
            }
            Err(error) => tracing::debug!(%error, "who lives cannot be read"),
        }
    }

    fn is_mine(&self, partition: Partition) -> bool {
        #[cfg(feature = "faults")]
        if crate::faults::lease_is_off() {
            return true;
        }
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        assignment::is_mine(partition, &self.config.replica, &living)
    }

    fn ring(&self, partition: Partition) {
        self.partitions[partition.number()].bell.notify_one();
    }

    /// Tells those who wait here for these commands, as far as they have run.
    async fn tell_those_of(&self, ids: Vec<Uuid>) {
        for ids in ids.chunks(self.config.batch_max) {
            match self.store.commands(ids).await {
                Ok(ran) => self.waiting.tell(&ran),
                Err(error) => tracing::debug!(%error, "what commands came to cannot be read"),
            }
        }
    }
}
