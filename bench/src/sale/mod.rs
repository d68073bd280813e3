//! `bench sale`: one hot sale, each way to grant it, on the same servers and replicas.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

mod market;
pub(crate) mod plain;
mod wire;

use std::time::Duration;

use self::market::{Lane, Market, Measured};
use crate::stats::{float, median, median_ratio};

const STRATEGIES: [&str; 5] = ["leased", "row_lock", "optimistic", "event_log", "queue"];

/// What the others are compared with.
const BESIDE: Lane = Lane::Strategy("row_lock");

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Replicas, each a process of its own
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=16))]
    replicas: u16,

    /// Strategies; the row lock is always one of them
    #[arg(long, value_delimiter = ',', default_values = STRATEGIES, value_parser = STRATEGIES)]
    strategies: Vec<String>,

    /// Buyers at once, each on a connection of its own, who buy again as soon as they were answered
    #[arg(long, value_delimiter = ',', default_value = "1,64,2000")]
    buyers: Vec<usize>,

    /// Buyers of the rush for a hundred tickets; 0 for none
    #[arg(long, default_value_t = 2000)]
    rush: usize,

    /// Rounds of each strategy, interleaved
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a round in milliseconds
    #[arg(long, default_value_t = 3000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,
}

impl Args {
    fn lanes(&self) -> Vec<Lane> {
        let is_wanted = |name: &&'static str| {
            Lane::Strategy(name) == BESIDE || self.strategies.iter().any(|wanted| wanted == name)
        };
        STRATEGIES.into_iter().filter(is_wanted).map(Lane::Strategy).collect()
    }
}

#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let market = Market::open(args.replicas).await?;
    println!(
        "one sale, {} replicas, 3 lease nodes, durable servers; medians of {} interleaved rounds of {} ms;",
        args.replicas, args.rounds, args.round_ms
    );
    println!("ratios are of rounds side by side\n");
    for &buyers in &args.buyers {
        let mut lanes = args.lanes();
        lanes.extend([Lane::SoldOut("leased"), Lane::Statement, Lane::Nothing]);
        let mut all = Measured::of(&lanes)?;
        for _ in 0..args.rounds {
            for measured in &mut all {
                let length = Duration::from_millis(args.round_ms);
                market.closed_loop(buyers, length, measured).await?;
            }
        }
        println!(
            "{buyers} buyers:          answered/s, to row_lock, to no-op, p50 ms, p99 ms, turned away"
        );
        print(&all);
        if let Some(bytes) = market.memory() {
            println!("  most memory of a replica: {:.1} MiB\n", float(bytes) / 1024.0 / 1024.0);
        }
    }
    if args.rush > 0 {
        let mut all = Measured::of(&args.lanes())?;
        for _ in 0..args.rounds {
            for measured in &mut all {
                market.rush(args.rush, measured).await?;
            }
        }
        println!(
            "a hundred tickets for {} buyers: all told/s, to row_lock, –, p50 ms, p99 ms, turned away",
            args.rush
        );
        print(&all);
    }
    Ok(())
}

fn print(all: &[Measured]) {
    let ratio = |one: &Measured, beside: Lane| {
        let beside = all.iter().find(|measured| measured.lane == beside);
        beside.map_or(f64::NAN, |beside| median_ratio(&one.rates, &beside.rates))
    };
    for measured in all {
        let ms = |quantile| float(measured.times.value_at_quantile(quantile)) / 1000.0;
        println!(
            "  {:<17} {:>9.1} {:>8.2} {:>8.2} {:>8.2} {:>8.2} {:>6}",
            measured.lane.name(),
            median(measured.rates.iter().copied()),
            ratio(measured, BESIDE),
            ratio(measured, Lane::Nothing),
            ms(0.5),
            ms(0.99),
            measured.turned_away
        );
    }
    println!();
}
