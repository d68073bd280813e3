//! The strategy `optimistic`: read without a lock, decide, write if the version is still the same.

use std::sync::Arc;

use super::Way;
use crate::{
    domain::{Outcome, Request, SaleId},
    grant::{
        GrantConfig,
        decision::{count, decided},
    },
    store::{About, Batch, Store, StoreError},
};

/// Expects the sale to be as it was read. The version is kept here and in the store: no rule knows
/// of it.
#[derive(Debug)]
pub(in crate::grant) struct Optimistic {
    store: Store,
    replica: Arc<str>,
}

impl Optimistic {
    pub(in crate::grant) fn new(store: Store, config: &GrantConfig) -> Self {
        Self { store, replica: Arc::clone(&config.replica) }
    }
}

impl Way for Optimistic {
    async fn attempt(
        &self,
        sale: SaleId,
        requests: &[Request],
    ) -> Result<Vec<Outcome>, StoreError> {
        let read = self.store.read_sale(sale, None, &About::at_a_glance(requests.iter())).await?;
        let (state, now) = read.ok_or_else(|| StoreError::gone(sale))?;
        let version = state.version;
        let decision = decided(state, now, requests.iter())?;
        if !decision.events.is_empty() {
            #[cfg(feature = "faults")]
            crate::faults::reach("before_write");
            let batch =
                Batch { sale, stamp: None, version, replica: &self.replica, decision: &decision };
            self.store.write_batch(batch).await?;
            #[cfg(feature = "faults")]
            crate::faults::reach("after_write");
            count(&decision);
        }
        Ok(decision.outcomes)
    }
}
