//! Grants the requests of one sale in batches, in turns with the other replicas.
//!
//! ```text
//! idle ── request ► waiting for the lease ──► turn: [gather, decide, write, answer]* ──► idle
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
    desk::{Desk, Ticket},
    pace::Pace,
};
use crate::{
    grant::{GrantConfig, GrantError},
    live::Tally,
    store::Store,
};

/// Pause after a failed turn; doubled with each failure in a row.
const FAILURE_PAUSE: Duration = Duration::from_millis(10);

/// How many times it is doubled at most.
const FAILURE_DOUBLINGS_MAX: u32 = 5;

/// The end of a sale's queue at which requests are granted. Turns are in `turn.rs`, batches in
/// `batch.rs`.
pub(super) struct Combiner {
    pub(super) desk: Arc<Desk>,
    pub(super) resource: Resource,
    pub(super) queue: mpsc::Receiver<Ticket>,
    /// Taken from the queue and not answered yet, oldest first.
    pub(super) pending: VecDeque<Ticket>,
    pub(super) store: Store,
    pub(super) leases: Leases,
    pub(super) config: GrantConfig,
    /// What its commits take.
    pub(super) pace: Pace,
    pub(super) tally: Arc<Tally>,
    stop: CancellationToken,
    /// Turns that failed in a row.
    pub(super) failures: u32,
    /// Since when a server that is needed does not answer.
    away_since: Option<Instant>,
    /// Whether nothing was left when it was last looked: a hint only, to look again before anything
    /// else.
    pub(super) sold_out: bool,
    /// Whether there may be something to do although nothing is pending: reservations to give up,
    /// or units to offer to those who wait.
    pub(super) tidy: bool,
    /// Whether the lease was held by another when this turn asked for it.
    pub(super) is_contended: bool,
    /// Until when the lease nodes are left alone, since they did not answer and the sale goes on
    /// without them.
    pub(super) leases_away_until: Option<Instant>,
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
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> Result<Self, ResourceError> {
        let resource = Resource::new(format!("sale/{}", desk.sale))?;
        Ok(Self {
            desk,
            resource,
            queue,
            pending: VecDeque::new(),
            store,
            leases,
            config,
            pace: Pace::default(),
            tally,
            stop,
            failures: 0,
            away_since: None,
            sold_out: false,
            tidy: false,
            is_contended: false,
            leases_away_until: None,
        })
    }

    /// Runs until no request came for a while, or granting is closed and the queue empty.
    pub(super) async fn run(mut self) {
        while self.wait_for_work().await {
            match self.turn().await {
                TurnEnd::Over => self.note_success(),
                TurnEnd::Again(error) => self.after_failed_turn(&error).await,
                TurnEnd::Hopeless(error) => {
                    if matches!(error, GrantError::Internal(_)) {
                        tracing::error!(sale.id = %self.desk.sale, %error, "requests cannot be worked on");
                    }
                    self.fail_pending(&error);
                }
            }
        }
    }

    /// Pauses before the next turn; or tells the requests, when a server has been away for too long.
    async fn after_failed_turn(&mut self, error: &GrantError) {
        self.failures += 1;
        tracing::debug!(sale.id = %self.desk.sale, failures = self.failures, %error, "turn failed");
        if matches!(error, GrantError::Unavailable(_)) {
            let away = self.away_since.get_or_insert_with(Instant::now).elapsed();
            if away >= self.config.outage_patience {
                tracing::warn!(sale.id = %self.desk.sale, %error, "a server is away");
                return self.fail_pending(error);
            }
        }
        let pause = FAILURE_PAUSE * 2_u32.pow(self.failures.min(FAILURE_DOUBLINGS_MAX));
        tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        self.pending.retain(Ticket::is_wanted);
    }

    /// Waits for a request; `false` when the combiner is to retire.
    async fn wait_for_work(&mut self) -> bool {
        self.gather();
        if !self.pending.is_empty() || self.tidy {
            return true;
        }
        let first = tokio::select! {
            first = tokio::time::timeout(self.config.retire_after, self.queue.recv()) => first.ok().flatten(),
            () = self.desk.tidy.notified() => {
                self.tidy = true;
                return true;
            }
            () = self.stop.cancelled() => None,
        };
        match first {
            Some(ticket) => self.push(ticket),
            None => {
                // From here on no request gets in; those that just did are still served.
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
        let most = self.config.batch_max;
        // Who is only refused costs no commit.
        let batch = if self.sold_out { most } else { self.pace.batch(most) };
        while self.pending.len() < batch {
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

    /// Tells the requests at hand; those in the queue get a turn of their own.
    fn fail_pending(&mut self, error: &GrantError) {
        self.tidy = false;
        for ticket in self.pending.drain(..) {
            ticket.fail(error);
        }
    }
}
