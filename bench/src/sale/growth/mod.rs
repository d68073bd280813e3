//! `bench growth`: does a sale slow down as what is around it grows? Ratios to the smallest size.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

mod files;
mod history;
mod sizes;

use std::time::Duration;

use self::sizes::{Size, compare};
use super::{STRATEGIES, lane::ENOUGH, lane::Lane, market::Market};
use crate::report::{Case, Report};

#[derive(Clone, Debug, clap::Args, serde::Serialize)]
pub(crate) struct Args {
    /// Strategies
    #[arg(long, value_delimiter = ',', default_values = ["leased", "row_lock"], value_parser = STRATEGIES)]
    strategies: Vec<String>,

    /// Replicas that are asked, of as many as the largest of these numbers; 0 to leave this out
    #[arg(long, value_delimiter = ',', default_value = "1,2,4,8")]
    replicas: Vec<u16>,

    /// Sales at once, with as many buyers as the largest of these numbers in all of them; 0 to leave this out
    #[arg(long, value_delimiter = ',', default_value = "1,10,100,1000")]
    sales: Vec<usize>,

    /// Buyers who wait for an answer, each on a connection, which is an open file; 0 to leave this out
    #[arg(long, value_delimiter = ',', default_value = "100,1000,5000,20000")]
    waiting: Vec<u64>,

    /// People in the waiting list of a sale that is sold out, while others ask for what is not there; 0 to leave
    /// this out
    #[arg(long, value_delimiter = ',', default_value = "1,100,10000")]
    listed: Vec<u32>,

    /// Purchases that the sale has behind it, each size in a database of its own; 0 to leave this out. Ten
    /// million (10000000) take some minutes to write and about twelve gigabytes with each strategy
    #[arg(long, value_delimiter = ',', default_value = "1000,10000,100000,1000000")]
    history: Vec<u32>,

    /// Buyers at once where replicas or history grow
    #[arg(long, default_value_t = 64)]
    buyers: usize,

    /// Rounds of each size, interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a round in milliseconds
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,
}

/// What the people in a waiting list are called in a case.
const LISTED: &str = "in the waiting list";

/// Replicas where it is not them that grow.
const REPLICAS: u16 = 3;

impl Args {
    fn strategies(&self) -> impl Iterator<Item = &'static str> {
        STRATEGIES.into_iter().filter(|name| self.strategies.iter().any(|wanted| wanted == name))
    }

    async fn compare(
        &self,
        what: &str,
        beside: Case,
        sizes: Vec<Size<'_>>,
        report: &mut Report,
    ) -> anyhow::Result<()> {
        let length = Duration::from_millis(self.round_ms);
        compare(what, beside, sizes, self.rounds, length, report).await
    }
}

/// Without the zero that leaves something out.
fn wanted<N: Copy + Default + PartialEq>(sizes: &[N]) -> Vec<N> {
    sizes.iter().copied().filter(|size| *size != N::default()).collect()
}

pub(crate) async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    println!(
        "medians of {} interleaved rounds of {} ms, closed loop, 3 lease nodes, durable servers;",
        args.rounds, args.round_ms
    );
    println!("after each round, Postgres has what was acknowledged, or this ends with an error\n");
    // Before anything is started: what is started is given the same limit.
    let waiting = affordable(&wanted(&args.waiting), report);
    let replicas = wanted(&args.replicas);
    if let Some(&most) = replicas.iter().max() {
        let market = Market::without_plain(most, report).await?;
        replicas_grow(args, &market, &replicas, report).await?;
    }
    let market = Market::without_plain(REPLICAS, report).await?;
    sales_grow(args, &market, &wanted(&args.sales), report).await?;
    buyers_grow(args, &market, &waiting, report).await?;
    list_grows(args, &market, &wanted(&args.listed), report).await?;
    history_grows(args, &market, &wanted(&args.history), report).await
}

/// Those sizes for which there are files enough; the others are named.
fn affordable(waiting: &[u64], report: &mut Report) -> Vec<u64> {
    let mut affordable = Vec::new();
    for &buyers in waiting {
        match files::suffice_for(buyers) {
            Ok(()) => affordable.push(buyers),
            Err(why) => report.skip(&format!("{buyers} buyers who wait"), why),
        }
    }
    affordable
}

async fn replicas_grow(
    args: &Args,
    market: &Market,
    sizes: &[u16],
    report: &mut Report,
) -> anyhow::Result<()> {
    println!(
        "replicas that are asked; {} buyers, one sale; the others have nothing to do",
        args.buyers
    );
    let mut all = Vec::new();
    for strategy in args.strategies() {
        for &replicas in sizes {
            let offer = market.endless_offer(Lane::Strategy(strategy)).await?;
            let offer = offer.at(replicas.into());
            all.push(Size::new(replicas.into(), market, offer, args.buyers)?);
        }
    }
    let most = sizes.iter().copied().max().unwrap_or_default();
    let beside = Case::default().with("replicas in all", u64::from(most));
    args.compare("replicas", beside.with("buyers", args.buyers), all, report).await
}

async fn sales_grow(
    args: &Args,
    market: &Market,
    sizes: &[usize],
    report: &mut Report,
) -> anyhow::Result<()> {
    let Some(&buyers) = sizes.iter().max() else { return Ok(()) };
    println!("sales at once; {buyers} buyers in all of them, {REPLICAS} replicas");
    let mut all = Vec::new();
    for strategy in args.strategies() {
        for &sales in sizes {
            let offer = market.sales(strategy, sales).await?;
            all.push(Size::new(u64::try_from(sales)?, market, offer, buyers)?);
        }
    }
    args.compare("sales", Case::default().with("buyers", buyers), all, report).await
}

async fn buyers_grow(
    args: &Args,
    market: &Market,
    sizes: &[u64],
    report: &mut Report,
) -> anyhow::Result<()> {
    if sizes.is_empty() {
        return Ok(());
    }
    println!("buyers who wait for an answer, each on a connection; one sale, {REPLICAS} replicas");
    let mut all = Vec::new();
    for strategy in args.strategies() {
        for &buyers in sizes {
            let offer = market.endless_offer(Lane::Strategy(strategy)).await?;
            all.push(Size::new(buyers, market, offer, usize::try_from(buyers)?)?);
        }
    }
    args.compare("waiting buyers", Case::default(), all, report).await
}

async fn list_grows(
    args: &Args,
    market: &Market,
    sizes: &[u32],
    report: &mut Report,
) -> anyhow::Result<()> {
    if sizes.is_empty() {
        return Ok(());
    }
    println!("people in the waiting list of a sale that is sold out; {} others ask", args.buyers);
    let mut all = Vec::new();
    for strategy in args.strategies() {
        for &people in sizes {
            let (sale, offer) = market.one_offer(Lane::SoldOut(strategy), 1).await?;
            history::list(market.pool(), sale, i64::from(people)).await?;
            all.push(Size::new(u64::from(people), market, offer, args.buyers)?);
        }
    }
    history::settle(market.pool()).await?;
    args.compare(LISTED, Case::default().with("buyers", args.buyers), all, report).await
}

async fn history_grows(
    args: &Args,
    market: &Market,
    sizes: &[u32],
    report: &mut Report,
) -> anyhow::Result<()> {
    if sizes.is_empty() {
        return Ok(());
    }
    println!(
        "purchases that a sale has behind it, each size in a database with a replica; {} buyers",
        args.buyers
    );
    let mut markets = Vec::new();
    for &purchases in sizes {
        anyhow::ensure!(purchases < ENOUGH / 2, "a past of {purchases} leaves nothing to sell");
        markets.push((purchases, market.beside(&format!("past_{purchases}"), 1).await?));
    }
    let mut all = Vec::new();
    for strategy in args.strategies() {
        for (purchases, market) in &markets {
            let (sale, offer) = market.one_offer(Lane::Strategy(strategy), ENOUGH).await?;
            history::write(market.pool(), sale, i64::from(*purchases)).await?;
            all.push(Size::new(u64::from(*purchases), market, offer, args.buyers)?);
        }
    }
    for (_, market) in &markets {
        history::settle(market.pool()).await?;
    }
    args.compare("purchases before", Case::default().with("buyers", args.buyers), all, report).await
}
