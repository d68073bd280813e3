//! Reading, without touching a lock.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, StoreError, settle};
use crate::domain::{Currency, Money, PurchaseId, Sale, SaleId};

/// A sale as it stands.
#[derive(Clone, Debug, FromRow)]
pub struct SaleRow {
    /// Its id.
    pub id: Uuid,
    /// What people call it.
    pub name: String,
    /// Price of one unit, in minor units.
    pub unit_price_minor: i64,
    /// The price's currency.
    pub currency: String,
    /// How its units are granted.
    pub strategy: String,
    /// How many units there are.
    pub capacity: i32,
    /// How many are sold.
    pub sold: i32,
}

impl SaleRow {
    /// What never changes about it.
    ///
    /// # Errors
    ///
    /// When the row holds what the rules refuse.
    pub fn sale(&self) -> Result<Sale, StoreError> {
        let price = Currency::new(&self.currency)
            .and_then(|currency| Money::price(self.unit_price_minor, currency))
            .map_err(|invalid| StoreError::Corrupt(invalid.to_string()))?;
        Ok(Sale { id: SaleId::from_uuid(self.id), name: self.name.clone(), unit_price: price })
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_sold_out(&self) -> bool {
        self.sold >= self.capacity
    }
}

/// A purchase, with the token of the lease under which it was granted.
#[derive(Clone, Debug, FromRow)]
pub struct PurchaseRow {
    /// Its id.
    pub id: Uuid,
    /// What was bought.
    pub sale_id: Uuid,
    /// Who bought.
    pub buyer: String,
    /// How many units.
    pub quantity: i32,
    /// Price of all of them.
    pub total_minor: i64,
    /// The price's currency.
    pub currency: String,
    /// The fencing token of the batch.
    pub token: i64,
    /// Which replica granted it.
    pub replica: String,
    /// When, as RFC 3339 in UTC.
    pub created_at: String,
}

impl Store {
    /// One sale; `None` when there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sale(&self, id: SaleId) -> Result<Option<SaleRow>, StoreError> {
        let mut connection = self.connection().await?;
        let ask = sqlx::query_as::<_, SaleRow>(
            "select id, name, unit_price_minor, currency, strategy, capacity, sold from sales where id = $1",
        )
        .bind(id.as_uuid())
        .fetch_optional(&mut *connection);
        let answer = tokio::time::timeout(self.limit, ask).await;
        settle(connection, answer)
    }

    /// One purchase; `None` when there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn purchase(&self, id: PurchaseId) -> Result<Option<PurchaseRow>, StoreError> {
        let mut connection = self.connection().await?;
        let ask = sqlx::query_as::<_, PurchaseRow>(
            "select p.id, p.sale_id, p.buyer, p.quantity, p.total_minor, p.currency, b.token, b.replica, \
             to_char(p.created_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') as created_at \
             from purchases p join batches b on b.sale_id = p.sale_id and b.version = p.batch where p.id = $1",
        )
        .bind(id.as_uuid())
        .fetch_optional(&mut *connection);
        let answer = tokio::time::timeout(self.limit, ask).await;
        settle(connection, answer)
    }
}
