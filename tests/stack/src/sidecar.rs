//! A sidecar that holds leases for programs: a process of its own, and what can be done to it.

use std::{path::PathBuf, time::Duration};

use crate::{Launch, Process, Program, Stack, free_port, readiness::PORT_ATTEMPTS};

/// Where it listens, for the program.
const LISTEN: &str = "LEASEHOLD_LISTEN";

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
    config: SidecarConfig,
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
            .env(LISTEN, "127.0.0.1:0")
            .capture_lines(64);
        for (key, value) in &self.env {
            launch = launch.env(key, value);
        }
        Process::spawn(&launch)
    }

    /// Starts a sidecar and waits until it listens: where the environment says, or at a free port.
    ///
    /// # Errors
    /// When it does not; the message has the last lines of its log.
    pub async fn start(&self, name: &str) -> anyhow::Result<Sidecar> {
        if self.env.iter().any(|(key, _)| key == LISTEN) {
            return self.start_here(name).await;
        }
        let mut attempt = 1;
        loop {
            // Not at port 0: it comes back there after a kill.
            let here = self.clone().env(LISTEN, format!("127.0.0.1:{}", free_port()?));
            match here.start_here(name).await {
                Err(error) if attempt < PORT_ATTEMPTS && is_port_taken(&error) => attempt += 1,
                started => return started,
            }
        }
    }

    async fn start_here(&self, name: &str) -> anyhow::Result<Sidecar> {
        let mut process = self.run(name, "serve")?;
        let line = process.next_line(START_LIMIT).await?;
        let Some(url) = line.as_deref().and_then(|line| line.strip_prefix("listening on ")) else {
            anyhow::bail!("{name} does not listen:\n{}", process.log_tail(15));
        };
        let mut config = self.clone();
        config.env.retain(|(key, _)| key != LISTEN);
        // The port that it was given, if it was to choose.
        let config = config.env(LISTEN, url.strip_prefix("http://").unwrap_or(url));
        Ok(Sidecar { config, url: url.to_owned(), process })
    }
}

/// The log has what the operating system said.
fn is_port_taken(error: &anyhow::Error) -> bool {
    error.to_string().to_lowercase().contains("address already in use")
}

impl Sidecar {
    /// Where it listens: `http://127.0.0.1:PORT`, or `unix:/path`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Stops it where it stands: it renews nothing, and programs wait for its answers.
    ///
    /// # Errors
    /// When it has ended.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.process.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.process.resume()
    }

    /// Kills it (SIGKILL) with all links of programs; what it held stays with the nodes until it ends there.
    /// Twice is once.
    ///
    /// # Errors
    /// When the kernel does not end it in time.
    pub async fn kill(&self) -> anyhow::Result<()> {
        self.process.kill().await
    }

    /// Starts it again where it listened, after killing it if it still runs, and returns when it listens.
    ///
    /// # Errors
    /// When it does not; the message has the last lines of its log.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.kill().await?;
        let name = self.process.name().to_owned();
        *self = self.config.start_here(&name).await?;
        Ok(())
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
