//! The program `purchase`: `serve`, `migrate`, `health`, `keys`, `check-config`,
//! `openapi`, `completions`.

mod check;
mod config;
mod database;
mod health;
mod help;
mod retries;
mod serve;
mod traces;
mod webhooks;

use std::{ffi::OsString, io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use leasehold_kit::{
    cli::keys::{self, KeysCommand},
    telemetry,
};

use crate::{
    http,
    store::{Store, StoreConfig},
};

/// What the program is called.
const PROGRAM: &str = "purchase";

/// Sells limited stock from many stateless replicas, never more than there is.
///
/// Replicas take turns under leases on Redis or Valkey servers; Postgres keeps what was sold, and refuses
/// whoever writes after its turn.
#[derive(Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true, after_help = help::PURCHASE)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Which events are logged, as in "info,leasehold=debug"
    #[arg(long, env = "LEASEHOLD_LOG", default_value = "info", global = true)]
    log: String,

    /// How log lines look: text or json
    #[arg(long, env = "LEASEHOLD_LOG_FORMAT", default_value = "text", global = true)]
    log_format: telemetry::LogFormat,

    /// Address of the collector that traces are sent to, with its scheme and port (OTLP over HTTP);
    /// only in a build with the feature otlp
    #[arg(long, env = "LEASEHOLD_OTLP_ENDPOINT", global = true)]
    otlp_endpoint: Option<String>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API until SIGTERM, then drain
    #[command(after_help = help::SERVE)]
    Serve(Box<config::ServeArgs>),
    /// Say what is wrong with a deployment before it takes traffic, and what to do
    #[command(after_help = help::CHECK_CONFIG)]
    CheckConfig(Box<config::ServeArgs>),
    /// Make or update the tables and functions in Postgres, then end
    Migrate(database::DatabaseArgs),
    /// Ask a replica whether it is ready: exit code 0 if so, 1 if not
    Health(health::HealthArgs),
    /// Work with API keys
    #[command(subcommand, mut_subcommands(help::of_keys))]
    Keys(KeysCommand),
    /// Print the API's description (OpenAPI 3.1)
    Openapi {
        /// Print the table of error codes instead, as Markdown
        #[arg(long)]
        codes: bool,
    },
    /// Print a script that completes this program's commands in a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
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
        Ok(code) => code,
        Err(error) => {
            report(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stderr, reason = "a program's last words are for the person who started it")]
fn report(error: &anyhow::Error) {
    eprintln!("{PROGRAM}: {error:#}");
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no runtime")?;
    let _inside = runtime.enter();
    let traces = traces::begin(&cli.log, cli.log_format, cli.otlp_endpoint.as_deref())?;
    let ended = runtime.block_on(command(cli.command));
    traces.end();
    ended
}

async fn command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::serve(args.check()?).await?,
        Command::CheckConfig(args) => return check::run(&args).await,
        Command::Migrate(args) => migrate(&args.store()?).await?,
        Command::Health(args) => health::ask(&args).await?,
        Command::Keys(command) => keys::run(&command, PROGRAM)?,
        Command::Openapi { codes: true } => print(http::table_of_codes().as_bytes())?,
        Command::Openapi { codes: false } => print(http::description().as_bytes())?,
        Command::Completions { shell } => complete(shell)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Not with `println`, which panics at a pipe that nobody reads any more.
fn print(text: &[u8]) -> anyhow::Result<()> {
    std::io::stdout().write_all(text).context("cannot write to standard output")
}

/// Into memory first: who writes straight to a pipe that nobody reads any more, panics.
fn complete(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    print(&script)
}

async fn migrate(config: &StoreConfig) -> anyhow::Result<()> {
    let newer = Store::migrate(&config.url).await?;
    if newer.is_empty() {
        tracing::info!("the database is up to date");
    } else {
        tracing::warn!(?newer, "a newer program has updated the database; nothing was undone");
    }
    Ok(())
}
