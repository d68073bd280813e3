//! What the services' programs are told alike: options and commands, with their variables.

pub mod edge;
pub mod findings;
pub mod health;
pub mod keys;
pub mod logs;
pub mod nodes;
pub mod tls;

use std::{io::Write as _, num::NonZeroUsize, path::Path, process::ExitCode};

use anyhow::Context as _;

/// A value that is given, or stands in a file; exactly one of the two. `name` is the variable that it is
/// given in; that of the file has `_FILE` behind it. White space around what is in the file does not count.
///
/// # Errors
///
/// When both are given, neither is, or the file cannot be read.
pub fn value(given: Option<&str>, file: Option<&Path>, name: &str) -> anyhow::Result<String> {
    match (given, file) {
        (Some(_), Some(_)) => anyhow::bail!("set {name} or {name}_FILE, not both"),
        (Some(value), None) => Ok(value.to_owned()),
        (None, Some(path)) => {
            let text = std::fs::read_to_string(path);
            let text = text.with_context(|| format!("{name}_FILE {path:?} cannot be read"))?;
            Ok(text.trim().to_owned())
        }
        (None, None) => anyhow::bail!("{name} is not set (or {name}_FILE; see --help)"),
    }
}

/// Writes to standard output. Not with `println`, which panics at a pipe that nobody reads any more.
///
/// # Errors
///
/// When nobody reads any more.
pub fn print(text: &[u8]) -> anyhow::Result<()> {
    std::io::stdout().write_all(text).context("cannot write to standard output")
}

/// Runs a program: with the logs that it was told to have, in a runtime of its own with so many threads, or as
/// many as there are processors. `service` is what its traces are sent as.
///
/// # Errors
///
/// As the work does, or when logs or the runtime cannot be set up.
pub fn run<W>(
    logs: &logs::LogArgs,
    service: &'static str,
    threads: Option<NonZeroUsize>,
    work: W,
) -> anyhow::Result<ExitCode>
where
    W: Future<Output = anyhow::Result<ExitCode>>,
{
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    if let Some(threads) = threads {
        let _same = runtime.worker_threads(threads.get());
    }
    let runtime = runtime.enable_all().build().context("no runtime")?;
    let _inside = runtime.enter();
    let traces = logs.begin(service)?;
    let ended = runtime.block_on(work);
    traces.end();
    ended
}

/// How a program ends; if it failed, the reason goes to standard error, after the program's name.
#[must_use]
#[expect(clippy::print_stderr, reason = "a program's last words are for the person who started it")]
pub fn ended(program: &str, ended: anyhow::Result<ExitCode>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        eprintln!("{program}: {error:#}");
        ExitCode::FAILURE
    })
}

/// What a program's wrong usage, `--help` and `--version` come to.
#[must_use]
pub fn usage(error: &clap::Error) -> ExitCode {
    let _unprintable = error.print();
    // clap's own convention: 2 for wrong usage, 0 for --help.
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
