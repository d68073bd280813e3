//! The fenced writes.

use leasehold::Stamp;
use sqlx::FromRow;

use super::{Store, StoreError, settle};
use crate::domain::{Fingerprint, Grant, IdempotencyKey, Known, Receipt, SaleId, Stock, Stored};

/// One batch of grants, as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// What is sold.
    pub sale: SaleId,
    /// Under which lease.
    pub stamp: &'a Stamp,
    /// The version of the sale that was decided from.
    pub version: i64,
    /// Who writes, for the log.
    pub replica: &'a str,
    /// What is granted; not empty.
    pub grants: &'a [Grant],
}

impl Store {
    /// Begins a turn: claims the fence, then reads the sale's stock, and what those of `keys` that
    /// were granted before were answered. `None` when there is no such sale.
    ///
    /// # Errors
    ///
    /// [`StoreError::Stale`] when a newer holder has claimed; otherwise as the database says.
    pub async fn begin_turn(
        &self,
        sale: SaleId,
        stamp: &Stamp,
        keys: &[&IdempotencyKey],
    ) -> Result<Option<(Stock, Known)>, StoreError> {
        let mut connection = self.connection().await?;
        let ask = sqlx::query_as::<_, TurnRow>("select * from begin_turn($1, $2, $3, $4, $5)")
            .bind(sale.as_uuid())
            .bind(stamp.resource.as_str())
            .bind(stamp.token.as_i64())
            .bind(stamp.holder.to_string())
            .bind(texts(keys))
            .fetch_one(&mut *connection);
        let answer = tokio::time::timeout(self.limit, ask).await;
        let row = settle(connection, answer)?;
        let (Some(capacity), Some(sold), Some(version)) = (row.capacity, row.sold, row.version)
        else {
            return Ok(None);
        };
        let stock = Stock { capacity: units(capacity)?, sold: units(sold)?, version };
        let replies = row.known_keys.into_iter().zip(row.known_fingerprints).zip(row.known_bodies);
        let known = known(replies.map(|((key, fingerprint), body)| (key, fingerprint, body)))?;
        Ok(Some((stock, known)))
    }

    /// Writes one batch of grants, all or nothing.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]: only [`StoreError::Unknown`] leaves open whether it was written.
    pub async fn write_batch(&self, batch: Batch<'_>) -> Result<(), StoreError> {
        #[cfg(feature = "faults")]
        let statement =
            if crate::faults::fence_is_off() { super::unfenced::WRITE_BATCH } else { WRITE_BATCH };
        #[cfg(not(feature = "faults"))]
        let statement = WRITE_BATCH;
        let each = batch.grants.iter();
        let ids: Vec<_> = each.clone().map(|grant| grant.order.purchase.as_uuid()).collect();
        let keys: Vec<&str> = each.clone().map(|grant| grant.order.key.as_str()).collect();
        let fingerprints: Vec<&[u8]> =
            each.clone().map(|grant| &grant.order.fingerprint.as_bytes()[..]).collect();
        let buyers: Vec<&str> = each.clone().map(|grant| grant.order.buyer.as_str()).collect();
        let quantities: Vec<i32> =
            each.clone().map(|grant| grant.order.quantity.get().cast_signed()).collect();
        let bodies: Vec<&str> = each.map(|grant| grant.receipt.as_str()).collect();
        let mut connection = self.connection().await?;
        let ask = sqlx::query(statement)
            .bind(batch.sale.as_uuid())
            .bind(batch.stamp.resource.as_str())
            .bind(batch.stamp.token.as_i64())
            .bind(batch.stamp.holder.to_string())
            .bind(batch.version)
            .bind(batch.replica)
            .bind(ids)
            .bind(keys)
            .bind(fingerprints)
            .bind(buyers)
            .bind(quantities)
            .bind(bodies)
            .execute(&mut *connection);
        let answer = tokio::time::timeout(self.limit, ask).await;
        settle(connection, answer).map(|_| ())
    }

    /// What these keys of a sale were answered before; keys that were not are left out.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn known(&self, sale: SaleId, keys: &[&IdempotencyKey]) -> Result<Known, StoreError> {
        let mut connection = self.connection().await?;
        let ask = sqlx::query_as::<_, (String, Vec<u8>, String)>(
            "select key, fingerprint, body from replies where scope = $1 and key = any($2)",
        )
        .bind(sale.as_uuid())
        .bind(texts(keys))
        .fetch_all(&mut *connection);
        let answer = tokio::time::timeout(self.limit, ask).await;
        known(settle(connection, answer)?)
    }
}

#[derive(FromRow)]
struct TurnRow {
    capacity: Option<i32>,
    sold: Option<i32>,
    version: Option<i64>,
    known_keys: Vec<String>,
    known_fingerprints: Vec<Vec<u8>>,
    known_bodies: Vec<String>,
}

fn texts<'a>(keys: &[&'a IdempotencyKey]) -> Vec<&'a str> {
    keys.iter().map(|key| key.as_str()).collect()
}

/// Reads stored replies: key, fingerprint, body.
fn known(rows: impl IntoIterator<Item = (String, Vec<u8>, String)>) -> Result<Known, StoreError> {
    rows.into_iter()
        .map(|(key, fingerprint, body)| {
            let key = IdempotencyKey::new(&key)
                .map_err(|invalid| StoreError::Corrupt(invalid.to_string()))?;
            let fingerprint = Fingerprint::from_stored(&fingerprint)
                .ok_or_else(|| StoreError::Corrupt("a fingerprint of another length".to_owned()))?;
            Ok((key, Stored { fingerprint, receipt: Receipt::from_stored(body) }))
        })
        .collect()
}

const WRITE_BATCH: &str = "select write_batch($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)";

fn units(count: i32) -> Result<u32, StoreError> {
    u32::try_from(count).map_err(|_| StoreError::Corrupt(format!("{count} units")))
}
