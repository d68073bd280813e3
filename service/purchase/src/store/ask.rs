//! Sending one statement, and what it is answered.

use futures_util::TryStreamExt as _;
use sqlx::{
    Either, Execute as _, Executor as _, FromRow, PgConnection, Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tokio::time::timeout;

use super::{Store, StoreError};

/// A statement with its arguments.
pub(super) type Ask = Query<'static, Postgres, PgArguments>;

/// How often a statement is sent in all that the server ends for others' sake. Of those who block each
/// other one goes on, so it takes others again to be in the way a second time.
const TRIES_MAX: u32 = 3;

/// What a statement was answered.
pub(super) struct Answer {
    rows: Vec<PgRow>,
    /// How many rows it wrote.
    pub(super) written: u64,
}

impl Store {
    /// Sends a statement, and again at once if the server ended it for others' sake: each time is a
    /// transaction of its own, and nothing is left of the one before.
    pub(super) async fn ask(&self, mut ask: Ask) -> Result<Answer, StoreError> {
        let arguments = ask.take_arguments().map_err(sqlx::Error::Encode);
        let arguments = arguments.map_err(StoreError::of)?.unwrap_or_default();
        let statement = ask.sql();
        let mut tries = 1;
        loop {
            let ask = sqlx::query_with(statement.clone(), arguments.clone());
            match self.ask_once(ask).await {
                Err(error) if error.is_victim() && tries < TRIES_MAX => tries += 1,
                ended => return ended,
            }
        }
    }

    /// Sends a statement once. For those of a decision, which is taken again as a whole: retries
    /// within retries multiply.
    pub(super) async fn ask_once(&self, ask: Ask) -> Result<Answer, StoreError> {
        let mut connection = self.connection().await?;
        match timeout(self.limit, Answer::of(ask, &mut connection)).await {
            Ok(answer) => answer.map_err(StoreError::of),
            Err(_) => {
                // A pool that waited for its answer would wait as long.
                connection.discard();
                Err(StoreError::Unknown(sqlx::Error::PoolTimedOut))
            }
        }
    }
}

impl Answer {
    /// Sends a statement on this connection.
    pub(super) async fn of(ask: Ask, connection: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let mut answer = Self { rows: Vec::new(), written: 0 };
        let mut parts = connection.fetch_many(ask);
        while let Some(part) = parts.try_next().await? {
            match part {
                Either::Left(done) => answer.written += done.rows_affected(),
                Either::Right(row) => answer.rows.push(row),
            }
        }
        drop(parts);
        Ok(answer)
    }

    /// Its rows.
    pub(super) fn all<T: for<'r> FromRow<'r, PgRow>>(self) -> Result<Vec<T>, StoreError> {
        self.rows.iter().map(T::from_row).collect::<Result<_, _>>().map_err(StoreError::of)
    }

    /// Its first row, if there is one.
    pub(super) fn optional<T: for<'r> FromRow<'r, PgRow>>(self) -> Result<Option<T>, StoreError> {
        self.rows.first().map(T::from_row).transpose().map_err(StoreError::of)
    }

    /// Its first row; for a statement that has one whatever the tables hold.
    pub(super) fn one<T: for<'r> FromRow<'r, PgRow>>(self) -> Result<T, StoreError> {
        self.optional()?.ok_or_else(|| StoreError::of(sqlx::Error::RowNotFound))
    }
}
