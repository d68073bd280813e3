//! `bench contend`: many who want one resource, in one process or in several, and how fast and how
//! fairly it goes from one to the next.
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

mod contestant;
mod crowd;
mod handover;
mod round;
mod section;
mod table;
mod workers;

use std::{sync::Arc, time::Duration};

use clap::ValueEnum as _;
use leasehold_stack::Persistence;

use self::{
    contestant::Kind,
    round::Plan,
    table::Measured,
    workers::{Order, Workers},
};
pub(crate) use self::{crowd::wait, workers::work};
use crate::{
    beside::Beside,
    peers::Program,
    progress::Rounds,
    report::{Case, Report},
    servers::Servers,
};

/// The hidden command by which this program starts itself.
pub(crate) const WORKER: &str = "contend-worker";
pub(crate) const CROWD: &str = "contend-crowd";

#[derive(Clone, Debug, clap::Args, serde::Serialize)]
pub(crate) struct Args {
    /// How many nodes, each measured in turn
    #[arg(long, value_delimiter = ',', default_value = "1,3,5")]
    nodes: Vec<usize>,

    /// How many tasks of one process, each measured in turn; 0 for none
    #[arg(long, value_delimiter = ',', default_value = "16,64")]
    tasks: Vec<usize>,

    /// How many processes, each measured in turn; 0 for none
    #[arg(long, value_delimiter = ',', default_value = "8")]
    processes: Vec<usize>,

    /// Tasks in each of those processes
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    tasks_per_process: u16,

    /// Tasks of one process that wait, and do nothing else, for the memory that each takes; 0 for none
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    waiters: u32,

    /// Length of the critical section in microseconds
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u64).range(0..=1_000_000))]
    section_us: u64,

    /// Rounds of each contestant, interleaved
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Length of a round in milliseconds
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u64).range(50..=60_000))]
    round_ms: u64,

    /// Only these contestants
    #[arg(long, value_enum, value_delimiter = ',')]
    contestants: Vec<Kind>,

    /// Let nodes write every grant to disk before they answer, as in production
    #[arg(long)]
    durable: bool,
}

/// Who contends: tasks of one process, or processes.
#[derive(Clone, Copy, Debug)]
enum Clients {
    Tasks(usize),
    Processes(usize, usize),
}

pub(crate) async fn run(args: &Args, report: &mut Report) -> anyhow::Result<()> {
    let persistence = if args.durable { Persistence::Durable } else { Persistence::None };
    let Args { rounds, round_ms, section_us, .. } = args;
    let timer = match section_us {
        0 => "nothing in it",
        _ if cfg!(target_os = "linux") => "timerfd",
        _ => "a sleeping thread",
    };
    println!(
        "one resource, a section of {section_us} µs ({timer}; redlock and redis-py have their own timers)"
    );
    println!(
        "medians of {rounds} interleaved rounds of {round_ms} ms; ratios are of rounds side by side\n"
    );
    println!("{}", table::HEADS.join("\n"));
    let tasks = args.tasks.iter().filter(|&&tasks| tasks > 0).map(|&tasks| Clients::Tasks(tasks));
    let per_process = usize::from(args.tasks_per_process);
    let processes = args.processes.iter().filter(|&&processes| processes > 0);
    let processes = processes.map(|&processes| Clients::Processes(processes, per_process));
    let clients: Vec<_> = tasks.chain(processes).collect();
    let beside = Beside::start(report).await?;
    for &nodes in &args.nodes {
        let servers = Servers::start(nodes, persistence).await?;
        report.on(&servers.stack).await?;
        for &clients in &clients {
            let measured = measure(args, (&servers, &beside), clients, report).await?;
            let ours = measured.iter().find(|(kind, _)| *kind == Kind::Ours).map(|(_, ours)| ours);
            for (_, measured) in &measured {
                println!("{}", measured.row(&clients.name(), nodes, ours));
                let case = clients.case().with("section µs", args.section_us);
                measured.tell(report, nodes, case);
            }
            println!();
        }
        // Nodes are nothing to who waits: once is enough.
        if args.waiters > 0 && Some(&nodes) == args.nodes.first() {
            crowd::measure(args, &servers, report).await?;
        }
    }
    Ok(())
}

async fn measure(
    args: &Args,
    (servers, beside): (&Servers, &Beside),
    clients: Clients,
    report: &mut Report,
) -> anyhow::Result<Vec<(Kind, Measured)>> {
    let span = Duration::from_millis(args.round_ms);
    let mut all = Vec::new();
    for kind in Kind::value_variants() {
        let wanted = args.contestants.is_empty() || args.contestants.contains(kind);
        if !wanted || !clients.suit(*kind, servers.stack.nodes.len()) {
            continue;
        }
        // Without one, it was said already.
        let Some(urls) = urls(*kind, servers, beside) else { continue };
        match program(*kind).await {
            Ok(program) => all.push((*kind, (program, urls), Measured::new(*kind, span)?)),
            Err(error) => report.skip(kind.name(), format!("{error:#}")),
        }
    }
    let about = format!("{} nodes, {}", servers.stack.nodes.len(), clients.name());
    let progress = Rounds::new(&about, args.rounds, all.len());
    for _ in 0..args.rounds {
        for (kind, (program, urls), measured) in &mut all {
            progress.next(kind.name());
            let plan = Plan {
                resource: kind.resource(),
                tasks: clients.tasks(),
                section: Duration::from_micros(args.section_us),
                span,
            };
            kind.prepare(urls).await?;
            let contest = Contest { kind: *kind, urls, plan };
            match (clients, kind.library()) {
                (Clients::Tasks(_), None) => contest.in_tasks(servers, measured).await?,
                // Tasks of one process, which is not this one.
                (Clients::Tasks(_), Some(_)) => {
                    contest.in_processes(servers, (program, 1), measured).await?;
                }
                (Clients::Processes(processes, _), _) => {
                    contest.in_processes(servers, (program, processes), measured).await?;
                }
            }
        }
    }
    Ok(all.into_iter().map(|(kind, _, measured)| (kind, measured)).collect())
}

/// What runs a contestant in a process of its own.
async fn program(kind: Kind) -> anyhow::Result<Program> {
    match kind.library() {
        Some(library) => library.program().await,
        None => Ok(Program { path: std::env::current_exe()?, args: Vec::new() }),
    }
}

/// Where a contestant's servers are; `None` where they are not.
fn urls(kind: Kind, servers: &Servers, beside: &Beside) -> Option<Vec<String>> {
    match kind {
        Kind::Advisory => Some(vec![beside.database_url()]),
        Kind::Etcd => Some(vec![beside.etcd_url()?.to_owned()]),
        _ => Some(servers.stack.redis_urls()),
    }
}

/// A round of one contestant.
struct Contest<'a> {
    kind: Kind,
    urls: &'a [String],
    plan: Plan,
}

impl Contest<'_> {
    async fn in_tasks(&self, servers: &Servers, measured: &mut Measured) -> anyhow::Result<()> {
        let plan = &self.plan;
        let contestant = Arc::new(self.kind.connect(self.urls, plan.tasks).await?);
        // Connections, scripts and caches get warm outside of what is measured.
        let warm = Plan { span: plan.span / 10, ..plan.clone() };
        let _warm = round::run(&contestant, &warm, None).await?;
        let before = servers.calls().await?;
        let outcome = round::run(&contestant, plan, None).await?;
        measured.calls.add_difference(&before, &servers.calls().await?);
        measured.add(outcome)
    }

    async fn in_processes(
        self,
        servers: &Servers,
        (program, processes): (&Program, usize),
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let witness = servers.stack.folder().join("section");
        let order = Order { urls: self.urls.to_owned(), kind: self.kind, plan: self.plan, witness };
        let workers = Workers::start(&order, program, processes).await?;
        let before = servers.calls().await?;
        let outcome = workers.go().await?;
        measured.calls.add_difference(&before, &servers.calls().await?);
        measured.add(outcome)
    }
}

impl Clients {
    /// Whether this contestant can be compared here: the local hand-over ends at the process, and a
    /// token in a list is no lease of a quorum. Within a process the former is the one to match.
    fn suit(self, kind: Kind, nodes: usize) -> bool {
        match kind {
            Kind::LocalHandover => matches!(self, Self::Tasks(_)),
            Kind::Blpop => matches!(self, Self::Processes(..)) && nodes == 1,
            Kind::Ours | Kind::Rslock | Kind::Rslock5ms | Kind::Redlock => true,
            // Nodes are nothing to the latter two.
            Kind::RedisPy | Kind::Advisory | Kind::Etcd => nodes == 1,
        }
    }

    /// Tasks in each process.
    fn tasks(self) -> usize {
        match self {
            Self::Tasks(tasks) | Self::Processes(_, tasks) => tasks,
        }
    }

    fn case(self) -> Case {
        match self {
            Self::Tasks(tasks) => Case::default().with("tasks", tasks),
            Self::Processes(processes, tasks) => {
                Case::default().with("processes", processes).with("tasks of each", tasks)
            }
        }
    }

    fn name(self) -> String {
        match self {
            Self::Tasks(tasks) => format!("{tasks} tasks"),
            Self::Processes(processes, 1) => format!("{processes} procs"),
            Self::Processes(processes, tasks) => format!("{processes} procs×{tasks}"),
        }
    }
}
