//! Leading a partition: reading it in order, and running what is read.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
    time::Duration,
};

use leasehold::{AcquireError, Lease, Resource};
use tokio::time::Instant;
use uuid::Uuid;

use super::{Part, Shared, run::Writer};
use crate::{
    domain::SaleId,
    grant::decision::note_stale,
    queue::{Partition, Place, Reader, Ready},
    store::{CommandRan, StoreError},
};

/// How long the lease is waited for before looking whether it is still wanted.
const ACQUIRE_MAX: Duration = Duration::from_secs(2);

/// How long a partition is led at once by whoever should: less than the longest life of a lease.
const TENURE_MAX: Duration = Duration::from_secs(30);

/// … and by whoever steps in.
const STEP_IN_MAX: Duration = Duration::from_secs(1);

/// How long a partition is led without anything to run.
const IDLE_MAX: Duration = Duration::from_secs(2);

/// Pause after something failed; doubled with each failure in a row.
const FAILURE_PAUSE: Duration = Duration::from_millis(50);

/// How often it is doubled at most.
const FAILURE_DOUBLINGS_MAX: u32 = 4;

/// How a batch went.
enum After {
    GoOn,
    /// Something failed that may pass.
    Pause,
    /// Another leads.
    Stop,
}

/// Leads a partition whenever there is work for this replica, until granting is closed.
pub(super) async fn lead_when_needed(shared: Arc<Shared>, partition: Partition) {
    let part = &shared.partitions[partition.number()];
    loop {
        tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            () = part.bell.notified() => {}
        }
        let is_mine = shared.is_mine(partition);
        let resource = shared.resource_of(part);
        let acquired: Result<Lease, AcquireError> = if is_mine {
            shared.leases.acquire(&resource, ACQUIRE_MAX).await
        } else {
            shared.leases.try_acquire(&resource).await
        };
        match acquired {
            Ok(lease) => {
                metrics::counter!("leasehold_queue_tenures_total").increment(1);
                shared.lead(part, &lease, is_mine).await;
                let _outcome = lease.release().await;
            }
            Err(error) => tracing::debug!(queue.partition = %partition, %error, "not led"),
        }
    }
}

/// Pauses after so many failures in a row, and counts one more.
async fn pause(failures: u32) -> u32 {
    tokio::time::sleep(FAILURE_PAUSE * 2_u32.pow(failures.min(FAILURE_DOUBLINGS_MAX))).await;
    failures.saturating_add(1)
}

impl Shared {
    /// What is held by whoever leads a partition.
    fn resource_of(&self, part: &Part) -> Resource {
        // Something of each replica's own keeps nobody out.
        #[cfg(feature = "faults")]
        if crate::faults::lease_is_off()
            && let Ok(own) = Resource::new(format!("{}/{}", part.resource, self.config.replica))
        {
            return own;
        }
        part.resource.clone()
    }

    async fn lead(&self, part: &Part, lease: &Lease, was_mine: bool) {
        let mut reader = Reader::new(&self.queue, part.partition, lease.token());
        #[cfg(feature = "faults")]
        if crate::faults::lease_is_off() {
            reader.alone(&self.config.replica);
        }
        let tenure = if was_mine { TENURE_MAX } else { STEP_IN_MAX };
        let until = Instant::now() + tenure;
        let (mut idle_since, mut failures) = (None, 0);
        while !lease.is_lost() {
            if let Err(why) = reader.round().await {
                tracing::debug!(queue.partition = %part.partition, why, "too few queue nodes answer");
                tokio::time::sleep(FAILURE_PAUSE).await;
                if self.stop.is_cancelled() || Instant::now() >= until {
                    return;
                }
                continue;
            }
            // What has run is taken out by the next round.
            let is_over = self.stop.is_cancelled()
                || Instant::now() >= until
                || (was_mine && !self.is_mine(part.partition));
            if is_over && reader.is_settled() {
                return;
            }
            if !is_over && reader.ready().next().is_some() {
                idle_since = None;
                match self.run_some(lease, &mut reader).await {
                    After::GoOn => failures = 0,
                    After::Pause => failures = pause(failures).await,
                    After::Stop => return,
                }
            } else if reader.is_empty() {
                let idle = idle_since.get_or_insert_with(Instant::now).elapsed();
                if !was_mine || idle >= IDLE_MAX {
                    return;
                }
                tokio::select! {
                    () = part.bell.notified() => {}
                    () = tokio::time::sleep(IDLE_MAX - idle) => {}
                    () = self.stop.cancelled() => {}
                    _loss = lease.lost() => {}
                }
            }
        }
    }

    /// Runs a batch of what is ready of each sale.
    async fn run_some(&self, lease: &Lease, reader: &mut Reader) -> After {
        let mut sales: Vec<(SaleId, Vec<&Ready>)> = Vec::new();
        let mut places: HashMap<Uuid, (Place, String)> = HashMap::new();
        for ready in reader.ready() {
            let sale = ready.queued.sale;
            let id = ready.queued.request.id.as_uuid();
            // A command that was put in twice, by somebody else: once it has run, the second is seen to
            // have run.
            let Entry::Vacant(new) = places.entry(id) else { break };
            let _new = new.insert((ready.queued.place, ready.queued.from.clone()));
            match sales.iter_mut().find(|(of, _)| *of == sale) {
                Some((_, commands)) if commands.len() < self.config.batch_max => {
                    commands.push(ready)
                }
                // Its turn comes with the next batch; other sales need not wait for it.
                Some(_) => {}
                None => sales.push((sale, vec![ready])),
            }
        }
        let writer =
            Writer { store: &self.store, stamp: lease.stamp(), replica: &self.config.replica };
        let (mut ran, mut after) = (Vec::new(), After::GoOn);
        for (sale, commands) in &sales {
            match self.run_of(&writer, *sale, commands).await {
                Ok(some) => ran.extend(some),
                Err(After::Stop) => {
                    after = After::Stop;
                    break;
                }
                // Another sale may go on all the same.
                Err(end) => after = end,
            }
        }
        drop(sales);
        self.tell(&ran, &places);
        for command in &ran {
            if let Some((place, _)) = places.get(&command.id.as_uuid()) {
                reader.ran(*place);
            }
        }
        after
    }

    /// Runs commands of one sale. One that cannot be run does not keep the others from it.
    async fn run_of(
        &self,
        writer: &Writer<'_>,
        sale: SaleId,
        commands: &[&Ready],
    ) -> Result<Vec<CommandRan>, After> {
        let error = match writer.run(sale, commands).await {
            Ok(ran) => return Ok(ran),
            Err(error) => error,
        };
        let after = self.after_failure(sale, &error);
        match (after, commands) {
            (Some(after), _) => Err(after),
            (None, [one]) => {
                tracing::error!(sale.id = %sale, %error, "a queued command cannot be run");
                let failed = writer.fail(sale, one).await;
                failed.map_err(|error| self.after_failure(sale, &error).unwrap_or(After::Pause))
            }
            (None, [first, ..]) => Box::pin(self.run_of(writer, sale, &[first])).await,
            (None, []) => Ok(Vec::new()),
        }
    }

    /// What a failed statement means; `None` when trying the same again does not help.
    fn after_failure(&self, sale: SaleId, error: &StoreError) -> Option<After> {
        match error {
            StoreError::Stale(stale) => {
                note_stale(&self.leases, &self.tally, sale, stale);
                Some(After::Stop)
            }
            // Whether it was written shows when it is tried again.
            StoreError::Moved { .. }
            | StoreError::KeyTaken
            | StoreError::Unavailable(_)
            | StoreError::Unknown(_)
            | StoreError::NotMigrated => {
                tracing::debug!(sale.id = %sale, %error, "queued commands are run later");
                Some(After::Pause)
            }
            _ => None,
        }
    }

    /// Tells those who wait, here and elsewhere.
    fn tell(&self, ran: &[CommandRan], places: &HashMap<Uuid, (Place, String)>) {
        self.waiting.tell(ran);
        let mut elsewhere: HashMap<&str, Vec<Uuid>> = HashMap::new();
        for command in ran {
            let id = command.id.as_uuid();
            match places.get(&id) {
                Some((_, from)) if **from != *self.config.replica => {
                    elsewhere.entry(from).or_default().push(id);
                }
                _ => {}
            }
        }
        for (replica, ids) in elsewhere {
            self.queue.tell(replica, &ids);
        }
    }
}
