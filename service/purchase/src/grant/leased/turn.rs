//! One turn: from waiting for the lease to giving it back.

use std::{pin::pin, time::Duration};

use futures_util::poll;
use leasehold::Lease;
use tokio::time::Instant;

use super::{
    batch::Book,
    combiner::{Combiner, TurnEnd},
    desk::Ticket,
};
use crate::{
    domain::{Outcome, SaleId, WithoutLeases, decide},
    grant::{GrantError, decision::note_stale},
    store::{Store, StoreError},
};

/// How often a batch is decided anew under one lease, each time since another had written.
const DECISIONS_MAX: u32 = 10;

/// Where others want the lease too, it is kept without work for this part of the configured `linger` at a
/// time: about what it takes to hand it over, so that the buyers who were just answered come in before.
const LINGER_PART: u32 = 4;

/// And only in this part of a turn: a few buyers who ask again at once would keep those of the other
/// replicas waiting for all of it.
const IDLE_PART: u32 = 5;

/// How long the lease is waited for before looking whether anybody still wants it.
const SLICE: Duration = Duration::from_millis(500);

/// How long a sale that goes on without leases leaves the nodes alone before it asks them again.
const LEASES_AWAY: Duration = Duration::from_secs(1);

/// What a turn is made under.
enum Under {
    Lease(Lease),
    /// The sale's version alone.
    Version,
    /// Nothing is left to do.
    Nothing,
}

impl Combiner {
    pub(super) async fn turn(&mut self) -> TurnEnd {
        let lease = match self.prepare().await {
            Ok(Under::Lease(lease)) => lease,
            Ok(Under::Version) => {
                let (end, outcomes) = self.grant_under(None).await;
                self.answer(outcomes);
                return end;
            }
            Ok(Under::Nothing) => return TurnEnd::Over,
            Err(end) => return end,
        };
        metrics::counter!("leasehold_turns_total").increment(1);
        let (end, outcomes) = self.grant_under(Some(&lease)).await;
        // A replica that waits is handed it by this, and the next turn here comes after its. Sent before the
        // buyers are told: what that sets off, with hundreds of them, would all come first.
        let mut release = pin!(lease.release());
        let is_released = poll!(release.as_mut()).is_ready();
        self.answer(outcomes);
        if !is_released {
            let _outcome = release.await;
        }
        end
    }

    /// Waits for the lease; meanwhile, whenever nothing is left, refuses those that only want to buy.
    async fn prepare(&mut self) -> Result<Under, TurnEnd> {
        #[cfg(feature = "faults")]
        if crate::faults::lease_is_off() {
            return Ok(Under::Version);
        }
        let (store, sale, look_every) =
            (self.store.clone(), self.desk.sale, self.config.look_every);
        // Once is enough: whoever is left then needs the lease, and must not lose the place in its line.
        let mut looks = true;
        loop {
            if self.sold_out {
                self.refuse().await?;
                if self.pending.is_empty() && !self.tidy {
                    return Ok(Under::Nothing);
                }
                looks = false;
            }
            if self.leases_away_until.is_some_and(|until| Instant::now() < until) {
                return Ok(Under::Version);
            }
            let sold_out = async {
                loop {
                    tokio::time::sleep(look_every).await;
                    if is_sold_out(&store, sale).await {
                        return;
                    }
                }
            };
            tokio::select! {
                lease = self.lease() => return lease,
                () = sold_out, if looks => self.sold_out = true,
            }
        }
    }

    /// Waits for the lease as long as a buyer waits for its answer, and nodes answer.
    async fn lease(&mut self) -> Result<Under, TurnEnd> {
        let mut silent_since = None;
        // The first attempt only tells whether others have it.
        let mut wait = Duration::ZERO;
        self.is_contended = false;
        loop {
            let error = match self.leases.acquire(&self.resource, wait).await {
                Ok(lease) => {
                    self.leases_away_until = None;
                    return Ok(Under::Lease(lease));
                }
                Err(error) => error,
            };
            let is_first = wait.is_zero();
            wait = SLICE;
            self.pending.retain(Ticket::is_wanted);
            if self.pending.is_empty() && !self.tidy {
                return Err(TurnEnd::Over);
            }
            if !error.is_unavailable() {
                // Others sell too, and wait for it soon if they do not now.
                self.is_contended = true;
                silent_since = None;
                continue;
            }
            if is_first {
                continue;
            }
            let silent = silent_since.get_or_insert_with(Instant::now).elapsed();
            // A sale that went on without leases before does not wait as long again.
            let patient = self.leases_away_until.is_none() && error.is_retryable();
            if patient && silent < self.config.outage_patience {
                continue;
            }
            metrics::counter!("leasehold_lease_failures_total").increment(1);
            tracing::warn!(sale.id = %self.desk.sale, error = %chain(&error), "no quorum of lease nodes");
            return self.without_lease().await;
        }
    }

    /// What the sale wants done while no quorum of lease nodes answers.
    async fn without_lease(&mut self) -> Result<Under, TurnEnd> {
        let read = self.store.sale(self.desk.sale).await;
        let policy = read.map(|sale| sale.map(|(state, _)| state.sale.terms.without_leases));
        if let Ok(Some(WithoutLeases::Continue)) = policy {
            self.leases_away_until = Some(Instant::now() + LEASES_AWAY);
            metrics::counter!("leasehold_turns_without_lease_total").increment(1);
            return Ok(Under::Version);
        }
        self.tidy = false;
        let why = "no quorum of lease nodes answers".to_owned();
        Err(TurnEnd::Hopeless(GrantError::Unavailable(why)))
    }

    /// Refuses those that only want to buy, if nothing is left: from one read that came after them,
    /// without the lease and without a lock on the sale's row.
    async fn refuse(&mut self) -> Result<(), TurnEnd> {
        let book = match self.read(None).await {
            Ok(book) => book,
            Err(error) => return Err(self.after_failure(error).unwrap_or(TurnEnd::Over)),
        };
        let buying = self.pending.iter().filter(|ticket| ticket.request.command.only_buys());
        let (now, state) = (book.now(), book.state().clone());
        let decision = match decide(state, now, buying.map(|ticket| &ticket.request)) {
            Ok(decision) => decision,
            Err(impossible) => {
                let internal = GrantError::Internal(impossible.to_string());
                return Err(TurnEnd::Hopeless(internal));
            }
        };
        if !decision.events.is_empty() {
            // Something is to be had, or to be given up first: that takes the lease.
            self.sold_out = false;
            return Ok(());
        }
        let mut outcomes = decision.outcomes.into_iter();
        for ticket in std::mem::take(&mut self.pending) {
            match ticket.request.command.only_buys().then(|| outcomes.next()).flatten() {
                Some(outcome) => ticket.answer(Ok(outcome)),
                None => self.pending.push_back(ticket),
            }
        }
        Ok(())
    }

    /// Grants batch after batch until the turn is over, nothing is left to do, or something fails. The buyers
    /// of the last batch are still to be told what is returned beside.
    async fn grant_under(&mut self, lease: Option<&Lease>) -> (TurnEnd, Vec<Outcome>) {
        let (begun, turn_max) = (Instant::now(), self.config.turn_max);
        let turn_over = begun + turn_max;
        let idle_over = if self.is_contended { begun + turn_max / IDLE_PART } else { turn_over };
        let mut book: Option<Book> = None;
        let mut attempts = 0;
        while attempts < DECISIONS_MAX {
            self.gather();
            // From here on a buyer who stops waiting is told that the outcome is not known.
            self.pending.retain(Ticket::take);
            if self.pending.is_empty() && !self.tidy && !self.linger(idle_over).await {
                return (TurnEnd::Over, Vec::new());
            }
            // The lease's word is not needed for safety; without it the write is likely in vain.
            if lease.is_some_and(Lease::is_lost) {
                self.put_back();
                return (TurnEnd::Again(GrantError::Busy), Vec::new());
            }
            match self.grant_once(lease, &mut book).await {
                Ok(outcomes) => {
                    attempts = 0;
                    self.note_success();
                    let answered = outcomes.len();
                    let is_idle = answered == self.pending.len() && self.queue.is_empty();
                    let over = if is_idle && !self.tidy { idle_over } else { turn_over };
                    if Instant::now() >= over || self.sold_out {
                        return (TurnEnd::Over, outcomes);
                    }
                    self.answer(outcomes);
                }
                Err(error) => {
                    self.put_back();
                    if let Some(end) = self.after_failure(error) {
                        return (end, Vec::new());
                    }
                    if Instant::now() >= turn_over {
                        return (TurnEnd::Over, Vec::new());
                    }
                    attempts += 1;
                }
            }
        }
        (TurnEnd::Again(GrantError::Busy), Vec::new())
    }

    fn put_back(&self) {
        for ticket in &self.pending {
            ticket.put_back();
        }
    }

    /// Waits briefly for another request before the lease goes back; `false` when none came.
    async fn linger(&mut self, idle_over: Instant) -> bool {
        let linger = self.config.linger / if self.is_contended { LINGER_PART } else { 1 };
        let until = idle_over.min(Instant::now() + linger);
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
    fn after_failure(&mut self, error: StoreError) -> Option<TurnEnd> {
        match error {
            StoreError::Stale(stale) => {
                note_stale(&self.leases, &self.tally, self.desk.sale, &stale);
                Some(TurnEnd::Again(GrantError::Busy))
            }
            StoreError::Moved { .. } | StoreError::KeyTaken => None,
            // Whether it was written shows when its keys are looked up in the next turn.
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::NotMigrated => {
                Some(TurnEnd::Again(GrantError::Unavailable(error.to_string())))
            }
            other => {
                self.tidy = false;
                Some(TurnEnd::Hopeless(GrantError::Internal(other.to_string())))
            }
        }
    }
}

/// Whether nothing is left. Not to know is no reason to refuse.
async fn is_sold_out(store: &Store, sale: SaleId) -> bool {
    store.sale(sale).await.is_ok_and(|sale| sale.is_some_and(|(state, _)| state.left() == 0))
}

/// An error with its causes, each once.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
