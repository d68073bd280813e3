//! The strategy `row_lock`: a transaction that locks the sale's row before it reads it.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::Way;
use crate::{
    domain::{Outcome, Request, SaleId},
    grant::{
        GrantConfig,
        decision::{count, decided},
    },
    store::{About, Batch, Store, StoreError},
};

/// Locks, reads, decides, writes, commits.
#[derive(Debug)]
pub(in crate::grant) struct RowLock {
    store: Store,
    replica: Arc<str>,
    /// Sales of which nothing was left when it was last looked: a hint only, to look without the lock
    /// first. Whoever comes too late would otherwise queue for the row as long as those who buy.
    sold_out: Mutex<HashSet<SaleId>>,
    sales_max: usize,
}

impl RowLock {
    pub(in crate::grant) fn new(store: Store, config: &GrantConfig) -> Self {
        let replica = Arc::clone(&config.replica);
        Self { store, replica, sold_out: Mutex::default(), sales_max: config.sales_max }
    }

    fn seems_sold_out(&self, sale: SaleId) -> bool {
        self.sold_out.lock().unwrap_or_else(PoisonError::into_inner).contains(&sale)
    }

    fn note(&self, sale: SaleId, sold_out: bool) {
        let mut sales = self.sold_out.lock().unwrap_or_else(PoisonError::into_inner);
        if !sold_out {
            let _was = sales.remove(&sale);
        } else if sales.len() < self.sales_max {
            let _new = sales.insert(sale);
        }
    }

    /// The outcomes, if nothing has to be written for them.
    async fn refused(
        &self,
        sale: SaleId,
        requests: &[Request],
        about: &About,
    ) -> Result<Option<Vec<Outcome>>, StoreError> {
        let read = self.store.read_sale(sale, None, about).await?;
        let (state, now) = read.ok_or_else(|| StoreError::gone(sale))?;
        let decision = decided(state, now, requests.iter())?;
        let refused = decision.events.is_empty() && decision.outcomes.len() == requests.len();
        Ok(refused.then_some(decision.outcomes))
    }
}

impl Way for RowLock {
    async fn attempt(
        &self,
        sale: SaleId,
        requests: &[Request],
    ) -> Result<Vec<Outcome>, StoreError> {
        let about = About::at_a_glance(requests.iter());
        let only_buy = requests.iter().all(|request| request.command.only_buys());
        if only_buy
            && self.seems_sold_out(sale)
            && let Some(outcomes) = self.refused(sale, requests, &about).await?
        {
            return Ok(outcomes);
        }
        let locked = self.store.lock_sale(sale, &about).await?;
        let (locked, state, now) = locked.ok_or_else(|| StoreError::gone(sale))?;
        let version = state.version;
        let decision = decided(state, now, requests.iter())?;
        self.note(sale, decision.state.left() == 0);
        if decision.events.is_empty() {
            locked.give_up().await;
            return Ok(decision.outcomes);
        }
        #[cfg(feature = "faults")]
        crate::faults::reach("before_write");
        let replica = &self.replica;
        let batch = Batch { sale, stamp: None, version, replica, decision: &decision };
        locked.write(batch).await?;
        #[cfg(feature = "faults")]
        crate::faults::reach("after_write");
        count(&decision);
        Ok(decision.outcomes)
    }
}
