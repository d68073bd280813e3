//! The program `lease-sidecar`: `serve`, `check-config`, `health`, `keys`, `openapi`, `completions`.

mod check;
mod config;
mod help;
mod serve;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory as _, Parser, Subcommand};
use leasehold_kit::cli::{
    self, health,
    keys::{self, KeysCommand},
    logs::LogArgs,
};

use crate::http;

/// What the program is called.
const PROGRAM: &str = "lease-sidecar";

/// Leases with fencing tokens for programs in any language, over loopback HTTP or a Unix socket.
///
/// Runs beside a program, holds leases on Redis or Valkey servers for it, and gives them back at once when
/// the program dies.
#[derive(Parser)]
#[command(name = PROGRAM, version, arg_required_else_help = true, after_help = help::SIDECAR)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    #[command(flatten)]
    logs: LogArgs,
}

#[derive(Subcommand)]
enum Command {
    /// Hold leases until SIGTERM, then give them back
    #[command(after_help = help::SERVE)]
    Serve(Box<config::ServeArgs>),
    /// Say what is wrong with a deployment before programs use it, and what to do
    #[command(after_help = help::CHECK_CONFIG)]
    CheckConfig(Box<config::ServeArgs>),
    /// Ask a sidecar whether it is ready: exit code 0 if so, 1 if not
    Health {
        /// Address of the sidecar: http://, https:// or `unix:/path`. With TLS, its certificate is not
        /// checked, and nothing secret is sent
        #[arg(long, env = "LEASEHOLD_HEALTH_URL", default_value = "http://127.0.0.1:3501")]
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
    let threads = if let Command::Serve(args) = &what { Some(args.threads()) } else { None };
    cli::ended(PROGRAM, cli::run(&logs, "leasehold-sidecar", threads, command(what)))
}

async fn command(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::serve(args.check()?).await?,
        Command::CheckConfig(args) => return check::run(&args).await,
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
