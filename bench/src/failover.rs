//! `bench failover`: for how long nobody is granted anything after a holder, a node or Postgres fails.
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

mod contestant;
mod database;
mod departure;
mod holder;
mod node;
mod table;

use std::time::Duration;

use anyhow::ensure;
use clap::ValueEnum as _;
use leasehold_stack::Persistence;

pub(crate) use self::holder::hold;
use self::{
    contestant::Kind,
    database::{Shops, Strategy},
    table::{Measured, Round},
};
use crate::{progress::Rounds, report::Report, servers::Servers};

/// The hidden command by which this program starts itself.
pub(crate) const HOLDER: &str = "failover-holder";

/// Shorter leases would be lost by a busy machine, longer ones take too long to wait for.
const TTL_MS: std::ops::RangeInclusive<u64> = 200..=60_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    /// The process that holds the lease is killed (SIGKILL)
    HolderKilled,
    /// It is stopped (SIGSTOP) for longer than the TTL, and goes on later
    HolderPaused,
    /// It releases, since it was asked to end
    HolderLeaves,
    /// One lease node is killed while two clients take turns
    NodeKilled,
    /// Postgres is killed and started again while buyers buy through two replicas
    PostgresRestarted,
}

#[derive(Clone, Debug, clap::Args, serde::Serialize)]
pub(crate) struct Args {
    /// Lifetimes of leases in milliseconds, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "250,1000,3000", value_parser = clap::value_parser!(u64).range(TTL_MS))]
    ttl_ms: Vec<u64>,

    /// Only these faults
    #[arg(long, value_enum, value_delimiter = ',')]
    faults: Vec<Fault>,

    /// Lease nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,

    /// Rounds of each contestant, interleaved
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Seed of the moments in which faults happen
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What all rounds of a lifetime share.
struct Site<'a> {
    servers: &'a mut Servers,
    ttl: Duration,
    random: fastrand::Rng,
}

pub(crate) async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let wanted = |fault: &Fault| args.faults.is_empty() || args.faults.contains(fault);
    let faults: Vec<Fault> = Fault::value_variants().iter().copied().filter(wanted).collect();
    let with_nodes = |fault: &Fault| *fault != Fault::NodeKilled || args.nodes > 2;
    ensure!(faults.iter().all(with_nodes), "of fewer than three nodes none can be spared");
    println!(
        "time until somebody is granted something again, {} durable nodes; medians of {} interleaved rounds,",
        args.nodes, args.rounds
    );
    println!("least and most in brackets; ratios are of rounds side by side\n");
    println!("{}", table::HEAD);
    for &ttl_ms in &args.ttl_ms {
        let ttl = Duration::from_millis(ttl_ms);
        let random = fastrand::Rng::with_seed(args.seed ^ ttl_ms);
        let mut servers = Servers::start(usize::from(args.nodes), Persistence::Durable).await?;
        report.on(&servers.stack).await?;
        let mut site = Site { servers: &mut servers, ttl, random };
        for &fault in &faults {
            let measured = match fault {
                Fault::PostgresRestarted => database_rounds(args, ttl, report).await?,
                _ => lease_rounds(args, fault, &mut site).await?,
            };
            for one in &measured {
                println!("{}", one.row(fault.name(), measured.first()));
                one.tell(report, fault.name(), args.nodes);
            }
        }
        println!();
    }
    Ok(())
}

async fn lease_rounds(
    args: &Args,
    fault: Fault,
    site: &mut Site<'_>,
) -> anyhow::Result<Vec<Measured>> {
    let mut all: Vec<(Kind, Measured)> =
        Kind::ALL.map(|kind| (kind, Measured::new(kind.name(), site.ttl))).into();
    let about = format!("{}, TTL {:?}", fault.name(), site.ttl);
    let progress = Rounds::new(&about, args.rounds, all.len());
    for number in 0..args.rounds {
        for (kind, measured) in &mut all {
            progress.next(kind.name());
            let round = if fault == Fault::NodeKilled {
                node::round(site, *kind, number).await?
            } else {
                departure::round(site, *kind, fault, number).await?
            };
            measured.add(round);
        }
    }
    Ok(all.into_iter().map(|(_, measured)| measured).collect())
}

async fn database_rounds(
    args: &Args,
    ttl: Duration,
    report: &mut Report,
) -> anyhow::Result<Vec<Measured>> {
    let mut shops = Shops::open(usize::from(args.nodes), ttl).await?;
    report.on(shops.stack()).await?;
    let mut all: Vec<(Strategy, Measured)> =
        Strategy::ALL.map(|strategy| (strategy, Measured::new(strategy.name(), ttl))).into();
    let about = format!("{}, TTL {ttl:?}", Fault::PostgresRestarted.name());
    let progress = Rounds::new(&about, args.rounds, all.len());
    for _ in 0..args.rounds {
        for (strategy, measured) in &mut all {
            progress.next(strategy.name());
            let round: Round = shops.round(*strategy).await?;
            measured.add(round);
        }
    }
    Ok(all.into_iter().map(|(_, measured)| measured).collect())
}

impl Fault {
    const fn name(self) -> &'static str {
        match self {
            Self::HolderKilled => "holder killed",
            Self::HolderPaused => "holder paused",
            Self::HolderLeaves => "holder leaves",
            Self::NodeKilled => "node killed",
            Self::PostgresRestarted => "postgres restarted",
        }
    }
}

impl Site<'_> {
    /// A moment within a TTL, so that faults come at any time between two renewals.
    fn moment(&mut self) -> Duration {
        self.ttl.mul_f64(self.random.f64())
    }
}
