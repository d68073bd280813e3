//! Grants the orders of one sale in batches, in turns with the other replicas.
//!
//! ```text
//! idle ── order ──► waiting for the lease ──► turn: [gather, decide, write, answer]* ──► idle
//!           │            │                          │
//!           │            └─ no quorum: refuse       └─ stale, lost, turn over: lease back, again
//!           └─ sold out: refuse, without the lease
//! ```
//!
//! Nothing here decides what is sold: `domain::decide` does. Nothing here makes it safe: the fence
//! in `write_batch` does. The lease only keeps collisions rare and batches large.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use leasehold::{Leases, Resource, ResourceError};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    GrantConfig, GrantError,
    desk::{Desk, Ticket},
};
use crate::{domain::Known, store::Store};

/// Pause after a failed turn; doubled with each failure in a row.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// How many times it is doubled at most.
const FAILURE_DOUBLINGS_MAX: u32 = 5;

/// The end of a sale's queue at which orders are granted. Turns are in `turn.rs`, batches in
/// `batch.rs`.
pub(super) struct Combiner {
    pub(super) desk: Arc<Desk>,
    pub(super) resource: Resource,
    pub(super) queue: mpsc::Receiver<Ticket>,
    /// Taken from the queue and not answered yet, oldest first.
    pub(super) pending: VecDeque<Ticket>,
    /// Replies of earlier requests with keys of the pending orders, as far as they were looked up.
    pub(super) known: Known,
    pub(super) store: Store,
    pub(super) leases: Leases,
    pub(super) config: GrantConfig,
    stop: CancellationToken,
    /// Turns that failed in a row.
    pub(super) failures: u32,
    /// Since when a server that is needed does not answer.
    away_since: Option<Instant>,
    /// Until when nothing is believed to be left.
    pub(super) sold_out_until: Option<Instant>,
}

/// How a turn ended.
pub(super) enum TurnEnd {
    /// Its time is over, or there is nothing left to do.
    Over,
    /// Something failed that may pass: begin another turn.
    Again(GrantError),
    /// Trying again does not help.
    Hopeless(GrantError),
}

impl Combiner {
    pub(super) fn new(
        desk: Arc<Desk>,
        queue: mpsc::Receiver<Ticket>,
        store: Store,
        leases: Leases,
        config: GrantConfig,
        stop: CancellationToken,
    ) -> Result<Self, ResourceError> {
        let resource = Resource::new(format!("sale/{}", desk.sale.id))?;
        let (pending, known) = (VecDeque::new(), Known::new());
        Ok(Self {
            desk,
            resource,
            queue,
            pending,
            known,
            store,
            leases,
            config,
            stop,
            failures: 0,
            away_since: None,
            sold_out_until: None,
        })
    }

    /// Runs until no order came for a while, or granting is closed and the queue empty.
    pub(super) async fn run(mut self) {
        while self.wait_for_work().await {
            match self.turn().await {
                TurnEnd::Over => self.note_success(),
                TurnEnd::Again(error) => self.after_failed_turn(&error).await,
                TurnEnd::Hopeless(error) => {
                    if matches!(error, GrantError::Internal(_)) {
                        tracing::error!(sale.id = %self.desk.sale.id, %error, "orders cannot be worked on");
                    }
                    self.fail_pending(&error);
                }
            }
            self.known.clear();
        }
    }

    /// Pauses before the next turn; or tells the orders, when a server has been away for too long.
    async fn after_failed_turn(&mut self, error: &GrantError) {
        self.failures += 1;
        tracing::debug!(sale.id = %self.desk.sale.id, failures = self.failures, %error, "turn failed");
        if matches!(error, GrantError::Unavailable(_)) {
            let away = self.away_since.get_or_insert_with(Instant::now).elapsed();
            if away >= self.config.outage_patience {
                tracing::warn!(sale.id = %self.desk.sale.id, %error, "a server is away");
                return self.fail_pending(error);
            }
        }
        let pause = FAILURE_PAUSE * 2_u32.pow(self.failures.min(FAILURE_DOUBLINGS_MAX));
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.pending.retain(Ticket::is_wanted);
    }

    /// Waits for an order; `false` when the combiner is to retire.
    async fn wait_for_work(&mut self) -> bool {
        self.gather();
        if !self.pending.is_empty() {
            return true;
        }
        let first = tokio::select! {
            first = tokio::time::timeout(self.config.retire_after, self.queue.recv()) => first.ok().flatten(),
            () = self.stop.cancelled() => None,
        };
        match first {
            Some(ticket) => self.push(ticket),
            None => {
                // From here on no order gets in; those that just did are still served.
                self.queue.close();
                self.gather();
                return !self.pending.is_empty();
            }
        }
        true
    }

    /// Takes what is in the queue, up to a full batch. Never waits to fill it: what arrives during
    /// this batch's commit is the next one.
    pub(super) fn gather(&mut self) {
        while self.pending.len() < self.config.batch_max {
            let Ok(ticket) = self.queue.try_recv() else { return };
            self.push(ticket);
        }
    }

    pub(super) fn push(&mut self, ticket: Ticket) {
        if ticket.is_wanted() {
            self.pending.push_back(ticket);
        }
    }

    pub(super) fn note_success(&mut self) {
        (self.failures, self.away_since) = (0, None);
    }

    /// Tells the orders at hand; those in the queue get a turn of their own.
    fn fail_pending(&mut self, error: &GrantError) {
        for ticket in self.pending.drain(..) {
            ticket.fail(error);
        }
    }
}
