//! One supervised child process: its log, its signals, its end.

use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, ExitStatus};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;

use crate::launch::Launch;
use crate::{process_table, spawner};

/// How long the kernel may take to stop or end a process that was told to.
const SIGNAL_LIMIT: Duration = Duration::from_secs(10);
/// How often a wait looks again: a fork or a signal takes about this long.
const POLL: Duration = Duration::from_millis(2);
/// How much of a log an error message reads.
const LOG_TAIL_BYTES: u64 = 16 * 1024;

/// A running child. Dropping it kills it and waits for its end.
#[derive(Debug)]
pub struct Process {
    name: String,
    pid: u32,
    log: PathBuf,
    /// How long the log was when this child began: what came before is another's.
    log_start: u64,
    // Every signal is sent under this lock and only while the child is not collected, so no
    // signal can reach another process that was given the same number.
    child: Mutex<Child>,
    lines: Option<mpsc::Receiver<String>>,
}

impl Process {
    /// Starts it.
    ///
    /// # Errors
    /// When the log cannot be opened or the program cannot be run.
    pub fn spawn(launch: &Launch) -> anyhow::Result<Self> {
        let Launch { name, program, log, lines, .. } = launch;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("{name}: cannot open its log {}", log.display()))?;
        let log_start = file.metadata()?.len();
        let mut child =
            spawner::spawn(launch.command(&file)?, launch.at_our_death, launch.inside.clone())
                .with_context(|| format!("{name}: cannot run {}", program.display()))?;
        let lines = child.stdout.take().map(|stdout| {
            let (kept, receiver) = mpsc::channel(*lines);
            thread::spawn(move || copy_lines(stdout, file, &kept));
            receiver
        });
        Ok(Self {
            name: name.clone(),
            pid: child.id(),
            log: log.clone(),
            log_start,
            child: Mutex::new(child),
            lines,
        })
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id. It stays the same after the end of the process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Where its output goes.
    #[must_use]
    pub fn log_path(&self) -> &Path {
        &self.log
    }

    /// Whether it has not ended.
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.child().try_wait(), Ok(None))
    }

    /// Whether it stands (SIGSTOP), whoever stopped it.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        process_table::is_stopped(self.pid) == Some(true)
    }

    /// Stops it where it stands (SIGSTOP) and returns when it stands.
    ///
    /// # Errors
    /// When it has ended, or the kernel did not stop it in time.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGSTOP)?;
        self.stands_still()
    }

    /// Returns when it stands, whoever stopped it. One that is about to stop itself must not be
    /// stopped a second time: it would stand again after it was resumed.
    ///
    /// # Errors
    /// When it has ended, or does not stop in time.
    pub fn stands_still(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SIGNAL_LIMIT;
        loop {
            match process_table::is_stopped(self.pid) {
                Some(true) => return Ok(()),
                Some(false) if Instant::now() < deadline => thread::sleep(POLL),
                Some(false) => bail!("{}: not stopped within {SIGNAL_LIMIT:?}", self.name),
                None => bail!("{}: ended instead of stopping", self.name),
            }
        }
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// When it has ended.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Asks it to end (SIGTERM). One that is paused hears it after it is resumed.
    ///
    /// # Errors
    /// When it has ended already.
    pub fn terminate(&self) -> anyhow::Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Ends it (SIGKILL) and waits for the end, also when it is paused. Twice is once.
    ///
    /// # Errors
    /// When the kernel does not end it in time.
    ///
    /// # Cancel safety
    /// The signal is sent before the first await.
    pub async fn kill(&self) -> anyhow::Result<()> {
        if self.is_running() {
            self.signal(Signal::SIGKILL).ok();
        }
        self.wait(SIGNAL_LIMIT).await.map(drop)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When `limit` passes first; the message has the last lines of its log.
    pub async fn wait(&self, limit: Duration) -> anyhow::Result<ExitStatus> {
        // The clock of the machine, not tokio's: a test that stops tokio's still waits rightly.
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child().try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(self.error(&format!("still running after {limit:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The next captured line of its stdout, or `None` when it closed its stdout.
    ///
    /// # Errors
    /// When no line comes within `limit`, or it was started without [`Launch::capture_lines`].
    pub async fn next_line(&mut self, limit: Duration) -> anyhow::Result<Option<String>> {
        let Some(lines) = &mut self.lines else {
            bail!("{}: its stdout is not captured", self.name)
        };
        match tokio::time::timeout(limit, lines.recv()).await {
            Ok(line) => Ok(line),
            Err(_) => Err(self.error(&format!("printed no line within {limit:?}"))),
        }
    }

    /// The last `n` lines it wrote to its log.
    #[must_use]
    pub fn log_tail(&self, n: usize) -> String {
        let text = self.read_log().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(n)..].join("\n")
    }

    /// An error about this process with the end of its log.
    pub(crate) fn error(&self, what: &str) -> anyhow::Error {
        let tail = self.log_tail(15);
        let tail = if tail.is_empty() { "(nothing)" } else { &tail };
        let log = self.log.display();
        anyhow::anyhow!("{}: {what}; its log {log} ends with:\n{tail}", self.name)
    }

    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let mut child = self.child();
        if let Some(status) = child.try_wait()? {
            bail!("{}: cannot send {signal}, it has ended with {status}", self.name);
        }
        let pid = Pid::from_raw(i32::try_from(self.pid)?);
        kill(pid, signal).with_context(|| format!("{}: cannot send {signal}", self.name))
    }

    /// Waits for its end and blocks; false when `limit` passed first.
    pub(crate) fn wait_blocking(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        while self.is_running() {
            if Instant::now() >= deadline {
                return false;
            }
            thread::sleep(POLL);
        }
        true
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read_log(&self) -> std::io::Result<String> {
        let mut file = File::open(&self.log)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(self.log_start.max(end.saturating_sub(LOG_TAIL_BYTES))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.is_running() {
            self.signal(Signal::SIGKILL).ok();
            self.wait_blocking(SIGNAL_LIMIT);
        }
    }
}

/// Copies lines to the log and offers them to the reader, who may have stopped reading.
fn copy_lines(stdout: ChildStdout, mut log: File, kept: &mpsc::Sender<String>) {
    for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        // A full disk must not stop the child by a full pipe.
        log.write_all(format!("{line}\n").as_bytes()).ok();
        kept.try_send(line).ok();
    }
}
