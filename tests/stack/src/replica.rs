//! A replica of the purchase service: a process of its own, and what can be done to it.

use std::{
    ffi::OsString,
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;

use crate::{Entrance, Keys, Launch, Links, Namespace, Process, Proxy, Stack, clock::Clock, links};

/// How long a replica may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a replica may take to end after SIGTERM, its drain included.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The program that replicas or sidecars run: its path, and arguments before their own.
#[derive(Clone, Debug)]
pub struct Program {
    /// The executable.
    pub path: PathBuf,
    /// What stands before `serve` or `migrate`.
    pub args: Vec<OsString>,
}

impl Program {
    /// The purchase service that is linked into this very program: it runs itself again.
    ///
    /// # Errors
    /// When the path of this program is not known.
    pub fn linked() -> anyhow::Result<Self> {
        let path = std::env::current_exe().context("the path of this program is not known")?;
        Ok(Self { path, args: vec!["purchase".into()] })
    }

    /// The sidecar that is linked into this very program, in the same way.
    ///
    /// # Errors
    /// When the path of this program is not known.
    pub fn linked_sidecar() -> anyhow::Result<Self> {
        Ok(Self { args: vec!["sidecar".into()], ..Self::linked()? })
    }
}

/// How replicas are set up.
#[derive(Clone, Debug)]
pub struct ReplicaConfig {
    /// What they run.
    pub program: Program,
    /// Addresses of the lease nodes.
    pub redis_urls: Vec<String>,
    /// The database.
    pub database_url: String,
    /// The API keys that they know.
    pub keys: Keys,
    /// Where their logs go.
    pub folder: PathBuf,
    /// Further environment, over the defaults.
    pub env: Vec<(String, String)>,
    /// Whether their clocks can be set ([`Replica::jump_clock`]); needs [`Means::Clocks`](crate::Means).
    pub clocks: bool,
    /// The network that they live in, if it is not ours.
    pub inside: Option<Entrance>,
}

impl ReplicaConfig {
    /// Replicas on the whole of a stack.
    #[must_use]
    pub fn on(stack: &Stack, program: Program, keys: Keys) -> Self {
        Self {
            program,
            redis_urls: stack.redis_urls(),
            database_url: stack.database_url(),
            keys,
            folder: stack.folder().to_owned(),
            env: Vec::new(),
            clocks: false,
            inside: None,
        }
    }

    /// The same, but through these links, which are between the same servers.
    ///
    /// # Panics
    /// When there are more lease nodes here than links to them.
    #[must_use]
    pub fn through(&self, links: &Links) -> Self {
        let (urls, nodes) = (&self.redis_urls, &links.nodes);
        assert!(urls.len() <= nodes.len(), "{} lease nodes, {} links", urls.len(), nodes.len());
        let at = |(url, node): (&String, &Proxy)| links::at(url, node.address());
        Self {
            redis_urls: urls.iter().zip(nodes).map(at).collect(),
            database_url: links::at(&self.database_url, links.postgres.address()),
            ..self.clone()
        }
    }

    /// The same, in a network of its own, with its proxies to the servers.
    #[must_use]
    pub fn inside(&self, namespace: &Namespace, links: &Links) -> Self {
        Self { inside: Some(namespace.entrance()), ..self.through(links) }
    }

    fn launch(&self, name: &str, command: &str) -> Launch {
        let here = self.inside.as_ref().map_or(Ipv4Addr::LOCALHOST, |inside| inside.address);
        let mut launch =
            Launch::new(name, &self.program.path, self.folder.join(format!("{name}.log")))
                .args(&self.program.args)
                .arg(command)
                .env("DATABASE_URL", &self.database_url)
                .env("REDIS_URLS", self.redis_urls.join(","))
                .env("LEASEHOLD_REPLICA", name)
                .env("LEASEHOLD_LISTEN", format!("{here}:0"))
                .inside(self.inside.clone())
                .env("LEASEHOLD_DRAIN_MS", "200")
                // As in its image.
                .env("MALLOC_ARENA_MAX", "1")
                .capture_lines(4);
        // One of the two, as the service wants it.
        if !self.env.iter().any(|(key, _)| key == "LEASEHOLD_KEYS_FILE") {
            launch = launch.env("LEASEHOLD_KEYS", self.keys.list());
        }
        for (key, value) in &self.env {
            launch = launch.env(key, value);
        }
        launch
    }

    /// Runs `purchase migrate`.
    ///
    /// # Errors
    /// When it fails; the message has the last lines of its log.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        let process = Process::spawn(&self.launch("migrate", "migrate"))?;
        let status = process.wait(START_LIMIT).await?;
        anyhow::ensure!(status.success(), "migrate ended with {status}:\n{}", process.log_tail(15));
        Ok(())
    }

    /// Starts a replica and waits until it listens.
    ///
    /// # Errors
    /// When it does not; the message has the last lines of its log.
    pub async fn start(&self, name: &str) -> anyhow::Result<Replica> {
        let clock = self.folder.join(format!("{name}.clock"));
        let clock = self.clocks.then(|| Clock::new(clock)).transpose()?;
        let launch = Clock::over(clock.as_ref(), self.launch(name, "serve"));
        let mut process = Process::spawn(&launch)?;
        let line = process.next_line(START_LIMIT).await?;
        let url = line.as_deref().and_then(|line| line.strip_prefix("listening on "));
        let Some(url) = url else {
            anyhow::bail!("{name} does not listen:\n{}", process.log_tail(15));
        };
        if clock.is_some() {
            Clock::tidy(process.pid());
        }
        Ok(Replica { url: url.to_owned(), process, clock })
    }
}

/// A running replica. Dropping it kills it.
#[derive(Debug)]
pub struct Replica {
    url: String,
    process: Process,
    clock: Option<Clock>,
}

impl Replica {
    /// Its name, as the log of batches has it.
    #[must_use]
    pub fn name(&self) -> &str {
        self.process.name()
    }

    /// Where it listens: `http://127.0.0.1:PORT`, or at its address in a network of its own.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where its log is.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        self.process.log_path()
    }

    /// The last lines of its log.
    #[must_use]
    pub fn log_tail(&self, lines: usize) -> String {
        self.process.log_tail(lines)
    }

    /// Its process: pause, resume, kill.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// Puts its wall clock so many seconds ahead of the machine's, or behind for a negative number; 0
    /// sets it right. A jump is not added to the one before.
    ///
    /// # Errors
    /// When it was started without [`ReplicaConfig::clocks`].
    pub fn jump_clock(&self, seconds: i64) -> anyhow::Result<()> {
        let no_clock = || format!("{}: started without a clock that can be set", self.name());
        self.clock.as_ref().with_context(no_clock)?.jump(seconds)
    }

    /// Lets it drain (SIGTERM) and waits for its end.
    ///
    /// # Errors
    /// When it does not end in time, or not with success.
    pub async fn stop(&self) -> anyhow::Result<()> {
        self.process.terminate()?;
        let status = self.process.wait(STOP_LIMIT).await?;
        anyhow::ensure!(
            status.success(),
            "{} ended with {status}:\n{}",
            self.name(),
            self.log_tail(15)
        );
        Ok(())
    }
}
