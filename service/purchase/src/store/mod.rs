//! Postgres: the only room that knows SQL.
//!
//! Every call but one is a single statement without a transaction of the caller's: there is no `begin`
//! that a dropped future could leave open on a pooled connection, and no connection is held between two
//! round trips. The one is [`Store::lock_sale`], which takes care of that.

mod ask;
mod check;
mod chores;
mod commands;
mod deliveries;
mod error;
mod gate;
mod live;
mod locked;
mod log;
mod migrations;
mod reads;
mod room;
mod sales;
mod state;
mod stream;
mod terms;
#[cfg(feature = "faults")]
mod unfenced;
mod webhooks;
mod writes;

use std::{str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub use check::DatabaseReport;
pub use commands::{CommandRan, Ran};
pub use deliveries::{DeliveryEnd, OpenDelivery, Pending, Target};
pub use error::StoreError;
use gate::{Gate, Held};
pub use live::{Activity, RATE_MS, ReplicaRow};
pub use locked::Locked;
pub use log::EventRead;
pub use migrations::MigrationReport;
pub use reads::ClaimRead;
pub use sales::Made;
pub use state::About;
pub use stream::News;
pub use webhooks::{Refused, WebhookMade};
pub use writes::Batch;
pub(crate) use writes::granted_units;

/// Settings of the connections to Postgres. Not `Debug`: the address holds a password.
#[derive(Clone)]
#[expect(missing_debug_implementations, reason = "the address holds a password")]
pub struct StoreConfig {
    /// `postgres://user:password@host:port/database`.
    pub url: String,
    /// What the connections are for, in metrics.
    pub name: &'static str,
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
    gate: Gate,
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
        let gate = Gate::new(pool, config.name, config.connections_max, limit);
        Ok(Self { gate, limit: limit + PATIENCE })
    }

    /// Whether Postgres answers and has all tables that this program needs; newer ones do not matter.
    ///
    /// # Errors
    ///
    /// When it does not.
    pub async fn ping(&self) -> Result<(), StoreError> {
        let ask = sqlx::query(
            "select exists (select from _sqlx_migrations where version = $1 and success)",
        )
        .bind(migrations::newest());
        let (is_there,) = self.ask(ask).await?.one()?;
        if is_there { Ok(()) } else { Err(StoreError::NotMigrated) }
    }

    /// Exports how the connections are used.
    pub fn export(&self) {
        self.gate.export();
    }

    /// Closes every connection once it is idle.
    pub async fn close(&self) {
        self.gate.close().await;
    }

    /// Nothing has been sent when this fails.
    async fn connection(&self) -> Result<Held, StoreError> {
        self.gate.pass().await.map_err(StoreError::Unavailable)
    }
}
