//! What the live page shows, in two reads.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::{Moment, SaleId};

/// A replica's row.
#[derive(Clone, Debug, FromRow)]
pub struct ReplicaRow {
    /// Its name.
    pub name: String,
    /// Since when it runs, in milliseconds since 1970.
    pub started_at: i64,
    /// How long ago it was last seen, in milliseconds.
    pub seen_ago_ms: i64,
    /// How it fares, as JSON of its own.
    pub stats: String,
}

/// How a sale's writes went lately.
#[derive(Clone, Debug, FromRow)]
pub struct Activity {
    sale_id: Uuid,
    /// Accepted writes in the last minute.
    pub batches: i64,
    /// Units that they sold or reserved.
    pub units: i64,
    /// Of those, in the last seconds: see [`RATE_MS`].
    pub units_lately: i64,
    /// Who wrote last.
    pub replica: String,
    /// The fencing token of that write, if it had one.
    pub token: Option<i64>,
    /// When that was, in milliseconds since 1970.
    pub written_at: i64,
}

impl Activity {
    /// Of which sale.
    #[must_use]
    pub const fn sale(&self) -> SaleId {
        SaleId::from_uuid(self.sale_id)
    }
}

/// Over which time rates are taken, in milliseconds.
pub const RATE_MS: i64 = 3000;

impl Store {
    /// All replicas that were seen lately, by name.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn replicas(&self, limit: i64) -> Result<Vec<ReplicaRow>, StoreError> {
        let ask = sqlx::query(
            "select name, started_at, greatest(leasehold_now() - seen_at, 0) as seen_ago_ms, stats \
             from replicas order by name limit $1",
        )
        .bind(limit);
        self.ask(ask).await?.all()
    }

    /// The sales that were written to in the last minute, the latest first.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn activity(&self, limit: i64) -> Result<(Vec<Activity>, Moment), StoreError> {
        let now = self.now().await?;
        let ask = sqlx::query(
            "select sale_id, count(*) filter (where units > 0) as batches, sum(units)::bigint as units, \
             coalesce(sum(units) filter (where written_at > $1 - $2), 0)::bigint as units_lately, \
             (array_agg(replica order by version desc))[1] as replica, \
             (array_agg(token order by version desc))[1] as token, max(written_at) as written_at \
             from batches where written_at > $1 - 60000 group by sale_id order by max(written_at) desc limit $3",
        )
        .bind(now.as_millis())
        .bind(RATE_MS)
        .bind(limit);
        Ok((self.ask(ask).await?.all()?, now))
    }
}
