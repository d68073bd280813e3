//! What can be set. `--help` is the documentation; every option names its variable.

use std::{net::SocketAddr, time::Duration};

use clap::Args;
use leasehold::LeaseConfig;
use leasehold_kit::cli::{
    edge::{Edge, EdgeArgs},
    nodes::NodesArgs,
};

use super::{PROGRAM, database::DatabaseArgs, retries::RetryArgs, webhooks::WebhookArgs};
use crate::{grant::GrantConfig, store::StoreConfig, webhook::WebhookConfig};

/// How a replica runs.
#[derive(Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    database: DatabaseArgs,

    /// Address to listen on; port 0 takes a free one. The first line on standard output names it
    #[arg(long, env = "LEASEHOLD_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    #[command(flatten)]
    nodes: NodesArgs,

    #[command(flatten)]
    edge: EdgeArgs,

    #[command(flatten)]
    webhooks: WebhookArgs,

    /// This replica's name in logs and in the log of batches [default: the host's name and the
    /// process id]
    #[arg(long, env = "LEASEHOLD_REPLICA")]
    replica: Option<String>,

    /// How long a lease lives without renewal, in milliseconds: so long a sale stands still when
    /// the replica that grants is killed
    #[arg(long, env = "LEASEHOLD_LEASE_TTL_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(200..=60_000))]
    lease_ttl_ms: u64,

    /// How long a turn lasts while other replicas may be waiting, in milliseconds. Longer gives a hot sale
    /// somewhat more throughput; buyers at the replicas that wait see it as latency
    #[arg(long, env = "LEASEHOLD_TURN_MS", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    turn_ms: u64,

    /// How long an order may take before its buyer is told that it did not happen or is not known,
    /// in milliseconds
    #[arg(long, env = "LEASEHOLD_PATIENCE_MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(100..=120_000))]
    patience_ms: u64,

    /// How long the lease nodes or Postgres may be away before buyers are told so, in milliseconds
    #[arg(long, env = "LEASEHOLD_OUTAGE_PATIENCE_MS", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(0..=120_000))]
    outage_patience_ms: u64,

    /// How many orders of one sale may wait in this replica, and how many commands of the strategy `queue` in
    /// each of its parts. Further ones are told 503 busy
    #[arg(long, env = "LEASEHOLD_QUEUE_MAX", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    queue_max: u32,

    #[command(flatten)]
    retries: RetryArgs,

    /// The name of the queue of sales with the strategy `queue`: of each deployment that shares the lease
    /// nodes, another
    #[arg(long, env = "LEASEHOLD_QUEUE_NAME", default_value = "purchase", value_parser = queue_name)]
    queue_name: String,

    /// How often this replica looks for reservations whose deadline has passed, in milliseconds.
    /// They count as free in any case; those who wait are offered them by then at the latest
    #[arg(long, env = "LEASEHOLD_SWEEP_MS", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(100..=86_400_000))]
    sweep_ms: u64,

    /// For how many hours a repeated Idempotency-Key gets its first answer again. One that comes
    /// later is a new request
    #[arg(long, env = "LEASEHOLD_REPLY_HOURS", default_value_t = 168, value_parser = clap::value_parser!(u64).range(1..=87_600))]
    reply_hours: u64,

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
    pub(super) edge: Edge,
    pub(super) webhooks: WebhookConfig,
    pub(super) drain: Duration,
}

impl ServeArgs {
    pub(super) fn check(&self) -> anyhow::Result<ServeConfig> {
        let redis_urls = self.nodes.urls()?;
        let edge = self.edge.check(PROGRAM)?;
        let mut grant = self.grant()?;
        let mut store = self.database.store()?;
        let mut reads = store.clone();
        reads.name = "read";
        reads.connections_max = (store.connections_max / 3).max(1);
        store.connections_max -= reads.connections_max;
        grant.transactions_max = store.connections_max as usize;
        Ok(ServeConfig {
            listen: self.listen,
            store,
            reads,
            redis_urls,
            lease: self.lease(),
            grant,
            edge,
            webhooks: self.webhooks.config(),
            drain: Duration::from_millis(self.drain_ms),
        })
    }

    pub(super) const fn database(&self) -> &DatabaseArgs {
        &self.database
    }

    pub(super) const fn edge(&self) -> &EdgeArgs {
        &self.edge
    }

    pub(super) const fn nodes(&self) -> &NodesArgs {
        &self.nodes
    }

    pub(super) fn lease(&self) -> LeaseConfig {
        LeaseConfig {
            ttl: Duration::from_millis(self.lease_ttl_ms),
            node_timeout: self.nodes.timeout(),
            // Turns are short; a combiner that hangs must not hold a sale for long.
            lifetime_max: Duration::from_secs(60),
            ..LeaseConfig::default()
        }
    }

    pub(super) fn grant(&self) -> anyhow::Result<GrantConfig> {
        let replica = self.replica.clone().unwrap_or_else(default_name);
        anyhow::ensure!(
            (1..=64).contains(&replica.len()) && !replica.chars().any(char::is_control),
            "a replica's name has 1 to 64 bytes without control characters"
        );
        Ok(GrantConfig {
            patience: Duration::from_millis(self.patience_ms),
            queue_max: self.queue_max as usize,
            queue_name: self.queue_name.as_str().into(),
            outage_patience: Duration::from_millis(self.outage_patience_ms),
            retries: self.retries.check()?,
            turn_max: Duration::from_millis(self.turn_ms),
            sweep_every: Duration::from_millis(self.sweep_ms),
            reply_age: Duration::from_secs(self.reply_hours * 3600),
            ..GrantConfig::new(&replica)
        })
    }
}

fn queue_name(text: &str) -> Result<String, String> {
    let is_usable = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if (1..=64).contains(&text.len()) && text.chars().all(is_usable) {
        Ok(text.to_owned())
    } else {
        Err("a queue's name has 1 to 64 characters of a-z, 0-9 and -".to_owned())
    }
}

fn default_name() -> String {
    let host = std::fs::read_to_string("/etc/hostname").unwrap_or_default();
    let host: String = host.trim().chars().filter(|c| !c.is_control()).take(40).collect();
    let host = if host.is_empty() { "replica".to_owned() } else { host };
    format!("{host}-{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::grant::{Pause, Retries};

    #[derive(Parser)]
    struct Serve {
        #[command(flatten)]
        args: ServeArgs,
    }

    fn retries(options: &[&str]) -> anyhow::Result<Retries> {
        let serve = Serve::try_parse_from([&["serve"], options].concat())?;
        Ok(serve.args.grant()?.retries)
    }

    #[test]
    fn retries_arrive_where_they_are_made() {
        // What the options say by default is what the code does by default.
        assert_eq!(retries(&[]).unwrap(), Retries::default());
        let ms = Duration::from_millis;
        let each = [
            "--retries-instant=1",
            "--retries-delayed=7",
            "--retries-pause-ms=5",
            "--retries-growth=exponential",
            "--retries-pause-max-ms=50",
        ];
        let pause = Pause::Exponential { first: ms(5), factor: 2.0, max: ms(50) };
        let expected = Retries { instant: 1, delayed: 7, pause, jitter: true };
        assert_eq!(retries(&each).unwrap(), expected);
        // Those that do not grow have no longest one.
        let pause = Pause::Fixed(ms(500));
        let fixed = ["--retries-growth=fixed", "--retries-pause-ms=500"];
        assert_eq!(retries(&fixed).unwrap(), Retries { pause, ..Retries::default() });
    }

    #[test]
    fn retries_that_make_no_sense_are_refused() {
        let refused = |options: &[&str], word: &str| {
            let why = retries(options).unwrap_err().to_string();
            assert!(why.contains(word), "{options:?}: {why}");
        };
        refused(&["--retries-pause-ms=101"], "LEASEHOLD_RETRIES_PAUSE_MAX_MS");
        refused(&["--retries-pause-ms=0"], "1..=60000");
        refused(&["--retries-instant=1001"], "0..=1000");
        refused(&["--retries-delayed=10001"], "0..=10000");
        refused(&["--retries-growth=linear"], "exponential");
    }
}
