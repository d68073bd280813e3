//! The program `purchase`: `serve`, `migrate`, `health`, `keys`, `check-config`,
//! `openapi`, `completions`.

mod check;
mod config;
mod database;
mod help;
mod retries;
mod serve;
mod webhooks;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};
use leasehold_kit::cli::{
    self, health,
    keys::{self, KeysCommand},
    logs::LogArgs,
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

    #[command(flatten)]
    logs: LogArgs,
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
    Health {
        /// Address of the replica, http:// or https://. With TLS, its certificate is not checked: it names
        /// the service, not this host, and nothing secret is sent
        #[arg(long, env = "LEASEHOLD_HEALTH_URL", default_value = "http://127.0.0.1:8080")]
        url: String,
    },
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
    let Cli { logs, command: what } = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return cli::usage(&error),
    };
    cli::ended(PROGRAM, cli::run(&logs, "leasehold-purchase", None, command(what)))
}

async fn command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::serve(args.check()?).await?,
        Command::CheckConfig(args) => return check::run(&args).await,
        Command::Migrate(args) => migrate(&args.store()?).await?,
        Command::Health { url } => health::ask(&url).await?,
        Command::Keys(command) => keys::run(&command, PROGRAM)?,
        Command::Openapi { codes: true } => cli::print(http::table_of_codes().as_bytes())?,
        Command::Openapi { codes: false } => cli::print(http::description().as_bytes())?,
        Command::Completions { shell } => complete(shell)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Into memory first: who writes straight to a pipe that nobody reads any more, panics.
fn complete(shell: clap_complete::Shell) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    cli::print(&script)
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
