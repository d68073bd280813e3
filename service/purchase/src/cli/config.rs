//! What can be set. `--help` is the documentation; every option names its variable.

use std::{net::SocketAddr, path::Path, time::Duration};

use anyhow::Context as _;
use clap::Args;
use leasehold::LeaseConfig;
use leasehold_kit::auth::{KeyDigest, Keys};

use crate::{grant::GrantConfig, store::StoreConfig};

/// Where the database is.
#[derive(Args)]
pub(super) struct DatabaseArgs {
    /// Address of Postgres 14 or later: postgres://user:password@host:port/database
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,

    /// A file that holds the address instead, for deployments that mount secrets
    #[arg(long, env = "DATABASE_URL_FILE")]
    database_url_file: Option<String>,

    /// Connections to Postgres kept at most, a third of them for reading alone: more make a hot row
    /// slower
    #[arg(long, env = "LEASEHOLD_DATABASE_CONNECTIONS", default_value_t = 9, value_parser = clap::value_parser!(u32).range(2..=200))]
    database_connections: u32,

    /// How long a statement may run, in milliseconds
    #[arg(long, env = "LEASEHOLD_STATEMENT_TIMEOUT_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(100..=60_000))]
    statement_timeout_ms: u64,
}

/// How a replica runs.
#[derive(Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Address to listen on; port 0 takes a free one. The first line on standard output names it
    #[arg(long, env = "LEASEHOLD_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Addresses of the lease nodes, separated by commas: an odd number of independent Redis or
    /// Valkey servers, redis://[user:password@]host:port
    #[arg(long, env = "REDIS_URLS", hide_env_values = true)]
    redis_urls: Option<String>,

    /// A file that holds them instead
    #[arg(long, env = "REDIS_URLS_FILE")]
    redis_urls_file: Option<String>,

    /// SHA-256 of the API key of programs that sell, as `purchase hash-key` prints it
    #[arg(long, env = "LEASEHOLD_BUYER_KEY_SHA256", hide_env_values = true)]
    buyer_key_sha256: Option<String>,

    /// A file that holds it instead
    #[arg(long, env = "LEASEHOLD_BUYER_KEY_SHA256_FILE")]
    buyer_key_sha256_file: Option<String>,

    /// SHA-256 of the administrator's API key
    #[arg(long, env = "LEASEHOLD_ADMIN_KEY_SHA256", hide_env_values = true)]
    admin_key_sha256: Option<String>,

    /// A file that holds it instead
    #[arg(long, env = "LEASEHOLD_ADMIN_KEY_SHA256_FILE")]
    admin_key_sha256_file: Option<String>,

    /// This replica's name in logs and in the log of batches [default: the host's name and the
    /// process id]
    #[arg(long, env = "LEASEHOLD_REPLICA")]
    replica: Option<String>,

    /// How long a lease lives without renewal, in milliseconds: so long a sale stands still when
    /// the replica that grants is killed
    #[arg(long, env = "LEASEHOLD_LEASE_TTL_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(200..=60_000))]
    lease_ttl_ms: u64,

    /// How long one lease node may take to answer, in milliseconds
    #[arg(long, env = "LEASEHOLD_NODE_TIMEOUT_MS", default_value_t = 250, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    node_timeout_ms: u64,

    /// How long a turn lasts while other replicas may be waiting, in milliseconds
    #[arg(long, env = "LEASEHOLD_TURN_MS", default_value_t = 200, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    turn_ms: u64,

    /// How long an order may take before its buyer is told that it did not happen or is not known,
    /// in milliseconds
    #[arg(long, env = "LEASEHOLD_PATIENCE_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=120_000))]
    patience_ms: u64,

    /// How long the lease nodes or Postgres may be away before buyers are told so, in milliseconds
    #[arg(long, env = "LEASEHOLD_OUTAGE_PATIENCE_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(0..=120_000))]
    outage_patience_ms: u64,

    /// After SIGTERM: how long /readyz says no while everything is still served, in milliseconds.
    /// Longer than the load balancer needs to notice
    #[arg(long, env = "LEASEHOLD_DRAIN_MS", default_value_t = 5000, value_parser = clap::value_parser!(u64).range(0..=300_000))]
    drain_ms: u64,
}

/// Settings that were checked against each other.
pub(super) struct ServeConfig {
    pub(super) listen: SocketAddr,
    /// For selling.
    pub(super) store: StoreConfig,
    /// For reading, so that readers cannot keep sellers waiting for a connection.
    pub(super) reads: StoreConfig,
    pub(super) redis_urls: Vec<String>,
    pub(super) lease: LeaseConfig,
    pub(super) grant: GrantConfig,
    pub(super) keys: Keys,
    pub(super) drain: Duration,
}

impl DatabaseArgs {
    pub(super) fn store(self) -> anyhow::Result<StoreConfig> {
        let url = value(self.database_url, self.database_url_file, "DATABASE_URL")?;
        let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
        let known = matches!(scheme, "postgres" | "postgresql");
        anyhow::ensure!(known, "DATABASE_URL must begin with postgres://");
        Ok(StoreConfig {
            url,
            connections_max: self.database_connections,
            statement_timeout: Duration::from_millis(self.statement_timeout_ms),
        })
    }
}

impl ServeArgs {
    pub(super) fn check(self) -> anyhow::Result<ServeConfig> {
        let urls = value(self.redis_urls, self.redis_urls_file, "REDIS_URLS")?;
        let redis_urls: Vec<String> = urls
            .split(',')
            .map(str::trim)
            .filter(|url| !url.is_empty())
            .map(str::to_owned)
            .collect();
        let digest = |given, file, name: &str| -> anyhow::Result<KeyDigest> {
            value(given, file, name)?.parse().with_context(|| format!("{name} cannot be read"))
        };
        let keys = Keys {
            buyer: digest(
                self.buyer_key_sha256,
                self.buyer_key_sha256_file,
                "LEASEHOLD_BUYER_KEY_SHA256",
            )?,
            admin: digest(
                self.admin_key_sha256,
                self.admin_key_sha256_file,
                "LEASEHOLD_ADMIN_KEY_SHA256",
            )?,
        };
        anyhow::ensure!(
            keys.buyer != keys.admin,
            "the buyer's and the administrator's API key must differ"
        );
        let replica = self.replica.unwrap_or_else(default_name);
        anyhow::ensure!(
            (1..=64).contains(&replica.len()) && !replica.chars().any(char::is_control),
            "a replica's name has 1 to 64 bytes without control characters"
        );
        let mut store = self.database.store()?;
        let mut reads = store.clone();
        reads.connections_max = (store.connections_max / 3).max(1);
        store.connections_max -= reads.connections_max;
        Ok(ServeConfig {
            listen: self.listen,
            store,
            reads,
            redis_urls,
            lease: LeaseConfig {
                ttl: Duration::from_millis(self.lease_ttl_ms),
                node_timeout: Duration::from_millis(self.node_timeout_ms),
                // Turns are short; a combiner that hangs must not hold a sale for long.
                lifetime_max: Duration::from_secs(60),
                ..LeaseConfig::default()
            },
            grant: GrantConfig {
                patience: Duration::from_millis(self.patience_ms),
                outage_patience: Duration::from_millis(self.outage_patience_ms),
                turn_max: Duration::from_millis(self.turn_ms),
                ..GrantConfig::new(&replica)
            },
            keys,
            drain: Duration::from_millis(self.drain_ms),
        })
    }
}

/// A value that is given, or stands in a file; exactly one of the two.
fn value(given: Option<String>, file: Option<String>, name: &str) -> anyhow::Result<String> {
    match (given, file) {
        (Some(_), Some(_)) => anyhow::bail!("set {name} or {name}_FILE, not both"),
        (Some(value), None) => Ok(value),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(Path::new(&path));
            let text = text.with_context(|| format!("{name}_FILE {path:?} cannot be read"))?;
            Ok(text.trim().to_owned())
        }
        (None, None) => anyhow::bail!("{name} is not set (or {name}_FILE; see --help)"),
    }
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|c| !c.is_control()).take(40).collect();
    let host = if host.is_empty() { "replica".to_owned() } else { host };
    format!("{host}-{}", std::process::id())
}
