//! Contestants in other languages: scripts in `bench/peers`, in processes of their own.
//!
//! A script takes the folder with its packages and the question, reads its order, a line of JSON, and says
//! that it is ready. For `lease` it then answers each line `TASKS MILLISECONDS` with a round; for `contend`
//! it is a worker like ours.
//!
//! Packages are those that the interop tests pin, fetched with pip or npm into the same folder of `target`.

use std::{
    fs,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use leasehold_stack::{Launch, Process, Sources};
use serde::Deserialize;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Mutex,
    time::timeout,
};

use crate::{
    lease::Round,
    stats::{float, histogram},
};

/// How long a package manager may take; it fetches a few megabytes.
const FETCH_MAX: Duration = Duration::from_secs(300);
/// How long a script may be silent beside its rounds.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// A library of another language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// npm's, version 5
    Redlock,
    /// Its asyncio Lock, on one node
    RedisPy,
    /// The lock service of one etcd server, by its HTTP gateway
    Etcd,
}

impl Library {
    pub(crate) const ALL: [Self; 3] = [Self::Redlock, Self::RedisPy, Self::Etcd];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Redlock => "redlock",
            Self::RedisPy => "redis-py",
            Self::Etcd => "etcd",
        }
    }

    /// Whether it can ask for a lease on so many nodes.
    pub(crate) const fn knows(self, nodes: usize) -> bool {
        matches!(self, Self::Redlock) || nodes == 1
    }

    const fn language(self) -> &'static str {
        match self {
            Self::Redlock | Self::Etcd => "node",
            Self::RedisPy => "python",
        }
    }

    const fn interpreter(self) -> &'static str {
        match self {
            Self::Redlock | Self::Etcd => "node",
            Self::RedisPy => "python3",
        }
    }

    const fn script(self) -> &'static str {
        match self {
            Self::Redlock => "redlock.mjs",
            Self::RedisPy => "redis_lock.py",
            Self::Etcd => "etcd.mjs",
        }
    }

    /// The lists that pin its packages, with hashes.
    const fn lists(self) -> &'static [&'static str] {
        match self {
            Self::Redlock => &["package.json", "package-lock.json"],
            Self::RedisPy => &["requirements.txt"],
            Self::Etcd => &[],
        }
    }

    const fn fetch(self) -> &'static str {
        match self {
            Self::Redlock => "npm ci --ignore-scripts --no-audit --no-fund",
            Self::RedisPy => {
                "python3 -m pip install --target=. --only-binary=:all: --requirement=requirements.txt \
                 --require-hashes --no-deps"
            }
            Self::Etcd => "",
        }
    }

    /// What runs it.
    ///
    /// # Errors
    /// When its language or its packages cannot be had.
    pub(crate) async fn program(self) -> anyhow::Result<Program> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(self.script());
        anyhow::ensure!(script.exists(), "{} is not there any more", script.display());
        let packages =
            if self.lists().is_empty() { PathBuf::new() } else { self.packages().await? };
        Ok(Program { path: self.interpreter().into(), args: vec![script, packages] })
    }

    /// Named after what is in it, as the interop tests do.
    async fn packages(self) -> anyhow::Result<PathBuf> {
        let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/system/interop");
        let mut hasher = DefaultHasher::new();
        for list in self.lists() {
            fs::read(lists.join(list)).context("the pinned packages")?.hash(&mut hasher);
        }
        let cache = Sources::from_env()?.cache.with_file_name("leasehold-interop");
        let complete = cache.join(format!("{}-{:016x}", self.language(), hasher.finish()));
        if complete.is_dir() {
            return Ok(complete);
        }
        let partial = cache.join(format!(".partial-bench-{}", std::process::id()));
        fs::create_dir_all(&partial)?;
        for list in self.lists() {
            let _bytes = fs::copy(lists.join(list), partial.join(list))?;
        }
        let fetched = self.fetch_into(&partial).await;
        // Whoever was first has made what all use.
        let renamed = fetched.and_then(|()| Ok(fs::rename(&partial, &complete)?));
        fs::remove_dir_all(&partial).ok();
        if complete.is_dir() {
            return Ok(complete);
        }
        renamed.map(|()| complete)
    }

    async fn fetch_into(self, folder: &Path) -> anyhow::Result<()> {
        let mut words = self.fetch().split_whitespace();
        let program = words.next().context("no command")?;
        let log = std::env::temp_dir().join(format!("bench-fetch-{}.log", std::process::id()));
        let launch = Launch::new(program, program, &log)
            .args(words)
            .folder(folder)
            .env("PIP_DISABLE_PIP_VERSION_CHECK", "1")
            // A configuration file that sets these makes a target folder impossible.
            .env("PIP_USER", "0")
            .env("PIP_REQUIRE_VIRTUALENV", "0");
        let process = Process::spawn(&launch)?;
        let status = process.wait(FETCH_MAX).await?;
        let said = process.log_tail(5);
        fs::remove_file(&log).ok();
        anyhow::ensure!(status.success(), "`{}` ended with {status}: {said}", self.fetch());
        Ok(())
    }
}

/// A program that is a contestant, and what stands before the question in its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) path: PathBuf,
    pub(crate) args: Vec<PathBuf>,
}

impl Program {
    /// Starts it with its order. Dropping it ends it.
    pub(crate) async fn start(&self, question: &str, order: &str) -> anyhow::Result<Worker> {
        let mut child = Command::new(&self.path)
            .args(&self.args)
            .arg(question)
            // Python would write beside its source, in the repository.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", self.path.display()))?;
        let stdin = child.stdin.take().context("a worker without stdin")?;
        let stdout = child.stdout.take().context("a worker without stdout")?;
        let mut worker = Worker { child, stdin, stdout: BufReader::new(stdout).lines() };
        worker.tell(order).await?;
        Ok(worker)
    }
}

/// A process that is told lines and answers with lines.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Worker {
    pub(crate) async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        Ok(self.stdin.write_all(format!("{line}\n").as_bytes()).await?)
    }

    pub(crate) async fn line(&mut self, limit: Duration) -> anyhow::Result<String> {
        let line = timeout(limit, self.stdout.next_line()).await;
        line.context("a worker is silent")??.context("a worker ended early")
    }
}

/// A library that takes part in `lease`. Clones share the process.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    pub(crate) library: Library,
    worker: Arc<Mutex<Worker>>,
}

#[derive(Deserialize)]
struct Told {
    pairs: u64,
    micros: u64,
    times: Vec<(u64, u64)>,
}

impl Peer {
    pub(crate) async fn start(library: Library, urls: &[String]) -> anyhow::Result<Self> {
        let order = json!({ "urls": urls }).to_string();
        let mut worker = library.program().await?.start("lease", &order).await?;
        let line = worker.line(SILENCE_MAX).await?;
        anyhow::ensure!(line == "ready", "it said {line}");
        Ok(Self { library, worker: Arc::new(Mutex::new(worker)) })
    }

    pub(crate) async fn round(&self, tasks: usize, span: Duration) -> anyhow::Result<Round> {
        let mut worker = self.worker.lock().await;
        worker.tell(&format!("{tasks} {}", span.as_millis())).await?;
        let line = worker.line(span + SILENCE_MAX).await?;
        let told: Told = serde_json::from_str(&line).with_context(|| line.clone())?;
        let mut times = histogram()?;
        for (micros, count) in told.times {
            times.saturating_record_n(micros, count);
        }
        Ok(Round { rate: float(told.pairs) * 1e6 / float(told.micros), times })
    }
}
