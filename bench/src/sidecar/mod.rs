//! `bench sidecar`: what leases cost through the sidecar, beside the crate alone on the same servers; and what
//! it costs to hold many.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

pub(crate) mod bare;
mod client;
mod hold;
mod hop;

use std::time::Duration;

use anyhow::Context as _;
use leasehold::{LeaseConfig, Leases, Resource};
use leasehold_stack::{Persistence, Program, Sidecar, SidecarConfig};

use self::{client::Door, hold::Kept};
use crate::{
    report::Report,
    servers::{Servers, TTL},
    stats::median,
};

/// The name under which this program is a sidecar.
pub(crate) const PROGRAM: &str = "lease-sidecar";

/// Long, so that a busy machine makes a round slow and not a failure.
const NODE_TIMEOUT: Duration = Duration::from_secs(4);

#[derive(Clone, Debug, clap::Args, serde::Serialize)]
pub(crate) struct Args {
    /// How many nodes, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "3")]
    nodes: Vec<usize>,

    /// Rounds of each contestant, interleaved; and of holding many, each with a sidecar of its own
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a round of acquiring and releasing in milliseconds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,

    /// Leases held at once through one sidecar; 0 for none
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=200_000))]
    leases: u32,

    /// How long the leases are held in milliseconds, while nobody asks for anything
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1000..=600_000))]
    hold_ms: u64,

    /// Let nodes write every grant to disk before they answer, as in production
    #[arg(long)]
    durable: bool,
}

/// Values of all rounds: their median, and the least and the most.
pub(crate) struct Spread(Vec<f64>);

pub(crate) async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let persistence = if args.durable { Persistence::Durable } else { Persistence::None };
    for &nodes in &args.nodes {
        let servers = Servers::start(nodes, persistence).await?;
        report.on(&servers.stack).await?;
        println!(
            "{nodes} nodes; medians of {} interleaved rounds, least and most in brackets; ratios are of rounds side by side\n",
            args.rounds
        );
        hop::run(&servers, args, report).await?;
        for kept in [Kept::ByLink, Kept::ByRenewal] {
            if args.leases > 0 {
                hold::run(&servers, args, kept, report).await?;
            }
        }
    }
    Ok(())
}

/// Leases as the sidecar has them: see its `ServeArgs::lease`.
async fn leases(servers: &Servers) -> anyhow::Result<Leases> {
    with_settings(servers.stack.redis_urls()).await
}

async fn with_settings<I>(urls: I) -> anyhow::Result<Leases>
where
    I: IntoIterator<Item: AsRef<str>>,
{
    let config = LeaseConfig {
        ttl: TTL,
        node_timeout: NODE_TIMEOUT,
        lifetime_max: Duration::from_secs(168 * 3600),
        turns_max: 1,
        ..LeaseConfig::default()
    };
    let leases = Leases::connect(urls, config)?;
    // Nodes without data wait for a TTL before they vote.
    let _first = leases.acquire(&Resource::new("bench/first")?, TTL * 6).await?;
    Ok(leases)
}

/// A sidecar, and where it listens: on a port, or on a socket of its own name.
async fn sidecar(
    servers: &Servers,
    name: &str,
    env: &[(&str, String)],
) -> anyhow::Result<(Sidecar, Door)> {
    let path = std::env::current_exe().context("the path of this program is not known")?;
    let program = Program { path, args: vec![PROGRAM.into()] };
    let mut config = SidecarConfig::on(&servers.stack, program)
        .env("LEASEHOLD_NODE_TIMEOUT_MS", NODE_TIMEOUT.as_millis().to_string())
        .env("LEASEHOLD_LEASE_TTL_MS", TTL.as_millis().to_string());
    for (key, value) in env {
        config = config.env(key, value);
    }
    let sidecar = config.start(name).await?;
    let door = Door::at(sidecar.url())?;
    Ok((sidecar, door))
}

impl Spread {
    fn median(&self) -> f64 {
        median(self.0.iter().copied())
    }

    /// With so many digits behind the point.
    fn show(&self, digits: usize) -> String {
        let least = self.0.iter().copied().fold(f64::INFINITY, f64::min);
        let most = self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        format!("{:.digits$} ({least:.digits$}–{most:.digits$})", self.median())
    }
}
