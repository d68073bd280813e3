//! What Postgres holds of one sale.

use anyhow::Context as _;
use sqlx::{Connection as _, FromRow, PgConnection};
use uuid::Uuid;

/// One purchase.
#[derive(Clone, Debug, FromRow)]
pub struct PurchaseRow {
    /// Its id.
    pub id: Uuid,
    /// Who bought.
    pub buyer: String,
    /// How many units.
    pub quantity: i32,
    /// The version of the sale that its batch made.
    pub batch: i64,
}

/// One accepted write.
#[derive(Clone, Debug, FromRow)]
pub struct BatchRow {
    /// The version of the sale that it made.
    pub version: i64,
    /// The fencing token that it carried.
    pub token: i64,
    /// Who wrote it.
    pub replica: String,
    /// How many purchases were in it.
    pub purchases: i32,
    /// How many units.
    pub units: i32,
}

/// One stored reply.
#[derive(Clone, Debug, FromRow)]
pub struct ReplyRow {
    /// The idempotency key.
    pub key: String,
    /// The purchase that the reply is about.
    pub purchase_id: Uuid,
}

/// Everything that Postgres holds of one sale, read in one snapshot.
#[derive(Clone, Debug)]
pub struct Books {
    /// How many units there are.
    pub capacity: i32,
    /// How many the sale's own row says are sold.
    pub sold: i32,
    /// How many writes the sale's own row says were accepted.
    pub version: i64,
    /// All purchases.
    pub purchases: Vec<PurchaseRow>,
    /// All batches, in the order in which they were accepted.
    pub batches: Vec<BatchRow>,
    /// All replies.
    pub replies: Vec<ReplyRow>,
}

impl Books {
    /// Reads the books of a sale.
    ///
    /// # Errors
    /// When the database cannot be read, or has no such sale.
    pub async fn read(database_url: &str, sale: Uuid) -> anyhow::Result<Self> {
        let mut connection =
            PgConnection::connect(database_url).await.context("the books cannot be opened")?;
        let mut tx =
            connection.begin_with("begin isolation level repeatable read read only").await?;
        let (capacity, sold, version): (i32, i32, i64) =
            sqlx::query_as("select capacity, sold, version from sales where id = $1")
                .bind(sale)
                .fetch_one(&mut *tx)
                .await?;
        let purchases =
            sqlx::query_as("select id, buyer, quantity, batch from purchases where sale_id = $1")
                .bind(sale)
                .fetch_all(&mut *tx)
                .await?;
        let batches = sqlx::query_as(
            "select version, token, replica, purchases, units from batches where sale_id = $1 order by version",
        )
        .bind(sale)
        .fetch_all(&mut *tx)
        .await?;
        let replies = sqlx::query_as(
            "select key, (body::json ->> 'purchase_id')::uuid as purchase_id from replies where scope = $1",
        )
        .bind(sale)
        .fetch_all(&mut *tx)
        .await?;
        tx.rollback().await?;
        connection.close().await?;
        Ok(Self { capacity, sold, version, purchases, batches, replies })
    }

    /// How many different tokens the accepted writes carried: how many turns there were.
    #[must_use]
    pub fn turns(&self) -> usize {
        let mut tokens: Vec<i64> = self.batches.iter().map(|batch| batch.token).collect();
        tokens.sort_unstable();
        tokens.dedup();
        tokens.len()
    }

    /// How many units a replica sold, in how many batches.
    #[must_use]
    pub fn by_replica(&self, name: &str) -> (i32, usize) {
        let its = self.batches.iter().filter(|batch| batch.replica == name);
        (its.clone().map(|batch| batch.units).sum(), its.count())
    }
}

/// A sale of three units, two of them sold in two batches, and what the three buyers were told.
#[cfg(test)]
pub(super) fn sound() -> (Books, Vec<crate::Answered>) {
    use crate::{Answered, Told};
    let id = Uuid::from_u128;
    let purchase = |n: u128| PurchaseRow {
        id: id(n),
        buyer: format!("b{n}"),
        quantity: 1,
        batch: i64::try_from(n).unwrap(),
    };
    let batch = |version, token| BatchRow {
        version,
        token,
        replica: "r".to_owned(),
        purchases: 1,
        units: 1,
    };
    let reply = |n: u128| ReplyRow { key: format!("k{n}"), purchase_id: id(n) };
    let told = |n: u128, told| Answered {
        buyer: format!("b{n}"),
        key: format!("k{n}"),
        told,
        after: std::time::Duration::ZERO,
        replica: 0,
        tries: 1,
    };
    let books = Books {
        capacity: 2,
        sold: 2,
        version: 2,
        purchases: vec![purchase(1), purchase(2)],
        batches: vec![batch(1, 1024), batch(2, 2048)],
        replies: vec![reply(1), reply(2)],
    };
    (books, vec![told(1, Told::Yes(id(1))), told(2, Told::Unknown), told(3, Told::No)])
}

#[cfg(test)]
mod tests {
    #[test]
    fn sound_books_have_no_violation() {
        let (books, told) = super::sound();
        assert_eq!(super::super::violations(&books, &told), Vec::<String>::new());
    }
}
