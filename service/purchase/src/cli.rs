//! The program `purchase`: `serve`, `migrate`, `health`, `hash-key`.

mod config;
mod health;
mod serve;

use std::{ffi::OsString, io::Read as _, process::ExitCode};

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use leasehold_kit::{
    auth::{KEY_BYTES_MAX, KeyDigest},
    telemetry,
};

use crate::store::{Store, StoreConfig};

/// Sells limited stock from many stateless replicas, never more than there is.
#[derive(Parser)]
#[command(name = "purchase", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Which events are logged, as in "info,leasehold=debug"
    #[arg(long, env = "LEASEHOLD_LOG", default_value = "info", global = true)]
    log: String,

    /// How log lines look: text or json
    #[arg(long, env = "LEASEHOLD_LOG_FORMAT", default_value = "text", global = true)]
    log_format: telemetry::LogFormat,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM, then drain
    Serve(Box<config::ServeArgs>),
    /// Make or update the tables and functions in Postgres, then end
    Migrate(config::DatabaseArgs),
    /// Ask a replica whether it is ready: exit code 0 if so, 1 if not
    Health(health::HealthArgs),
    /// Read an API key from standard input and print the digest that `serve` takes
    HashKey,
}

/// Runs the program with these arguments, the program's name first. Errors go to stderr.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let _unprintable = error.print();
            // clap's own convention: 2 for wrong usage, 0 for --help.
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program's last words are for the person who started it")]
fn report(error: &anyhow::Error) {
    eprintln!("purchase: {error:#}");
}

fn run(cli: Cli) -> anyhow::Result<()> {
    telemetry::logs(&cli.log, cli.log_format)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(args) => serve::serve(args.check()?).await,
            Command::Migrate(args) => migrate(&args.store()?).await,
            Command::Health(args) => health::ask(&args).await,
            Command::HashKey => hash_key(),
        }
    })
}

async fn migrate(config: &StoreConfig) -> anyhow::Result<()> {
    Store::migrate(&config.url).await?;
    tracing::info!("the database is up to date");
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the digest is the command's output")]
fn hash_key() -> anyhow::Result<()> {
    let mut key = String::new();
    let limit = KEY_BYTES_MAX as u64 + 2;
    let _bytes =
        std::io::stdin().take(limit).read_to_string(&mut key).context("cannot read the key")?;
    let key = key.trim_end_matches(['\r', '\n']);
    let usable =
        (16..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    anyhow::ensure!(usable, "an API key has 16 to {KEY_BYTES_MAX} visible ASCII characters");
    println!("{}", KeyDigest::of(key));
    Ok(())
}
