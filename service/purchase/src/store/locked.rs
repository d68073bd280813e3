//! A sale whose row is locked: the only transaction that lasts over several statements.

use std::time::Duration;

use tokio::time::timeout;

use super::{About, Batch, Held, Store, StoreError, state::ask_for_sale, writes::Rows};
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
        if let Err(error) = locked.run("begin").await {
            return Err(locked.fails(error).await);
        }
        let ask = ask_for_sale(locked.held()?, sale, None, about, true);
        let read = match timeout(self.limit, ask).await {
            Ok(Ok(row)) => row,
            Ok(Err(error)) => return Err(locked.fails(StoreError::of(error)).await),
            Err(_) => return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
        };
        let Some(row) = read else {
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
        let limit = self.limit;
        let rows = Rows::of(batch)?;
        match timeout(limit, rows.send(self.held()?)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(self.fails(StoreError::of(error)).await),
            Err(_) => return Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)),
        }
        self.run("commit").await?;
        self.connection = None;
        Ok(())
    }

    /// Ends the transaction; nothing is written.
    pub async fn give_up(mut self) {
        if self.run("rollback").await.is_ok() {
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

    async fn run(&mut self, statement: &'static str) -> Result<(), StoreError> {
        let limit = self.limit;
        let ask = sqlx::query(statement).execute(&mut **self.held()?);
        match timeout(limit, ask).await {
            Ok(done) => done.map(|_| ()).map_err(StoreError::of),
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
