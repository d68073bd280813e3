//! What has to be done now and then, by any replica.

use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::SaleId;

impl Store {
    /// Sales with reservations whose deadline has passed, or with units that are free for whoever waits
    /// longest: whoever should have offered them may have died before. And those that have ended while
    /// somebody waited.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sales_to_tidy(&self, limit: i64) -> Result<Vec<SaleId>, StoreError> {
        let ask = sqlx::query(
            "select s.id from sales s where s.held > 0 and exists (select from claims c \
             where c.sale_id = s.id and c.status = 'pending' and c.expires_at <= leasehold_now()) \
             union select s.id from sales s join lateral (select c.quantity from claims c \
             where c.sale_id = s.id and c.status = 'waiting' order by c.seq limit 1) first on true \
             where s.waiting > 0 and (s.closes_at <= leasehold_now() \
             or first.quantity <= s.capacity + s.allowance - s.sold - s.held \
             or first.quantity > s.capacity + s.allowance) limit $1",
        )
        .bind(limit);
        let sales = self.ask(ask).await?.all::<(Uuid,)>()?;
        Ok(sales.into_iter().map(|(sale,)| SaleId::from_uuid(sale)).collect())
    }

    /// Forgets replies that are older than this many milliseconds, at most `limit` of them, and says
    /// how many they were.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn forget_replies(&self, older_ms: i64, limit: i64) -> Result<u64, StoreError> {
        // Another replica may be at the same rows: it need not be waited for.
        let ask = sqlx::query(
            "delete from replies where ctid in (select ctid from replies \
             where created_at < leasehold_now() - $1 limit $2 for update skip locked)",
        )
        .bind(older_ms)
        .bind(limit);
        Ok(self.ask(ask).await?.written)
    }

    /// Notes that this replica lives, and how it fares; and forgets those that have been gone for
    /// long.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn beat(
        &self,
        replica: &str,
        started_ago_ms: i64,
        stats: &str,
        gone_ms: i64,
    ) -> Result<(), StoreError> {
        let ask = sqlx::query(
            "with gone as (delete from replicas where seen_at < leasehold_now() - $4 and name <> $1) \
             insert into replicas (name, started_at, seen_at, stats) \
             values ($1, leasehold_now() - $2, leasehold_now(), $3) \
             on conflict (name) do update set seen_at = excluded.seen_at, stats = excluded.stats, \
             started_at = case when abs(replicas.started_at - excluded.started_at) < 1000 \
             then replicas.started_at else excluded.started_at end",
        )
        .bind(replica)
        .bind(started_ago_ms)
        .bind(stats)
        .bind(gone_ms);
        self.ask(ask).await.map(drop)
    }
}
