//! Side-by-side measurements: ratios in one run, on the same servers, in interleaved rounds.

mod commands;
mod contend;
mod lease;
mod limit;
mod pair;
mod servers;
mod stats;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Measures Leasehold beside its limits. Read the ratios: absolute figures are this machine's.
#[derive(Debug, Parser)]
#[command(name = "bench", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Acquire and release without contention, beside the bare pair SET NX PX + compare-and-delete,
    /// rslock, and what the scripts cost the servers
    Lease(lease::Args),
    /// Many tasks or processes that want one resource, beside rslock and prototypes of a hand-over
    Contend(contend::Args),
    /// One process of `contend`; it takes its order from stdin
    #[command(name = contend::WORKER, hide = true)]
    ContendWorker,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Lease(args) => lease::run(&args),
        Command::Contend(args) => contend::run(&args),
        Command::ContendWorker => contend::work(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program's last words are for the person who started it")]
fn report(error: &anyhow::Error) {
    eprintln!("bench: {error:#}");
}
