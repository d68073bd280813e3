//! `bench all`: every question, one after the other, each as a program of its own; then the results.
#![expect(clippy::print_stdout, reason = "whoever waits is told what for")]

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitStatus,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use leasehold_stack::until_ended;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::process::{Child, Command};

use crate::{report::Record, results};

/// A record's name, and the arguments that make it. Sizes are those of the targets; rounds are long enough that
/// a task has some turns in each, and all of them together are over in less than half an hour on two cores.
struct Plan {
    name: &'static str,
    arguments: &'static str,
}

const PLANS: [Plan; 7] = [
    Plan { name: "lease", arguments: "lease --round-ms 300" },
    // First, so that of what both measured the other one counts.
    Plan {
        name: "contend-empty",
        arguments: "contend --nodes 1,3,5 --tasks 64 --processes 0 --section-us 0 --waiters 0 \
                    --contestants ours,rslock,local-handover --round-ms 1000",
    },
    Plan {
        name: "contend",
        arguments: "contend --nodes 1,3,5 --tasks 64 --processes 8 --round-ms 1000 \
                    --contestants ours,rslock,local-handover,redlock,redis-py,advisory,etcd,blpop",
    },
    Plan { name: "sale", arguments: "sale --buyers 1,2000 --arrivals 1000 --round-ms 1500" },
    Plan {
        name: "growth",
        arguments: "growth --replicas 1,8 --sales 1,1000 --listed 1,10000 --waiting 100,19000 \
                    --history 1000,1000000 --round-ms 1000",
    },
    Plan { name: "failover", arguments: "failover --ttl-ms 250,1000" },
    Plan { name: "sidecar", arguments: "sidecar --hold-ms 5000" },
];

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Rounds of each contestant, interleaved. `compare` needs five, and an odd number has a middle
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,

    /// Only these records; the results are of those that are there from before, too
    #[arg(long, value_delimiter = ',', value_parser = PLANS.map(|plan| plan.name))]
    only: Vec<String>,

    /// Folder of records and pages, instead of target/bench
    #[arg(long, value_name = "FOLDER")]
    records: Option<PathBuf>,

    /// Where to write the results instead of bench/RESULTS.md
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench");
    let folder = args.records.clone().unwrap_or_else(default);
    fs::create_dir_all(&folder).with_context(|| format!("no folder {}", folder.display()))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let failed = runtime.block_on(until_ended(ask(args, &folder)))?;
    let records = PLANS.iter().map(|plan| plan.record(&folder));
    let records: Vec<PathBuf> = records.filter(|record| Record::read(record).is_ok()).collect();
    ensure!(!records.is_empty(), "there is no record");
    results::write(&records, args.to.as_deref())?;
    ensure!(failed.is_empty(), "without a record: {}", failed.join(", "));
    Ok(())
}

/// Asks what is wanted, and names what failed: the others are measured nevertheless.
async fn ask(args: &Args, folder: &Path) -> anyhow::Result<Vec<&'static str>> {
    let mut failed = Vec::new();
    for plan in &PLANS {
        let is_wanted = args.only.is_empty() || args.only.iter().any(|name| name == plan.name);
        if is_wanted && let Err(error) = plan.run(args.rounds, folder).await {
            println!("{}: {error:#}\n", plan.name);
            failed.push(plan.name);
        }
    }
    Ok(failed)
}

/// The question under way.
struct Asked(Child);

impl Asked {
    async fn answered(mut self) -> std::io::Result<ExitStatus> {
        self.0.wait().await
    }
}

impl Drop for Asked {
    /// Whoever ends all questions ends this one too, and it stops what it has started.
    fn drop(&mut self) {
        let Some(pid) = self.0.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
        kill(Pid::from_raw(pid), Signal::SIGTERM).ok();
        while matches!(self.0.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Plan {
    fn record(&self, folder: &Path) -> PathBuf {
        folder.join(self.name).with_extension("json")
    }

    async fn run(&self, rounds: u32, folder: &Path) -> anyhow::Result<()> {
        let (record, begun) = (self.record(folder), Instant::now());
        println!("bench {} --rounds {rounds}\n", self.arguments);
        // What was measured before is not what is measured now.
        fs::remove_file(&record).ok();
        let asked = Command::new(std::env::current_exe()?)
            .args(self.arguments.split_whitespace())
            .args(["--rounds", &rounds.to_string()])
            .arg("--html")
            .arg(record.with_extension("html"))
            .arg("--json")
            .arg(&record)
            .spawn()?;
        let status = Asked(asked).answered().await?;
        ensure!(status.success(), "ended with {status}");
        println!("{} took {} s\n", self.name, begun.elapsed().as_secs());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[test]
    fn every_plan_is_a_command() {
        for plan in &PLANS {
            let arguments = ["bench"].into_iter().chain(plan.arguments.split_whitespace());
            assert!(crate::Cli::try_parse_from(arguments).is_ok(), "{}", plan.arguments);
        }
    }
}
