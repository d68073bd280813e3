//! Side-by-side measurements: ratios in one run, on the same servers, in interleaved rounds.

mod lease;

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
    /// Acquire and release without contention, beside the bare pair SET NX PX + compare-and-delete
    Lease(lease::Args),
}

fn main() -> ExitCode {
    let Command::Lease(args) = Cli::parse().command;
    match lease::run(&args) {
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
