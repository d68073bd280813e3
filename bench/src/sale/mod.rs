//! `bench sale`: one hot sale, each way to grant it, on the same servers and replicas.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

mod answers;
mod closed;
mod cost;
mod database;
mod figures;
pub(crate) mod growth;
mod lane;
mod ledger;
mod market;
mod measured;
mod offer;
mod open;
pub(crate) mod plain;
mod rush;
mod wire;

use std::time::Duration;

use self::{
    lane::{ENOUGH, Lane},
    market::Market,
    measured::{BESIDE, Measured, print},
};
use crate::{
    progress::Rounds,
    report::{Case, Report, span},
    stats::float,
};

const STRATEGIES: [&str; 5] = ["leased", "row_lock", "optimistic", "event_log", "queue"];

/// What there is in the rush.
const RUSH_TICKETS: u32 = 100;

#[derive(Clone, Debug, clap::Args, serde::Serialize)]
pub(crate) struct Args {
    /// Replicas, each a process of its own
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    replicas: u16,

    /// Strategies; the row lock is always one of them
    #[arg(long, value_delimiter = ',', default_values = STRATEGIES, value_parser = STRATEGIES)]
    strategies: Vec<String>,

    /// Closed loop: buyers at once, each on a connection of its own, who buy again as soon as they were
    /// answered; 0 for none
    #[arg(long, value_delimiter = ',', default_value = "1,64,2000")]
    buyers: Vec<usize>,

    /// Open loop: buyers who come in a second, on a schedule, whether others wait or not; their wait counts
    /// from when they were to ask; 0 for none
    #[arg(long, value_delimiter = ',', default_value = "500,2000")]
    arrivals: Vec<u32>,

    /// Open loop: how many may be under way; who comes then does not ask, and is counted
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    under_way: u32,

    /// Open loop: tickets of each sale, so that some are refused; otherwise enough for all
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    tickets: Option<u32>,

    /// Buyers of the rush for a hundred tickets; 0 for none
    #[arg(long, default_value_t = 2000)]
    rush: usize,

    /// Rounds of each strategy, interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a round in milliseconds
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,
}

impl Args {
    fn strategies(&self) -> Vec<Lane> {
        let is_wanted = |name: &&'static str| {
            Lane::Strategy(name) == BESIDE || self.strategies.iter().any(|wanted| wanted == name)
        };
        STRATEGIES.into_iter().filter(is_wanted).map(Lane::Strategy).collect()
    }

    /// The strategies, and what they are compared with.
    fn lanes(&self) -> Vec<Lane> {
        let mut lanes = self.strategies();
        lanes.extend([Lane::SoldOut("leased"), Lane::Statement, Lane::Read, Lane::Nothing]);
        lanes
    }

    /// `load` says how buyers come.
    fn case(&self, load: &str) -> Case {
        Case::default().with("load", load).with("replicas", u64::from(self.replicas))
    }

    fn length(&self) -> Duration {
        Duration::from_millis(self.round_ms)
    }
}

pub(crate) async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let market = Market::open(args.replicas, report).await?;
    println!(
        "one sale, {} replicas, 3 lease nodes, durable servers; medians of {} interleaved rounds of {} ms;",
        args.replicas, args.rounds, args.round_ms
    );
    println!("ratios are of all answers in rounds side by side");
    println!("after each round, Postgres has what was acknowledged, or this ends with an error");
    println!("the database's limit: the one statement without HTTP, {}\n", market.limit().how());
    for &buyers in args.buyers.iter().filter(|&&buyers| buyers > 0) {
        closed_loop(args, &market, buyers, report).await?;
    }
    if let Some(&buyers) = args.buyers.iter().max().filter(|&&buyers| buyers > 0) {
        at_one_replica(args, &market, buyers, report).await?;
    }
    for &arrivals in args.arrivals.iter().filter(|&&arrivals| arrivals > 0) {
        open_loop(args, &market, arrivals, report).await?;
    }
    if args.rush > 0 {
        rush_in(args, &market, report).await?;
    }
    Ok(())
}

async fn closed_loop(
    args: &Args,
    market: &Market,
    buyers: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (length, mut lanes) = (args.length(), args.lanes());
    lanes.insert(lanes.len() - 1, Lane::Database);
    let mut all = Measured::of(&lanes)?;
    let progress = Rounds::new(&format!("{buyers} buyers"), args.rounds, all.len());
    for _ in 0..args.rounds {
        for measured in &mut all {
            progress.next(&measured.lane.name());
            let offer = market.endless_offer(measured.lane).await?;
            let connections = market.connect(&offer, buyers).await?;
            let run = async {
                match measured.lane {
                    Lane::Database => market.limit().run(buyers, length).await,
                    _ => closed::run(connections, length).await,
                }
            };
            let round = market.round(&offer, length / 2, run).await?;
            measured.add(round, length)?;
        }
    }
    drop(progress);
    print(&format!("closed loop, {buyers} buyers:"), &all);
    cost::print(&all);
    let case = args.case("closed loop").with("buyers", buyers);
    figures::tell(report, &case, &all);
    if let Some(bytes) = market.memory() {
        let mib = float(bytes) / 1024.0 / 1024.0;
        println!("  most memory of a replica so far: {mib:.1} MiB\n");
        let case = args.case("all strategies so far").with("buyers", buyers);
        let _entry = report.of("a replica", case).lower("most memory", "MiB", vec![mib]);
    }
    Ok(())
}

/// The most memory of a replica that has all buyers to itself: a new one, which has served nobody else.
async fn at_one_replica(
    args: &Args,
    market: &Market,
    buyers: usize,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (length, mut mib) = (args.length(), Vec::new());
    for number in 0..args.rounds {
        let market = market.beside(&format!("alone_{number}"), 1).await?;
        let offer = market.endless_offer(Lane::Strategy("leased")).await?;
        let connections = market.connect(&offer, buyers).await?;
        let _round = market.round(&offer, length / 2, closed::run(connections, length)).await?;
        mib.extend(market.memory().map(|bytes| float(bytes) / 1024.0 / 1024.0));
    }
    println!("most memory of a replica that has {buyers} buyers: {} MiB\n", span(&mib));
    let case = Case::default().with("load", "all at one replica").with("buyers", buyers);
    let _entry = report.of("a replica", case).lower("most memory", "MiB", mib);
    Ok(())
}

async fn open_loop(
    args: &Args,
    market: &Market,
    arrivals: u32,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (under_way, length) = (usize::try_from(args.under_way)?, args.length());
    let mut all = Measured::of(&args.lanes())?;
    let progress = Rounds::new(&format!("{arrivals} arrivals/s"), args.rounds, all.len());
    for _ in 0..args.rounds {
        for measured in &mut all {
            progress.next(&measured.lane.name());
            let offer = market.offer(measured.lane, args.tickets.unwrap_or(ENOUGH)).await?;
            let connections = market.connect(&offer, under_way).await?;
            let run = open::run(connections, arrivals, length);
            let round = market.round(&offer, length / 2, run).await?;
            measured.add(round, length)?;
        }
    }
    drop(progress);
    let what = format!(
        "open loop, {arrivals} arrivals/s, at most {under_way} under way; waits from when they were to ask:"
    );
    print(&what, &all);
    cost::print(&all);
    let case = args.case("open loop").with("arrivals per second", u64::from(arrivals));
    figures::tell(report, &case.with("under way at most", under_way), &all);
    Ok(())
}

async fn rush_in(args: &Args, market: &Market, report: &mut Report) -> anyhow::Result<()> {
    let mut all = Measured::of(&args.strategies())?;
    let expected = u64::from(RUSH_TICKETS).min(u64::try_from(args.rush)?);
    let progress = Rounds::new(&format!("a rush of {}", args.rush), args.rounds, all.len());
    for _ in 0..args.rounds {
        for measured in &mut all {
            progress.next(&measured.lane.name());
            let offer = market.offer(measured.lane, RUSH_TICKETS).await?;
            let connections = market.connect(&offer, args.rush).await?;
            let mut took = Duration::ZERO;
            let run = async {
                let (answers, all_told) = rush::run(connections).await?;
                took = all_told;
                Ok(answers)
            };
            let round = market.round(&offer, Duration::ZERO, run).await?;
            let bought = round.0.granted.all;
            anyhow::ensure!(bought == expected, "{bought} bought of {expected}");
            measured.add(round, took)?;
        }
    }
    drop(progress);
    print(&format!("{RUSH_TICKETS} tickets for {} buyers at once:", args.rush), &all);
    cost::print(&all);
    figures::tell(report, &args.case("rush").with("buyers", args.rush), &all);
    Ok(())
}
