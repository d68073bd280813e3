//! Where the database is.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use leasehold_kit::cli::value;

use crate::store::StoreConfig;

/// Where the database is.
#[derive(Args)]
pub(super) struct DatabaseArgs {
    /// Address of Postgres 14 or later: postgres://user:password@host:port/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,

    /// A file that holds the address instead, for deployments that mount secrets
    #[arg(long, env = "DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,

    /// Connections to Postgres kept at most, a third of them for reading alone: more make a hot row
    /// slower
    #[arg(long, env = "LEASEHOLD_DATABASE_CONNECTIONS", default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=200))]
    database_connections: u32,

    /// How long a statement may run, in milliseconds
    #[arg(long, env = "LEASEHOLD_STATEMENT_TIMEOUT_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    statement_timeout_ms: u64,
}

impl DatabaseArgs {
    pub(super) fn store(&self) -> anyhow::Result<StoreConfig> {
        let url =
            value(self.database_url.as_deref(), self.database_url_file.as_deref(), "DATABASE_URL")?;
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = matches!(scheme, "postgres" | "postgresql");
        anyhow::ensure!(known, "DATABASE_URL must begin with postgres://");
        Ok(StoreConfig {
            url,
            name: "sell",
            connections_max: self.database_connections,
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
        })
    }
}
