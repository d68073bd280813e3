//! A foreign library in a program of its own, driven by lines.
//!
//! | request | answers |
//! |---|---|
//! | `acquire <name> <ttl in ms, or forever>` | `granted`, `held` |
//! | `extend <ttl in ms>` | `extended`, `lost` |
//! | `release` | `released`, `lost` |
//!
//! Or `error` and why. It says `ready` first, and ends when its stdin does.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
};

use anyhow::bail;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::timeout,
};

use super::{install, install::Language, peer::Answer};
use crate::world::LIMIT;

#[derive(Debug)]
pub(crate) struct Program {
    script: &'static str,
    /// What it writes to its stderr.
    log: PathBuf,
    requests: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    // Last: its stdin is closed first. Kept, since dropping it kills the program.
    _child: Child,
}

impl Program {
    /// Starts a script of `tests/system/interop`; `None` when its packages cannot be had.
    pub(crate) async fn start(
        language: &Language,
        script: &'static str,
        urls: &[String],
        log: PathBuf,
    ) -> Option<Self> {
        let packages = language.packages().await?;
        let log_file = File::options().create(true).append(true).open(&log).unwrap();
        let mut child = Command::new(language.interpreter)
            .arg(install::sources().join(script))
            .arg(packages)
            .args(urls)
            // Python would write beside its source, in the repository.
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut program = Self { script, log, requests, answers, _child: child };
        assert_eq!(program.answer().await.unwrap(), "ready");
        Some(program)
    }

    /// Asks, and returns the answer.
    pub(crate) async fn tell(&mut self, request: &str) -> String {
        self.requests.write_all(format!("{request}\n").as_bytes()).await.unwrap();
        self.answer().await.unwrap()
    }

    /// Asks, and says whether the answer is the first of the two that are possible.
    pub(super) async fn ask(&mut self, request: &str, possible: [&str; 2]) -> Answer {
        let answer = self.tell(request).await;
        assert!(possible.contains(&&*answer), "{}: {request}: {answer}", self.script);
        if answer == possible[0] { Answer::Done } else { Answer::Refused }
    }

    async fn answer(&mut self) -> anyhow::Result<String> {
        match timeout(LIMIT, self.answers.next_line()).await {
            Ok(Ok(Some(line))) => Ok(line),
            other => {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{}: {other:?} instead of an answer; its stderr:\n{log}", self.script)
            }
        }
    }
}
