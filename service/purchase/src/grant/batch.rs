//! One batch: decide, write, answer.

use leasehold::Lease;
use tokio::time::Instant;

use super::combiner::Combiner;
use crate::{
    domain::{Decision, Outcome, Stock, decide},
    store::{Batch, StoreError},
};

impl Combiner {
    /// One batch: decide, write, answer. Returns the stock after it.
    pub(super) async fn grant_once(
        &mut self,
        lease: &Lease,
        stock: Option<Stock>,
    ) -> Result<Stock, StoreError> {
        let (stock, looked_up) = match stock {
            Some(stock) => (stock, false),
            None => (self.begin(lease).await?, true),
        };
        let mut decision = self.decide(stock);
        // A refusal is final, so its key must not have been granted before. A grant needs no such
        // look: the write itself refuses a key that was.
        let refused: Vec<_> = (self.pending.iter().zip(&decision.outcomes))
            .filter(|(_, outcome)| matches!(outcome, Outcome::SoldOut { .. }))
            .map(|(ticket, _)| &ticket.order.key)
            .collect();
        if !looked_up && !refused.is_empty() {
            let found = self.store.known(self.desk.sale.id, &refused).await?;
            if !found.is_empty() {
                self.known.extend(found);
                decision = self.decide(stock);
            }
        }
        if !decision.grants.is_empty() {
            self.write(lease, stock, &decision).await?;
        }
        let after = decision.stock;
        self.answer(decision);
        if after.left() == 0 {
            self.believe_sold_out();
        }
        Ok(after)
    }

    /// Claims the fence, then reads: the stock, and the replies to the pending keys.
    async fn begin(&mut self, lease: &Lease) -> Result<Stock, StoreError> {
        let sale = self.desk.sale.id;
        let keys: Vec<_> = self.pending.iter().map(|ticket| &ticket.order.key).collect();
        let begun = self.store.begin_turn(sale, lease.stamp(), &keys).await?;
        let (stock, known) =
            begun.ok_or_else(|| StoreError::Corrupt(format!("no sale {sale} any more")))?;
        self.known = known;
        Ok(stock)
    }

    pub(super) fn decide(&self, stock: Stock) -> Decision {
        decide(&self.desk.sale, stock, self.pending.iter().map(|ticket| &ticket.order), &self.known)
    }

    async fn write(
        &mut self,
        lease: &Lease,
        stock: Stock,
        decision: &Decision,
    ) -> Result<(), StoreError> {
        #[cfg(feature = "faults")]
        crate::faults::reach("before_write");
        let batch = Batch {
            sale: self.desk.sale.id,
            stamp: lease.stamp(),
            version: stock.version,
            replica: &self.config.replica,
            grants: &decision.grants,
        };
        let begun = Instant::now();
        let written = self.store.write_batch(batch).await;
        #[cfg(feature = "faults")]
        crate::faults::reach("after_write");
        metrics::histogram!("leasehold_write_seconds").record(begun.elapsed().as_secs_f64());
        if matches!(written, Err(StoreError::Unknown(_))) {
            for ticket in &mut self.pending {
                ticket.maybe_written = true;
            }
        }
        written?;
        metrics::counter!("leasehold_batches_total").increment(1);
        #[expect(clippy::cast_precision_loss, reason = "a batch has at most thousands of orders")]
        metrics::histogram!("leasehold_batch_size").record(decision.grants.len() as f64);
        metrics::counter!("leasehold_units_granted_total").increment(decision.units().into());
        Ok(())
    }

    pub(super) fn answer(&mut self, decision: Decision) {
        for (ticket, outcome) in
            self.pending.drain(..decision.outcomes.len()).zip(decision.outcomes)
        {
            ticket.answer(Ok(outcome));
        }
    }
}
