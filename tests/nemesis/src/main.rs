//! `nemesis`: breaks servers at random under load, and says whether anything was oversold, lost or
//! written by somebody stale.

mod again;

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context as _;
use clap::Parser;
use leasehold_nemesis::{
    Control, Means, Plan, Ran, Record, Schedule, Shape, fault::Planned, published, report, run,
    show::Screen, show::print, shrink,
};
use leasehold_stack::{Ended, until_ended};
use serde::de::DeserializeOwned;

/// Breaks lease nodes, Postgres, replicas and the ways between them at random, while buyers buy and
/// programs hold leases; then examines all that they were told.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "nemesis",
    version,
    after_help = "`nemesis results RUN.json…` writes the figures of runs into tests/RESULTS.md."
)]
struct Cli {
    /// What the faults and the load are drawn from; a fresh one by default
    #[arg(long)]
    seed: Option<u64>,

    /// How long faults happen
    #[arg(long, default_value_t = 2.0, conflicts_with = "schedule", value_parser = minutes)]
    minutes: f64,

    /// The faults of an earlier run, from the file that it wrote
    #[arg(long)]
    schedule: Option<PathBuf>,

    /// Seconds between the beginnings of faults, at most; half of that on average
    #[arg(long, default_value_t = Schedule::GAP.as_secs_f64(), value_parser = seconds)]
    gap: f64,

    /// Replicas of the purchase service
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=9))]
    replicas: u16,

    /// Lease nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(3..=9))]
    nodes: u16,

    /// Programs that hold leases without the service
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=20))]
    holders: u16,

    /// Buyers
    #[arg(long, default_value_t = 48, value_parser = clap::value_parser!(u16).range(1..=5000))]
    clients: u16,

    /// Requests a second, of all buyers together
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,

    /// Leaves clocks alone; they are also left alone where libfaketime is missing
    #[arg(long)]
    no_clocks: bool,

    /// Takes a protection away: then something must be found
    #[arg(long)]
    control: Option<Control>,

    /// When something is found, looks for few faults that suffice
    #[arg(long)]
    shrink: bool,

    /// Where the page about the run goes; its faults and figures go beside it
    #[arg(long, default_value = "target/nemesis/report.html")]
    report: PathBuf,

    /// Where its figures go as well, for `nemesis results`
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Publishes figures of runs: replaces the section about them in a page.
#[derive(Clone, Debug, Parser)]
#[command(name = "nemesis results", bin_name = "nemesis results", version)]
struct Results {
    /// What `--json` wrote
    #[arg(required = true)]
    runs: Vec<PathBuf>,

    /// The page
    #[arg(long, default_value = "tests/RESULTS.md")]
    into: PathBuf,
}

fn minutes(text: &str) -> Result<f64, String> {
    within(text, 0.1, 10_000.0)
}

fn seconds(text: &str) -> Result<f64, String> {
    within(text, 0.1, 600.0)
}

fn within(text: &str, least: f64, most: f64) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        Ok(_) => Err(format!("not from {least} to {most}")),
        Err(_) => Err("not a number".to_owned()),
    }
}

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    // Replicas and sidecar are this same program.
    let service: Option<fn(Vec<OsString>) -> ExitCode> =
        match args.get(1).and_then(|arg| arg.to_str()) {
            Some("purchase") => Some(leasehold_purchase::cli::main),
            Some("sidecar") => Some(leasehold_sidecar::cli::main),
            _ => None,
        };
    if let Some(service) = service {
        let _program = args.remove(0);
        return service(args);
    }
    if args.get(1).is_some_and(|arg| arg == "results") {
        let _program = args.remove(0);
        return match publish(&Results::parse_from(args)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                print(&format!("nemesis: {error:#}"));
                ExitCode::from(2)
            }
        };
    }
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(until_ended(whole(&cli))))
    {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            print(&format!("nemesis: {error:#}"));
            ExitCode::from(error.downcast_ref().map_or(2, |ended: &Ended| ended.exit_code()))
        }
    }
}

fn publish(results: &Results) -> anyhow::Result<()> {
    let runs = results.runs.iter().map(|run| read(run)).collect::<anyhow::Result<Vec<_>>>()?;
    let about = || results.into.display().to_string();
    let page = match std::fs::read_to_string(&results.into) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Results\n".to_owned(),
        page => page.with_context(about)?,
    };
    std::fs::write(&results.into, published(&page, &runs)?).with_context(about)
}

/// Whether all is well: with a control, whether it was noticed.
async fn whole(cli: &Cli) -> anyhow::Result<bool> {
    let plan = plan(cli)?;
    let screen = Screen::new(plan.length);
    let lacking = plan.shape.means.lacking();
    if !lacking.is_empty() && cli.schedule.is_none() {
        print(&format!("left out: {}", lacking.join("; ")));
    }
    print(&format!(
        "seed {}: {} faults in {:?}; the same again: {}",
        plan.seed,
        plan.schedule.faults.len(),
        plan.length,
        again(cli, &plan)
    ));
    let ran = run(&plan, &std::env::current_exe()?, &screen).await?;
    write(cli, &plan, &ran)?;
    print(&report::text(&plan, &ran));
    print(&format!("{}; report: {}", verdict(&ran), cli.report.display()));
    let is_found = !ran.violations.is_empty();
    if cli.shrink && is_found {
        smaller(cli, plan).await?;
    }
    if cli.control.is_some() {
        print(if is_found { "noticed, as it must be" } else { "NOT NOTICED" });
        return Ok(is_found);
    }
    Ok(ran.violations.is_empty() && ran.left.is_empty())
}

/// The result at a glance.
fn verdict(ran: &Ran) -> String {
    let count = |count: usize, what: &str| match count {
        0 => format!("no {what}"),
        1 => format!("1 {what}"),
        more => format!("{more} {what}s"),
    };
    let left = count(ran.left.len(), "leftover");
    format!("{}, {left}", count(ran.violations.len(), "violation"))
}

fn plan(cli: &Cli) -> anyhow::Result<Plan> {
    let seed = cli.seed.unwrap_or_else(rand::random);
    let given: Option<Schedule> = cli.schedule.as_deref().map(read).transpose()?;
    let mut means = Means::here();
    means.clocks &= !cli.no_clocks;
    let requests = cli.minutes * 60.0 * f64::from(cli.rate);
    means.small_disks &= given.is_some() || requests <= Means::REQUESTS_ON_SMALL_DISKS;
    let shape = Shape {
        nodes: cli.nodes.into(),
        replicas: cli.replicas.into(),
        holders: cli.holders.into(),
        means,
    };
    let drawn_for = Duration::from_secs_f64(cli.minutes * 60.0);
    let gap = Duration::from_secs_f64(cli.gap);
    let plan = Plan {
        seed,
        shape,
        sales: Plan::sales(seed),
        clients: cli.clients.into(),
        rate: cli.rate,
        length: drawn_for,
        schedule: Schedule::default(),
        control: cli.control,
    };
    match (given, &cli.schedule) {
        (Some(given), Some(path)) => {
            given.fits(shape).with_context(|| path.display().to_string())?;
            Ok(with(plan, given))
        }
        _ => Ok(Plan { schedule: Schedule::random(seed, drawn_for, shape, gap), ..plan }),
    }
}

/// The same with these faults, and with disks and a length that are made for them: whether they were found just
/// now or read from a file.
fn with(mut plan: Plan, schedule: Schedule) -> Plan {
    plan.shape.means.small_disks &= schedule.fills_disks();
    Plan { length: schedule.length(), schedule, ..plan }
}

fn read<T: DeserializeOwned>(path: &Path) -> anyhow::Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    serde_json::from_str(&text).with_context(|| path.display().to_string())
}

/// The command that does the same again.
fn again(cli: &Cli, plan: &Plan) -> String {
    again::command(cli, plan.seed, cli.schedule.as_deref())
}

fn write(cli: &Cli, plan: &Plan, ran: &Ran) -> anyhow::Result<()> {
    if let Some(folder) = cli.report.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(&cli.report, report::page(plan, ran, &again(cli, plan)))?;
    let faults = cli.report.with_extension("schedule.json");
    std::fs::write(faults, serde_json::to_string_pretty(&plan.schedule)?)?;
    let record = serde_json::to_string_pretty(&Record::of(plan, ran, &again(cli, plan)))?;
    let beside = cli.report.with_extension("figures.json");
    for file in [Some(&beside), cli.json.as_ref()].into_iter().flatten() {
        std::fs::write(file, &record).with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// How often fewer faults are tried before they count as too few: chance has a part in what happens.
const TRIES: u32 = 2;

async fn smaller(cli: &Cli, plan: Plan) -> anyhow::Result<()> {
    print("looking for fewer faults that go wrong");
    let screen = Screen::new(plan.length);
    let program = std::env::current_exe()?;
    let path = cli.report.with_extension("shrunk.json");
    let fails = async |faults: &[Planned]| {
        let schedule = Schedule { faults: faults.to_vec() };
        for _ in 0..TRIES {
            let fewer = with(plan.clone(), schedule.clone());
            let ran = run(&fewer, &program, &screen).await;
            if ran.is_ok_and(|ran| !ran.violations.is_empty()) {
                // Now, since whoever waits may lose patience.
                let kept = keep(&path, &schedule).err();
                print(&match faults.len() {
                    1 => "1 fault suffices".to_owned(),
                    more => format!("{more} faults suffice"),
                });
                kept.iter().for_each(|error| print(&format!("not written down: {error:#}")));
                return true;
            }
        }
        false
    };
    let faults = shrink(plan.schedule.faults.clone(), fails).await;
    keep(&path, &Schedule { faults })?;
    print(&format!("run again with: {}", again::command(cli, plan.seed, Some(&path))));
    Ok(())
}

fn keep(path: &Path, schedule: &Schedule) -> anyhow::Result<()> {
    let text = serde_json::to_string_pretty(schedule)?;
    std::fs::write(path, text).with_context(|| path.display().to_string())
}
