//! One turn: from waiting for the lease to giving it back.

use std::time::Duration;

use leasehold::Lease;
use tokio::time::Instant;

use super::{
    GrantError,
    combiner::{Combiner, TurnEnd},
    desk::{Desk, Ticket},
};
use crate::{
    domain::Stock,
    store::{Store, StoreError},
};

/// How often a batch is decided anew under one lease, each time since another had written.
const DECISIONS_MAX: u32 = 10;

/// How long the lease is waited for before looking whether anybody still wants it.
const SLICE: Duration = Duration::from_millis(500);

impl Combiner {
    pub(super) async fn turn(&mut self) -> TurnEnd {
        let lease = match self.lease_or_sold_out().await {
            Ok(Some(lease)) => lease,
            Ok(None) => return self.refuse_all().await,
            Err(end) => return end,
        };
        metrics::counter!("leasehold_turns_total").increment(1);
        let end = self.grant_under(&lease).await;
        // A replica that waits is handed it by this, and the next turn here comes after its.
        let _outcome = lease.release().await;
        end
    }

    /// Waits for the lease, or until nothing is left: `None`. Looking reads one row without
    /// touching a lock.
    async fn lease_or_sold_out(&mut self) -> Result<Option<Lease>, TurnEnd> {
        let (store, desk) = (self.store.clone(), self.desk.clone());
        if let Some(until) = self.sold_out_until {
            if Instant::now() < until {
                return Ok(None);
            }
            self.sold_out_until = None;
            if is_sold_out(&store, &desk).await {
                self.believe_sold_out();
                return Ok(None);
            }
        }
        let look_every = self.config.look_every;
        let sold_out = async {
            loop {
                tokio::time::sleep(look_every).await;
                if is_sold_out(&store, &desk).await {
                    return;
                }
            }
        };
        tokio::select! {
            lease = self.lease() => lease.map(Some),
            () = sold_out => {
                self.believe_sold_out();
                Ok(None)
            }
        }
    }

    pub(super) fn believe_sold_out(&mut self) {
        self.sold_out_until = Some(Instant::now() + self.config.sold_out_belief);
    }

    /// Waits for the lease as long as a buyer waits for its order, and nodes answer.
    async fn lease(&mut self) -> Result<Lease, TurnEnd> {
        let mut silent_since = None;
        loop {
            let error = match self.leases.acquire(&self.resource, SLICE).await {
                Ok(lease) => return Ok(lease),
                Err(error) => error,
            };
            self.pending.retain(Ticket::is_wanted);
            if self.pending.is_empty() {
                return Err(TurnEnd::Over);
            }
            if !error.is_unavailable() {
                silent_since = None;
                continue;
            }
            let silent = silent_since.get_or_insert_with(Instant::now).elapsed();
            if silent >= self.config.outage_patience || !error.is_retryable() {
                metrics::counter!("leasehold_lease_failures_total").increment(1);
                tracing::warn!(sale.id = %self.desk.sale.id, error = %chain(&error), "no quorum of lease nodes");
                let why = "no quorum of lease nodes answers".to_owned();
                return Err(TurnEnd::Hopeless(GrantError::Unavailable(why)));
            }
        }
    }

    /// Answers every order of a sale in which nothing is left, from the stored replies alone:
    /// without the lease and without the sale's row.
    ///
    /// Right since units never come back. Once they do, a refusal has to be decided from stock that
    /// was read after the claim.
    async fn refuse_all(&mut self) -> TurnEnd {
        let keys: Vec<_> = self.pending.iter().map(|ticket| &ticket.order.key).collect();
        match self.store.known(self.desk.sale.id, &keys).await {
            Ok(known) => self.known = known,
            Err(error) => return self.after_failure(error).unwrap_or(TurnEnd::Over),
        }
        let nothing_left = Stock { capacity: 0, sold: 0, version: 0 };
        let decision = self.decide(nothing_left);
        self.answer(decision);
        TurnEnd::Over
    }

    /// Grants batch after batch until the turn is over, nothing is left to do, or something fails.
    async fn grant_under(&mut self, lease: &Lease) -> TurnEnd {
        let turn_over = Instant::now() + self.config.turn_max;
        let mut stock: Option<Stock> = None;
        let mut attempts = 0;
        while attempts < DECISIONS_MAX {
            self.gather();
            // From here on a buyer who stops waiting is told that the outcome is not known.
            self.pending.retain(Ticket::take);
            if self.pending.is_empty() && !self.linger(turn_over).await {
                return TurnEnd::Over;
            }
            // The lease's word is not needed for safety; without it the write is likely in vain.
            if lease.is_lost() {
                self.put_back();
                return TurnEnd::Again(GrantError::Busy);
            }
            match self.grant_once(lease, stock).await {
                Ok(after) => {
                    (stock, attempts) = (Some(after), 0);
                    self.note_success();
                }
                Err(error) => {
                    self.put_back();
                    if let Some(end) = self.after_failure(error) {
                        return end;
                    }
                    (stock, attempts) = (None, attempts + 1);
                }
            }
            if Instant::now() >= turn_over || self.sold_out_until.is_some() {
                return TurnEnd::Over;
            }
        }
        TurnEnd::Again(GrantError::Busy)
    }

    fn put_back(&self) {
        for ticket in &self.pending {
            ticket.put_back();
        }
    }

    /// Waits briefly for another order before the lease goes back; `false` when none came.
    async fn linger(&mut self, turn_over: Instant) -> bool {
        let until = turn_over.min(Instant::now() + self.config.linger);
        match tokio::time::timeout_at(until, self.queue.recv()).await {
            Ok(Some(ticket)) if ticket.take() => {
                self.push(ticket);
                true
            }
            Ok(Some(_) | None) | Err(_) => false,
        }
    }

    /// What a failed statement means for the turn; `None` to reload and decide again under the
    /// same lease.
    fn after_failure(&self, error: StoreError) -> Option<TurnEnd> {
        match error {
            StoreError::Stale(stale) => {
                // After a total loss of the lease nodes' data this lifts the next token above it.
                self.leases.observe(stale.newest);
                metrics::counter!("leasehold_stale_writes_refused_total").increment(1);
                tracing::warn!(
                    sale.id = %self.desk.sale.id, lease.token = %stale.given, lease.newest = %stale.newest,
                    "stale write refused"
                );
                Some(TurnEnd::Again(GrantError::Busy))
            }
            StoreError::Moved | StoreError::KeyTaken => None,
            // Whether it was written shows when its keys are looked up in the next turn.
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::NotMigrated => {
                Some(TurnEnd::Again(GrantError::Unavailable(error.to_string())))
            }
            other => Some(TurnEnd::Hopeless(GrantError::Internal(other.to_string()))),
        }
    }
}

/// Whether nothing is left. Not to know is no reason to refuse.
async fn is_sold_out(store: &Store, desk: &Desk) -> bool {
    store.sale(desk.sale.id).await.is_ok_and(|row| row.is_some_and(|row| row.is_sold_out()))
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
