//! The strategy `leased`: orders of a sale are gathered by each replica and granted in batches by
//! the one that holds the sale's lease.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use leasehold::Leases;
use tokio::{sync::Semaphore, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    combiner::Combiner,
    desk::{Closed, Desk},
};
use crate::{
    domain::{Order, Outcome, SaleId},
    store::{Store, StoreError},
};

/// Sales looked up at once.
const OPENING_MAX: usize = 2;

/// Limits of granting. Every wait and every queue has one.
#[derive(Clone, Debug)]
pub struct GrantConfig {
    /// The replica's name, for the log of batches.
    pub replica: Arc<str>,
    /// Orders of one sale that may wait in this replica. Default: 20,000. Further ones are told
    /// that it is busy.
    pub queue_max: usize,
    /// Orders in one batch. Default: 1000.
    pub batch_max: usize,
    /// Sales that this replica may sell at once. Default: 10,000.
    pub sales_max: usize,
    /// How long an order may take from its arrival to its answer. Default: 10 s.
    pub patience: Duration,
    /// How long the lease nodes or Postgres may be away before orders are told so. Default: 2 s.
    pub outage_patience: Duration,
    /// How long a turn lasts while there is work. Default: 200 ms. Longer means fewer hand-overs,
    /// shorter means that orders at other replicas wait less.
    pub turn_max: Duration,
    /// How long a lease is kept without work before it is given back. Default: 2 ms.
    pub linger: Duration,
    /// How long a desk without orders is kept. Default: 60 s.
    pub retire_after: Duration,
    /// How long a sale is believed to be sold out before this replica looks again. Default: 500 ms.
    pub sold_out_belief: Duration,
    /// How often this replica looks whether the sale is sold out while it waits for the lease.
    /// Default: 25 ms.
    pub look_every: Duration,
}

impl GrantConfig {
    /// The defaults, for a replica of this name.
    #[must_use]
    pub fn new(replica: &str) -> Self {
        Self {
            replica: replica.into(),
            queue_max: 20_000,
            batch_max: 1000,
            sales_max: 10_000,
            patience: Duration::from_secs(10),
            outage_patience: Duration::from_secs(2),
            turn_max: Duration::from_millis(200),
            linger: Duration::from_millis(2),
            retire_after: Duration::from_secs(60),
            sold_out_belief: Duration::from_millis(500),
            look_every: Duration::from_millis(25),
        }
    }
}

/// Why an order was neither granted nor refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// There is no such sale. Nothing happened.
    #[error("there is no such sale")]
    NoSuchSale,
    /// Too many orders are waiting. Nothing happened; trying again later helps.
    #[error("too many orders are waiting")]
    Busy,
    /// No quorum of lease nodes, or no database. Nothing happened; trying again later helps.
    #[error("the service is not available: {0}")]
    Unavailable(String),
    /// It may have been granted. Asking again with the same key tells.
    #[error("whether the order was granted is not known")]
    Unknown,
    /// A fault of ours. Nothing happened.
    #[error("the order could not be worked on: {0}")]
    Internal(String),
}

impl GrantError {
    /// Reads an error of a statement that changes nothing.
    fn of_read(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::NotMigrated => {
                Self::Unavailable(error.to_string())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

/// Grants orders under leases. Cloning is cheap and shares everything.
#[derive(Clone, Debug)]
pub struct Leased {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    store: Store,
    leases: Leases,
    config: GrantConfig,
    desks: Mutex<HashMap<SaleId, Arc<Desk>>>,
    /// Bounds how many orders look up a sale at once: when it opens, thousands come together.
    opening: Semaphore,
    combiners: TaskTracker,
    stop: CancellationToken,
}

impl Leased {
    /// Grants with these leases and this store.
    #[must_use]
    pub fn new(store: Store, leases: Leases, config: GrantConfig) -> Self {
        let shared = Shared {
            store,
            leases,
            config,
            desks: Mutex::default(),
            opening: Semaphore::new(OPENING_MAX),
            combiners: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Works on one order, and answers when what it comes to is committed.
    ///
    /// # Errors
    ///
    /// See [`GrantError`]: only [`GrantError::Unknown`] leaves open whether it was granted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future withdraws the order if it still waits. If it was being written, it may be
    /// granted, and asking again with the same key tells.
    pub async fn buy(&self, sale: SaleId, mut order: Order) -> Result<Outcome, GrantError> {
        // A desk can retire between finding it and queueing at it: once is chance, often is a bug.
        const DESKS_MAX: usize = 5;
        let deadline = Instant::now() + self.shared.config.patience;
        for _ in 0..DESKS_MAX {
            let desk = tokio::time::timeout_at(deadline, self.desk(sale)).await;
            let desk = desk.map_err(|_| GrantError::Busy)??;
            match desk.submit(order, deadline).await {
                Ok(answer) => return answer,
                Err(Closed(back)) => order = *back,
            }
        }
        Err(GrantError::Busy)
    }

    /// Ends granting: orders that wait are still worked on, then every lease is given back. Call it
    /// when no order can arrive any more.
    pub async fn close(&self) {
        self.shared.stop.cancel();
        let _more = self.shared.combiners.close();
        self.shared.combiners.wait().await;
    }

    async fn desk(&self, id: SaleId) -> Result<Arc<Desk>, GrantError> {
        if let Some(desk) = self.open_desk(id) {
            return Ok(desk);
        }
        let _permit = self.shared.opening.acquire().await.map_err(|_| GrantError::Busy)?;
        if let Some(desk) = self.open_desk(id) {
            return Ok(desk);
        }
        let row = self.shared.store.sale(id).await.map_err(|error| GrantError::of_read(&error))?;
        let row = row.ok_or(GrantError::NoSuchSale)?;
        let sale = row.sale().map_err(|error| GrantError::of_read(&error))?;
        let mut desks = self.shared.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = desks.get(&id).filter(|desk| !desk.is_closed()) {
            return Ok(Arc::clone(desk));
        }
        desks.retain(|_, desk| !desk.is_closed());
        if desks.len() >= self.shared.config.sales_max || self.shared.stop.is_cancelled() {
            return Err(GrantError::Busy);
        }
        let (desk, tickets) = Desk::new(sale, self.shared.config.queue_max);
        let combiner = Combiner::new(
            Arc::clone(&desk),
            tickets,
            self.shared.store.clone(),
            self.shared.leases.clone(),
            self.shared.config.clone(),
            self.shared.stop.clone(),
        )
        .map_err(|error| GrantError::Internal(error.to_string()))?;
        drop(self.shared.combiners.spawn(combiner.run()));
        let _closed = desks.insert(id, Arc::clone(&desk));
        Ok(desk)
    }

    fn open_desk(&self, id: SaleId) -> Option<Arc<Desk>> {
        let desks = self.shared.desks.lock().unwrap_or_else(PoisonError::into_inner);
        desks.get(&id).filter(|desk| !desk.is_closed()).map(Arc::clone)
    }
}
