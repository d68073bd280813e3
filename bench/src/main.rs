//! Side-by-side measurements: ratios in one run, on the same servers, in interleaved rounds.

mod all;
mod beside;
mod commands;
mod compare;
mod contend;
mod failover;
mod lease;
mod limit;
mod memory;
mod pair;
mod peers;
mod processor;
mod progress;
mod report;
mod results;
mod sale;
mod servers;
mod sidecar;
mod stats;
mod timer;

use std::{io::Write as _, process::ExitCode};

use clap::{Parser, Subcommand};
use leasehold_stack::{Ended, until_ended};

use crate::report::{Outputs, Report};

/// Measures Leasehold beside its limits. Read the ratios: absolute figures are this machine's.
#[derive(Debug, Parser)]
#[command(name = "bench", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    outputs: Outputs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Every question, with records, pages and RESULTS.md: the sizes of the targets, in about 25 minutes
    All(all::Args),
    /// Acquire and release without contention, beside the bare pair SET NX PX + compare-and-delete,
    /// rslock, and what the scripts cost the servers
    Lease(lease::Args),
    /// Many tasks or processes that want one resource, beside rslock and prototypes of a hand-over
    Contend(contend::Args),
    /// One hot sale, in each of the ways to grant it
    Sale(sale::Args),
    /// What a sale becomes as replicas, sales, buyers or its own history grow
    Growth(sale::growth::Args),
    /// For how long nobody is granted anything after a holder, a node or Postgres fails
    Failover(failover::Args),
    /// Leases through the sidecar beside the crate alone, and what it costs to hold many
    Sidecar(sidecar::Args),
    /// Two records of one question: what became slower, and how sure that is
    Compare(compare::Args),
    /// Write RESULTS.md from records, and hold them against the targets
    Results(results::Args),
    /// A process of `contend` in which many tasks wait
    #[command(name = contend::CROWD, hide = true)]
    ContendCrowd,
    /// One process of `contend`; it takes its order from stdin
    #[command(name = contend::WORKER, hide = true)]
    ContendWorker,
    /// A process of `failover` that holds a lease until it is asked to end
    #[command(name = failover::HOLDER, hide = true)]
    FailoverHolder,
    /// The least that a sidecar can be, for `sidecar`
    #[command(name = sidecar::bare::NAME, hide = true)]
    BareSidecar,
    /// A server without a strategy, for `sale`
    #[command(name = sale::plain::NAME, hide = true)]
    Plain,
}

fn main() -> ExitCode {
    // Replicas and sidecars are this program, under other names.
    let mut args: Vec<_> = std::env::args_os().collect();
    if args.get(1).is_some_and(|arg| arg == "purchase") {
        let _program = args.remove(0);
        return leasehold_purchase::cli::main(args);
    }
    if args.get(1).is_some_and(|arg| arg == sidecar::PROGRAM) {
        let _program = args.remove(0);
        return leasehold_sidecar::cli::main(args);
    }
    let Cli { command, outputs } = Cli::parse();
    let done = match command {
        Command::All(args) => all::run(&args),
        Command::Lease(args) => ask("lease", &args, &outputs, lease::run),
        Command::Contend(args) => ask("contend", &args, &outputs, contend::run),
        Command::Sale(args) => ask("sale", &args, &outputs, sale::run),
        Command::Growth(args) => ask("growth", &args, &outputs, sale::growth::run),
        Command::Failover(args) => ask("failover", &args, &outputs, failover::run),
        Command::Sidecar(args) => ask("sidecar", &args, &outputs, sidecar::run),
        Command::Compare(args) => {
            return compare::run(&args).unwrap_or_else(|error| fail(&error));
        }
        Command::Results(args) => results::run(&args),
        Command::ContendCrowd => contend::wait(),
        Command::ContendWorker => contend::work(),
        Command::FailoverHolder => failover::hold(),
        Command::BareSidecar => sidecar::bare::serve(),
        Command::Plain => sale::plain::serve(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Measures, and writes what was measured to where it is wanted; nothing, when somebody ends it before.
fn ask<A: serde::Serialize>(
    question: &str,
    args: &A,
    outputs: &Outputs,
    run: impl AsyncFnOnce(&A, &mut Report) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut report = Report::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    // Dropping it ends the servers; dropping the runtime, whatever its tasks have.
    runtime.block_on(until_ended(run(args, &mut report)))?;
    drop(runtime);
    report.finish(question, serde_json::to_value(args)?, outputs)
}

/// A program's last words. Nobody may be there to hear them any more.
fn fail(error: &anyhow::Error) -> ExitCode {
    writeln!(std::io::stderr(), "bench: {error:#}").ok();
    error.downcast_ref().map_or(ExitCode::FAILURE, |ended: &Ended| ended.exit_code().into())
}
