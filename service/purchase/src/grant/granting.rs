//! The way in: finds a sale's strategy, and hands its requests over.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use leasehold::Leases;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    GrantConfig, GrantError, Strategy as _,
    direct::{Direct, EventLog, Optimistic, RowLock},
    leased::Leased,
    queued::{Queued, Submitted},
    sweep,
};
use crate::{
    domain::{ClaimId, Command, Request, SaleId, Strategy},
    live::Tally,
    queue::Queue,
    store::Store,
};

/// Sales looked up at once: when one opens, thousands ask for it together.
const OPENING_MAX: usize = 2;

/// Grants requests, each by its sale's strategy. Cloning is cheap and shares everything.
#[derive(Clone, Debug)]
pub struct Granting {
    pub(super) shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) store: Store,
    pub(super) config: GrantConfig,
    pub(super) stop: CancellationToken,
    /// It never changes.
    strategies: Mutex<HashMap<SaleId, Strategy>>,
    opening: Semaphore,
    leased: Leased,
    row_lock: Direct<RowLock>,
    optimistic: Direct<Optimistic>,
    event_log: Direct<EventLog>,
    queued: Queued,
}

impl Granting {
    /// Grants with these leases, this queue and this store. Call it inside of a runtime: it tidies from a task of its
    /// own.
    #[must_use]
    pub fn new(
        store: Store,
        leases: Leases,
        queue: Queue,
        config: GrantConfig,
        tally: Arc<Tally>,
    ) -> Self {
        let stop = CancellationToken::new();
        let places = Arc::new(Semaphore::new(config.transactions_max));
        let direct = (&config, &places);
        let shared = Arc::new(Shared {
            strategies: Mutex::default(),
            opening: Semaphore::new(OPENING_MAX),
            row_lock: Direct::new(RowLock::new(store.clone(), &config), direct),
            optimistic: Direct::new(Optimistic::new(store.clone(), &config), direct),
            event_log: Direct::new(EventLog::new(store.clone(), &config), direct),
            queued: Queued::new(
                store.clone(),
                leases.clone(),
                queue,
                config.clone(),
                Arc::clone(&tally),
                stop.clone(),
            ),
            leased: Leased::new(store.clone(), leases, config.clone(), tally, stop.clone()),
            store,
            config,
            stop,
        });
        drop(tokio::spawn(sweep::sweep(Arc::downgrade(&shared))));
        Self { shared }
    }

    /// Works on one request, and answers when what it comes to is committed. One of a sale with the strategy
    /// `queue` is answered when it is accepted, unless it is to `wait`; and also when it waited for as long
    /// as is waited.
    ///
    /// # Errors
    ///
    /// See [`GrantError`]: only [`GrantError::Unknown`] leaves open whether it was granted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the request if it still waits. If it was being written, or is in the
    /// queue, it may be granted, and asking again with the same key tells.
    pub async fn submit(
        &self,
        sale: SaleId,
        request: Request,
        wait: bool,
    ) -> Result<Submitted, GrantError> {
        let shared = &*self.shared;
        let deadline = Instant::now() + shared.config.patience;
        // On the heap, what talks to Postgres itself: as a part of every request's future it would make all of
        // them large, and those are moved and kept by the thousand.
        let strategy = match shared.known(sale) {
            Some(strategy) => strategy,
            None => {
                let reading = Box::pin(shared.strategy(sale));
                tokio::time::timeout_at(deadline, reading).await.map_err(|_| GrantError::Busy)??
            }
        };
        let answer = match strategy {
            Strategy::Leased => shared.leased.submit(sale, request, deadline).await,
            Strategy::Optimistic => {
                Box::pin(shared.optimistic.submit(sale, request, deadline)).await
            }
            Strategy::EventLog => Box::pin(shared.event_log.submit(sale, request, deadline)).await,
            Strategy::Queue if !matches!(request.command, Command::Change(_)) => {
                return Box::pin(shared.queued.submit(sale, request, deadline, wait)).await;
            }
            // Terms change at once, whatever waits.
            Strategy::RowLock | Strategy::Queue => {
                Box::pin(shared.row_lock.submit(sale, request, deadline)).await
            }
        };
        answer.map(Submitted::Decided)
    }

    /// Whether a command waits in its sale's queue. `None` when that cannot be known by now.
    pub async fn is_queued(&self, sale: SaleId, id: ClaimId) -> Option<bool> {
        self.shared.queued.has(sale, id).await
    }

    /// This replica's name.
    #[must_use]
    pub fn replica(&self) -> &str {
        &self.shared.config.replica
    }

    /// Ends granting: requests that wait are still worked on, then every lease is given back. Call it
    /// when no request can arrive any more.
    pub async fn close(&self) {
        let shared = &*self.shared;
        shared.stop.cancel();
        tokio::join!(
            shared.leased.close(),
            shared.queued.close(),
            shared.row_lock.close(),
            shared.optimistic.close(),
            shared.event_log.close()
        );
    }
}

impl Shared {
    /// Tidies a sale.
    pub(super) async fn tidy(&self, sale: SaleId) {
        match self.strategy(sale).await {
            Ok(Strategy::Leased) => self.leased.tidy(sale).await,
            Ok(Strategy::RowLock | Strategy::Queue) => self.row_lock.tidy(sale).await,
            Ok(Strategy::Optimistic) => self.optimistic.tidy(sale).await,
            Ok(Strategy::EventLog) => self.event_log.tidy(sale).await,
            Err(error) => tracing::debug!(sale.id = %sale, %error, "a sale cannot be tidied"),
        }
    }

    async fn strategy(&self, id: SaleId) -> Result<Strategy, GrantError> {
        if let Some(strategy) = self.known(id) {
            return Ok(strategy);
        }
        let _permit = self.opening.acquire().await.map_err(|_| GrantError::Busy)?;
        if let Some(strategy) = self.known(id) {
            return Ok(strategy);
        }
        let read = self.store.sale(id).await.map_err(|error| GrantError::of_read(&error))?;
        let (state, _) = read.ok_or(GrantError::NoSuchSale)?;
        let strategy = state.sale.terms.strategy;
        let mut strategies = self.strategies.lock().unwrap_or_else(PoisonError::into_inner);
        // What is forgotten is looked up again.
        if strategies.len() >= self.config.sales_max {
            strategies.clear();
        }
        let _none = strategies.insert(id, strategy);
        Ok(strategy)
    }

    fn known(&self, id: SaleId) -> Option<Strategy> {
        let strategies = self.strategies.lock().unwrap_or_else(PoisonError::into_inner);
        strategies.get(&id).copied()
    }
}
