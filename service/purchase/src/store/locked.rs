//! A sale whose row is locked: the only transaction that lasts over several statements.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    About, Batch, Held, Store, StoreError,
    ask::{Answer, Ask},
    state::{SaleRow, ask_for_sale},
    writes::Rows,
};
use crate::domain::{Moment, SaleId, State};

/// A transaction that holds the lock on a sale's row. Dropping it closes its connection, by which the
/// server rolls back: nobody may get a connection from the pool in the middle of a transaction.
#[derive(Debug)]
pub struct Locked {
    /// There until the transaction has ended.
    connection: Option<Held>,
    limit: Duration,
}

impl Store {
    /// Begins a transaction, waits for the lock on a sale's row, and then reads the sale as it stands,
    /// and the database's time. `None` when there is no such sale.
    ///
    /// # Errors
    ///
    /// As the database says; nothing is written. [`StoreError::Unavailable`] also when the lock was not
    /// to be had in time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the transaction.
    pub async fn lock_sale(
        &self,
        sale: SaleId,
        about: &About,
    ) -> Result<Option<(Locked, State, Moment)>, StoreError> {
        let connection = self.connection().await?;
        let mut locked = Locked { connection: Some(connection), limit: self.limit };
        if let Err(error) = locked.run(sqlx::query("begin")).await {
            return Err(locked.fails(error).await);
        }
        let answer = match locked.run(ask_for_sale(sale, None, about, true)).await {
            Ok(answer) => answer,
            Err(error) => return Err(locked.fails(error).await),
        };
        let Some(row) = answer.optional::<SaleRow>()? else {
            locked.give_up().await;
            return Ok(None);
        };
        let (state, now) = row.read(sale)?;
        Ok(Some((locked, state, now)))
    }
}

impl Locked {
    /// Writes the outcome of one decision, and commits.
    ///
    /// # Errors
    ///
    /// See [`StoreError`]: only [`StoreError::Unknown`] leaves open whether it was written.
    pub async fn write(mut self, batch: Batch<'_>) -> Result<(), StoreError> {
        if let Err(error) = self.run(Rows::of(batch)?.write()).await {
            return Err(self.fails(error).await);
        }
        let _committed = self.run(sqlx::query("commit")).await?;
        self.connection = None;
        Ok(())
    }

    /// Ends the transaction; nothing is written.
    pub async fn give_up(mut self) {
        if self.run(sqlx::query("rollback")).await.is_ok() {
            self.connection = None;
        }
    }

    /// After a statement before the commit failed: also if its answer was lost, nothing is written.
    async fn fails(self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unknown(error) => StoreError::Unavailable(error),
            refused => {
                self.give_up().await;
                refused
            }
        }
    }

    async fn run(&mut self, ask: Ask) -> Result<Answer, StoreError> {
        let limit = self.limit;
        match timeout(limit, Answer::of(ask, self.held()?)).await {
            Ok(answer) => answer.map_err(StoreError::of),
            Err(_) => Err(StoreError::Unknown(sqlx::Error::PoolTimedOut)),
        }
    }

    fn held(&mut self) -> Result<&mut Held, StoreError> {
        self.connection.as_mut().ok_or(StoreError::Unavailable(sqlx::Error::PoolClosed))
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }
}
