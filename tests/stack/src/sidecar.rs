//! A sidecar that holds leases for programs: a process of its own, and what can be done to it.

use std::{path::PathBuf, time::Duration};

use crate::{Launch, Process, Program, Stack};

/// How long a sidecar may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a sidecar may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// How sidecars are set up.
#[derive(Clone, Debug)]
pub struct SidecarConfig {
    /// What they run.
    pub program: Program,
    /// Addresses of the lease nodes.
    pub redis_urls: Vec<String>,
    /// Where their logs go.
    pub folder: PathBuf,
    /// Further environment, over the defaults.
    pub env: Vec<(String, String)>,
}

/// A running sidecar. Dropping it kills it.
#[derive(Debug)]
pub struct Sidecar {
    url: String,
    process: Process,
}

impl SidecarConfig {
    /// Sidecars on the lease nodes of a stack.
    #[must_use]
    pub fn on(stack: &Stack, program: Program) -> Self {
        Self {
            program,
            redis_urls: stack.redis_urls(),
            folder: stack.folder().to_owned(),
            env: Vec::new(),
        }
    }

    /// The same with one more variable.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.push((key.to_owned(), value.into()));
        self
    }

    /// Starts the program with this command, and does not wait for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, name: &str, command: &str) -> anyhow::Result<Process> {
        let log = self.folder.join(format!("{name}.log"));
        let mut launch = Launch::new(name, &self.program.path, log)
            .args(&self.program.args)
            .arg(command)
            .env("REDIS_URLS", self.redis_urls.join(","))
            .env("LEASEHOLD_LISTEN", "127.0.0.1:0")
            .capture_lines(64);
        for (key, value) in &self.env {
            launch = launch.env(key, value);
        }
        Process::spawn(&launch)
    }

    /// Starts a sidecar and waits until it listens.
    ///
    /// # Errors
    /// When it does not; the message has the last lines of its log.
    pub async fn start(&self, name: &str) -> anyhow::Result<Sidecar> {
        let mut process = self.run(name, "serve")?;
        let line = process.next_line(START_LIMIT).await?;
        let Some(url) = line.as_deref().and_then(|line| line.strip_prefix("listening on ")) else {
            anyhow::bail!("{name} does not listen:\n{}", process.log_tail(15));
        };
        Ok(Sidecar { url: url.to_owned(), process })
    }
}

impl Sidecar {
    /// Where it listens: `http://127.0.0.1:PORT`, or `unix:/path`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process: pause, resume, kill.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Lets it stop (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time, or not with success.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.process.terminate()?;
        let status = self.process.wait(STOP_LIMIT).await?;
        let tail = || self.process.log_tail(15);
        anyhow::ensure!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.process.name(),
            tail()
        );
        Ok(())
    }
}
