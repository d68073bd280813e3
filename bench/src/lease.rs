//! `bench lease`: ours, with token, beside the bare pair that a user would write with the same
//! client library: `SET NX PX` on all nodes, wait for a quorum, compare-and-delete on all nodes.
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use hdrhistogram::Histogram;
use leasehold::{LeaseConfig, Leases, Resource};
use leasehold_stack::{Persistence, Stack, StackConfig, Stderr};
use redis::{Script, aio::MultiplexedConnection};
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(10);

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many nodes, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "1,3,5")]
    nodes: Vec<usize>,

    /// How many tasks at once, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "1,64")]
    tasks: Vec<usize>,

    /// Rounds of each contestant, interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a round in milliseconds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,

    /// Let nodes write every grant to disk before they answer, as in production
    #[arg(long)]
    durable: bool,
}

/// One round: pairs per second, and how long a pair took.
struct Round {
    rate: f64,
    times: Histogram<u64>,
}

#[derive(Clone)]
enum Contestant {
    Ours(Leases),
    Bare(Vec<MultiplexedConnection>, Arc<Script>),
}

#[tokio::main]
pub(crate) async fn run(args: &Args) -> anyhow::Result<()> {
    let persistence = if args.durable { Persistence::Durable } else { Persistence::None };
    println!(
        "acquire + release on distinct names, pairs per second, median of {} rounds",
        args.rounds
    );
    println!("nodes  tasks       ours       bare   ratio    ours p50/p99 µs      bare p50/p99 µs");
    for &nodes in &args.nodes {
        let config = StackConfig { lease_nodes: nodes, persistence, postgres: false };
        let stack = Stack::start(config, &Stderr::new()).await?;
        let ours = Contestant::Ours(Leases::connect(
            stack.redis_urls(),
            LeaseConfig {
                ttl: TTL,
                node_timeout: Duration::from_secs(4),
                ..LeaseConfig::default()
            },
        )?);
        let connections =
            join_all(stack.nodes.iter().map(leasehold_stack::LeaseNode::connection)).await;
        let connections = connections.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
        let delete = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
        let bare = Contestant::Bare(connections, Arc::new(Script::new(delete)));
        for &tasks in &args.tasks {
            compare(args, nodes, tasks, &ours, &bare).await?;
        }
    }
    Ok(())
}

async fn compare(
    args: &Args,
    nodes: usize,
    tasks: usize,
    ours: &Contestant,
    bare: &Contestant,
) -> anyhow::Result<()> {
    let span = Duration::from_millis(args.round_ms);
    // Connections, scripts and caches get warm outside of what is measured.
    for contestant in [ours, bare] {
        let _warm = round(contestant, tasks, span / 5).await?;
    }
    let (mut our_rounds, mut bare_rounds) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        our_rounds.push(round(ours, tasks, span).await?);
        bare_rounds.push(round(bare, tasks, span).await?);
    }
    let ratios = our_rounds.iter().zip(&bare_rounds).map(|(ours, bare)| ours.rate / bare.rate);
    let ratio = median(ratios.collect());
    let (our, other) = (summary(&our_rounds)?, summary(&bare_rounds)?);
    println!(
        "{nodes:>5}  {tasks:>5}  {:>9.0}  {:>9.0}  {ratio:>6.2}  {:>19}  {:>19}",
        our.0, other.0, our.1, other.1
    );
    Ok(())
}

fn summary(rounds: &[Round]) -> anyhow::Result<(f64, String)> {
    let mut all = histogram()?;
    for round in rounds {
        all.add(&round.times)?;
    }
    let rate = median(rounds.iter().map(|round| round.rate).collect());
    Ok((rate, format!("{}/{}", all.value_at_quantile(0.5), all.value_at_quantile(0.99))))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, 60_000_000, 3).context("no histogram")
}

async fn round(contestant: &Contestant, tasks: usize, span: Duration) -> anyhow::Result<Round> {
    let begun = Instant::now();
    let running = (0..tasks).map(|task| {
        let contestant = contestant.clone();
        tokio::spawn(async move {
            let mut times = histogram()?;
            let resource = Resource::new(format!("bench/{task}"))?;
            while begun.elapsed() < span {
                let pair = Instant::now();
                contestant.pair(&resource).await?;
                times.saturating_record(
                    u64::try_from(pair.elapsed().as_micros()).unwrap_or(u64::MAX),
                );
            }
            anyhow::Ok(times)
        })
    });
    let mut times = histogram()?;
    for done in join_all(running).await {
        times.add(&done??)?;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts of pairs are small")]
    let rate = times.len() as f64 / begun.elapsed().as_secs_f64();
    Ok(Round { rate, times })
}

impl Contestant {
    async fn pair(&self, resource: &Resource) -> anyhow::Result<()> {
        match self {
            Self::Ours(leases) => {
                let lease = leases.try_acquire(resource).await?;
                let _outcome = lease.release().await;
            }
            Self::Bare(connections, delete) => {
                let value = Uuid::new_v4().simple().to_string();
                let quorum = connections.len() / 2 + 1;
                let ttl = TTL.as_millis().to_string();
                let mut sets: FuturesUnordered<_> = connections
                    .iter()
                    .cloned()
                    .map(|mut connection| {
                        let mut set = redis::cmd("SET");
                        let _args =
                            set.arg(resource.as_str()).arg(&value).arg("NX").arg("PX").arg(&ttl);
                        async move { set.query_async::<Option<String>>(&mut connection).await }
                    })
                    .collect();
                let mut granted = 0;
                while let Some(answer) = sets.next().await {
                    granted += usize::from(answer?.is_some());
                }
                anyhow::ensure!(granted >= quorum, "not granted on a quorum");
                let deletes = connections.iter().cloned().map(|mut connection| {
                    let mut call = delete.prepare_invoke();
                    let _args = call.key(resource.as_str()).arg(&value);
                    async move { call.invoke_async::<i64>(&mut connection).await }
                });
                for deleted in join_all(deletes).await {
                    let _count = deleted?;
                }
            }
        }
        Ok(())
    }
}
