//! The main job: a stack, three replicas, a sale of 100 tickets to 2,000 buyers, and a second one
//! in which the replica that holds the lease is killed.

mod job;

use std::{ffi::OsString, io::Write as _, process::ExitCode};

use clap::Parser;
use leasehold_stack::{Ended, until_ended};

/// Sells out a sale across several replicas under fenced leases, on a real Redis and Postgres.
#[derive(Clone, Debug, Parser)]
#[command(
    name = "stack",
    version,
    after_help = "`stack purchase …` runs the purchase service of this build, `stack sidecar …` its sidecar.\n\n\
    LEASEHOLD_SERVERS=system uses only servers that are installed, =fetch only fetched ones;\n\
    LEASEHOLD_REDIS_URLS and LEASEHOLD_DATABASE_URL name servers that run already."
)]
struct Cli {
    /// Replicas of the purchase service, each a process of its own; one of them is killed
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(2..=50))]
    replicas: u16,

    /// Lease nodes: independent Redis or Valkey servers
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,

    /// Tickets in each of the two sales
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(20..=1_000_000))]
    tickets: u32,

    /// Buyers in each of the two sales
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(20..=50_000))]
    buyers: u32,

    /// Leave everything running afterwards, and print the addresses to try. Lines on standard input, such as
    /// "pause node-1" or "cut replica-1 postgres", then break it; "help" lists them
    #[arg(long)]
    keep: bool,

    /// Prepares everything for the lines that need it: "clock", "fill-disk", "part". Separated by commas
    #[arg(long, value_name = "WHAT", value_delimiter = ',', requires = "keep")]
    prepare: Vec<job::Prepare>,
}

fn main() -> ExitCode {
    let mut args: Vec<OsString> = std::env::args_os().collect();
    // Replicas and sidecar are this same program, so that one `cargo run` builds everything.
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
    let cli = Cli::parse();
    match run(cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report(&error);
            error.downcast_ref().map_or(ExitCode::FAILURE, |ended: &Ended| ended.exit_code().into())
        }
    }
}

/// A program's last words. Nobody may be there to hear them any more.
fn report(error: &anyhow::Error) {
    writeln!(std::io::stderr(), "stack: {error:#}").ok();
}

#[tokio::main]
async fn run(cli: Cli) -> anyhow::Result<bool> {
    // Dropping the job ends every process that it started and removes its folder.
    until_ended(Box::pin(job::run(cli))).await
}
