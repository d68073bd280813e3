//! Postgres: the only room that knows SQL.
//!
//! Every call is one statement without a transaction of the caller's: there is no `begin` that a
//! dropped future could leave open on a pooled connection, and no connection is held between two
//! round trips.

mod error;
mod grants;
mod reads;
mod sales;
#[cfg(feature = "faults")]
mod unfenced;

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::error::Elapsed;

pub use error::StoreError;
pub use grants::Batch;
pub use reads::{PurchaseRow, SaleRow};
pub use sales::Made;

/// Settings of the connections to Postgres. Not `Debug`: the address holds a password.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "the address holds a password")]
pub struct StoreConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// Connections kept at most. More make a hot row slower, not faster.
    pub connections_max: u32,
    /// How long to wait for a connection, and how long a statement may then run on the server before
    /// it is rolled back. Default: 2 s each.
    pub statement_timeout: Duration,
}

/// How much longer than the server's own limit the client waits for its word: past it, the
/// connection is dead or the server stopped.
const PATIENCE: Duration = Duration::from_millis(1000);

/// A connection that was idle for longer is asked whether it still lives before it is used: after a
/// restart of Postgres, each would otherwise fail one statement.
const IDLE_UNASKED: Duration = Duration::from_secs(1);

/// Connections made ahead, so that the first buyers of a sale do not wait for them.
const CONNECTIONS_MIN: u32 = 2;

/// Sales, purchases and the fence in Postgres. Cloning is cheap and shares the connections.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    limit: Duration,
}

impl Store {
    /// A store on this database. Connects on first use.
    ///
    /// # Errors
    ///
    /// When the URL cannot be read.
    pub fn new(config: &StoreConfig) -> Result<Self, StoreError> {
        let limit = config.statement_timeout;
        let ms = |span: Duration| span.as_millis().to_string();
        let options = PgConnectOptions::from_str(&config.url)
            .map_err(StoreError::Url)?
            .application_name("leasehold-purchase")
            .options([
                ("statement_timeout", ms(limit)),
                // A stopped holder's claim must not keep the next holder's waiting for longer.
                ("lock_timeout", ms(limit / 2)),
                ("idle_in_transaction_session_timeout", ms(limit / 2)),
                // A killed replica's statement is cancelled instead of holding its row.
                ("client_connection_check_interval", "200".to_owned()),
            ]);
        let pool = PgPoolOptions::new()
            .max_connections(config.connections_max)
            .min_connections(CONNECTIONS_MIN.min(config.connections_max))
            .acquire_timeout(limit)
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > IDLE_UNASKED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(options);
        Ok(Self { pool, limit: limit + PATIENCE })
    }

    /// Makes or updates tables and functions, the fence's included. Run by an explicit command,
    /// never on the way to serving; two at once wait for each other.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, does not keep text as UTF-8, or a migration fails or
    /// was changed after it ran.
    pub async fn migrate(url: &str) -> Result<(), StoreError> {
        // A connection of its own, without the limits of serving: a migration takes its time.
        let options = PgConnectOptions::from_str(url).map_err(StoreError::Url)?;
        let options = options.application_name("leasehold-migrate");
        let connecting = PgConnection::connect_with(&options).await;
        let mut connection = connecting.map_err(StoreError::Unavailable)?;
        let encoding: String = sqlx::query_scalar("show server_encoding")
            .fetch_one(&mut connection)
            .await
            .map_err(StoreError::of)?;
        if encoding != "UTF8" {
            return Err(StoreError::Encoding(encoding));
        }
        leasehold::fence::install(&mut connection).await.map_err(StoreError::of)?;
        sqlx::migrate!().run(&mut connection).await.map_err(StoreError::Migrate)?;
        connection.close().await.map_err(StoreError::of)
    }

    /// Whether Postgres answers and has our tables.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let mut connection = self.connection().await?;
        let ask = sqlx::query("select 1 from sales limit 1").execute(&mut *connection);
        let answer = tokio::time::timeout(self.limit, ask).await;
        settle(connection, answer).map(|_| ())
    }

    /// Connections in use and idle.
    #[must_use]
    pub fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Closes every connection once it is idle.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Nothing has been sent when this fails.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, StoreError> {
        self.pool.acquire().await.map_err(StoreError::Unavailable)
    }
}

/// Reads what a statement came to. A connection whose answer did not come in time is closed: a
/// pool that waited for that answer would wait as long.
fn settle<T>(
    connection: PoolConnection<Postgres>,
    answer: Result<Result<T, sqlx::Error>, Elapsed>,
) -> Result<T, StoreError> {
    match answer {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(StoreError::of(error)),
        Err(Elapsed { .. }) => {
            drop(connection.detach());
            Err(StoreError::Unknown(sqlx::Error::PoolTimedOut))
        }
    }
}
