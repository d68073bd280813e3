//! `bench lease`: ours, with token, beside three others that take a lease without contention and
//! give it back, on the same servers.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

use std::time::Duration;

use hdrhistogram::Histogram;
use leasehold_stack::Persistence;

use crate::{
    beside::Beside,
    commands::Calls,
    pair::{self, Contestant},
    peers::{Library, Peer},
    progress::Rounds,
    report::{Case, Report},
    servers::Servers,
    stats::{Times, float, median, median_ratio},
};

#[derive(Clone, Debug, clap::Args, serde::Serialize)]
pub(crate) struct Args {
    /// How many nodes, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "1,3,5")]
    nodes: Vec<usize>,

    /// How many tasks at once, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "1,8,64,512")]
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
pub(crate) struct Round {
    pub(crate) rate: f64,
    pub(crate) times: Histogram<u64>,
}

/// All rounds of one contestant.
struct Measured {
    name: &'static str,
    plain: &'static [&'static str],
    rates: Vec<f64>,
    times: Times,
    calls: Calls,
}

pub(crate) async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let persistence = if args.durable { Persistence::Durable } else { Persistence::None };
    let Args { rounds, round_ms, .. } = args;
    println!("acquire + release on distinct names, pairs per second");
    println!(
        "medians of {rounds} interleaved rounds of {round_ms} ms; ratios are of rounds side by side"
    );
    println!("limit: what the scripts cost the servers, asked for all tasks in one write per node");
    println!(
        "advisory: pg_try_advisory_lock and unlock on a pool, without token and without an end"
    );
    println!("etcd: lock and unlock of one server that syncs, by its HTTP gateway");
    println!(
        "calls: per lease and node, counted by the nodes (INFO commandstats), sent + in scripts"
    );
    println!("one trip: the most grants that can have taken one round trip\n");
    println!(
        "nodes tasks contestant  ours ÷ it  pairs/s       p50/p99 µs          calls  one trip  which"
    );
    let beside = Beside::start(report).await?;
    let advisory = pair::advisory_pool(&beside).await?;
    for &nodes in &args.nodes {
        let servers = Servers::start(nodes, persistence).await?;
        report.on(&servers.stack).await?;
        let mut contestants = Contestant::all(&servers).await?;
        // Nodes are nothing to it: once is enough.
        if Some(&nodes) == args.nodes.first() {
            contestants.push(Contestant::Advisory(advisory.clone()));
        }
        contestants.extend(peers(&servers, &beside, report).await);
        for &tasks in &args.tasks {
            let measured = measure(args, &servers, &contestants, tasks).await?;
            for one in &measured {
                println!("{nodes:>5} {tasks:>5} {}", one.row(&measured[0], nodes));
                one.tell(report, nodes, tasks);
            }
            println!();
        }
    }
    Ok(())
}

/// Libraries in other languages that can be had; the others are named.
async fn peers(servers: &Servers, beside: &Beside, report: &mut Report) -> Vec<Contestant> {
    let (nodes, mut peers) = (servers.stack.redis_urls(), Vec::new());
    for library in Library::ALL.into_iter().filter(|library| library.knows(nodes.len())) {
        let urls = match (library, beside.etcd_url()) {
            (Library::Etcd, Some(url)) => vec![url.to_owned()],
            // It was said already.
            (Library::Etcd, None) => continue,
            _ => nodes.clone(),
        };
        match Peer::start(library, &urls).await {
            Ok(peer) => peers.push(Contestant::Peer(peer)),
            Err(error) => report.skip(library.name(), format!("{error:#}")),
        }
    }
    peers
}

async fn measure(
    args: &Args,
    servers: &Servers,
    contestants: &[Contestant],
    tasks: usize,
) -> anyhow::Result<Vec<Measured>> {
    let span = Duration::from_millis(args.round_ms);
    let mut all = Vec::new();
    // Connections, scripts and caches get warm outside of what is measured.
    for contestant in contestants {
        let _warm = contestant.round(tasks, span / 5).await?;
        all.push(Measured {
            name: contestant.name(),
            plain: contestant.plain(),
            rates: Vec::new(),
            times: Times::new()?,
            calls: Calls::default(),
        });
    }
    let nodes = servers.stack.nodes.len();
    let about = format!("{nodes} nodes, {tasks} tasks");
    let progress = Rounds::new(&about, args.rounds, contestants.len());
    for _ in 0..args.rounds {
        for (contestant, measured) in contestants.iter().zip(&mut all) {
            progress.next(measured.name);
            let before = servers.calls().await?;
            let round = contestant.round(tasks, span).await?;
            measured.calls.add_difference(&before, &servers.calls().await?);
            measured.rates.push(round.rate);
            measured.times.add_round(&round.times)?;
        }
    }
    Ok(all)
}

impl Measured {
    fn row(&self, ours: &Self, nodes: usize) -> String {
        let ratio = median_ratio(&ours.rates, &self.rates);
        let at = |quantile| self.times.value_at_quantile(quantile);
        // The limit's tasks go in lockstep: its times say nothing about one of them.
        let times = match self.name {
            "limit" => "–".to_owned(),
            _ => format!("{}/{}", at(0.5), at(0.99)),
        };
        let rate = median(self.rates.clone());
        format!("{:<10} {ratio:>10.2} {rate:>8.0} {times:>16} {}", self.name, self.cost(nodes))
    }

    /// Pairs, each counted for every node.
    fn per(&self, nodes: usize) -> f64 {
        float(self.times.len()) * float(nodes as u64)
    }

    /// Calls per pair and node: sent, and called in scripts.
    fn commands(&self, nodes: usize) -> (f64, f64) {
        let sent = float(self.calls.sent(self.plain)) / self.per(nodes);
        (sent, float(self.calls.all()) / self.per(nodes) - sent)
    }

    /// In percent.
    fn one_trip(&self, nodes: usize) -> f64 {
        // One script call grants and one releases. A grant that needs a second round trip calls once
        // more, perhaps not on every node: so this is the most that can have needed one only.
        let more = float(self.calls.script_calls()) / self.per(nodes) - 2.0;
        100.0 * (1.0 - more).clamp(0.0, 1.0)
    }

    fn tell(&self, report: &mut Report, nodes: usize, tasks: usize) {
        let case = Case::default().with("nodes", nodes).with("tasks", tasks);
        let (sent, inside) = self.commands(nodes);
        let mut entry = report.of(self.name, case).higher("pairs", "1/s", self.rates.clone());
        // The limit's tasks go in lockstep: its times say nothing about one of them.
        if self.name != "limit" {
            entry = entry.times("pair", &self.times);
        }
        // Others have other servers.
        if self.calls.all() > 0 {
            entry = entry.lower("calls sent per pair and node", "calls", vec![sent]).lower(
                "calls in scripts per pair and node",
                "calls",
                vec![inside],
            );
        }
        if self.name == "ours" {
            entry.higher("grants in one round trip", "%", vec![self.one_trip(nodes)]);
        }
    }

    fn cost(&self, nodes: usize) -> String {
        let (per, (sent, inside)) = (self.per(nodes), self.commands(nodes));
        let one_trip = match self.name {
            "ours" => format!("{:.0} %", self.one_trip(nodes)),
            _ => "–".to_owned(),
        };
        let calls = self.calls.breakdown(per);
        format!("{sent:>6.2} + {inside:<5.2} {one_trip:>9}  {calls}")
    }
}
