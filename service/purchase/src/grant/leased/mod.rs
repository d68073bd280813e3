//! The strategy `leased`: requests of a sale are gathered by each replica and granted in batches by
//! the one that holds the sale's lease.

mod batch;
mod combiner;
mod desk;
mod pace;
mod turn;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use leasehold::Leases;
use tokio::time::Instant;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    combiner::Combiner,
    desk::{Closed, Desk},
};
use super::{Answer, GrantConfig, GrantError, Strategy};
use crate::{
    domain::{Request, SaleId},
    live::Tally,
    store::Store,
};

/// Grants requests under leases.
#[derive(Debug)]
pub(super) struct Leased {
    store: Store,
    leases: Leases,
    config: GrantConfig,
    tally: Arc<Tally>,
    desks: Mutex<HashMap<SaleId, Arc<Desk>>>,
    combiners: TaskTracker,
    stop: CancellationToken,
}

impl Leased {
    pub(super) fn new(
        store: Store,
        leases: Leases,
        config: GrantConfig,
        tally: Arc<Tally>,
        stop: CancellationToken,
    ) -> Self {
        let (desks, combiners) = (Mutex::default(), TaskTracker::new());
        Self { store, leases, config, tally, desks, combiners, stop }
    }

    /// The desk of a sale; the sale is there.
    fn desk(&self, id: SaleId) -> Result<Arc<Desk>, GrantError> {
        let mut desks = self.desks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(desk) = desks.get(&id).filter(|desk| !desk.is_closed()) {
            return Ok(Arc::clone(desk));
        }
        desks.retain(|_, desk| !desk.is_closed());
        if desks.len() >= self.config.sales_max || self.stop.is_cancelled() {
            return Err(GrantError::Busy);
        }
        let (desk, tickets) = Desk::new(id, self.config.queue_max);
        let combiner = Combiner::new(
            Arc::clone(&desk),
            tickets,
            self.store.clone(),
            self.leases.clone(),
            self.config.clone(),
            Arc::clone(&self.tally),
            self.stop.clone(),
        )
        .map_err(|error| GrantError::Internal(error.to_string()))?;
        drop(self.combiners.spawn(combiner.run()));
        let _closed = desks.insert(id, Arc::clone(&desk));
        Ok(desk)
    }
}

impl Strategy for Leased {
    async fn submit(&self, sale: SaleId, mut request: Request, deadline: Instant) -> Answer {
        // A desk can retire between finding it and queueing at it: once is chance, often is a bug.
        const DESKS_MAX: usize = 5;
        for _ in 0..DESKS_MAX {
            let desk = self.desk(sale)?;
            match desk.submit(request, deadline).await {
                Ok(answer) => return answer,
                Err(Closed(back)) => request = *back,
            }
        }
        Err(GrantError::Busy)
    }

    async fn tidy(&self, sale: SaleId) {
        match self.desk(sale) {
            Ok(desk) => desk.tidy.notify_one(),
            Err(error) => tracing::debug!(sale.id = %sale, %error, "a sale cannot be tidied"),
        }
    }

    async fn close(&self) {
        // Requests that wait are still worked on, then every lease is given back.
        let _more = self.combiners.close();
        self.combiners.wait().await;
    }
}
