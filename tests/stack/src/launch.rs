//! What to start: program, arguments, environment, user, log.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::identity::Identity;
use crate::namespace::Entrance;

/// What to start and where its output goes.
#[derive(Clone, Debug)]
pub struct Launch {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    pub(crate) log: PathBuf,
    folder: Option<PathBuf>,
    run_as: Option<Identity>,
    pub(crate) lines: usize,
    pub(crate) at_our_death: Signal,
    pub(crate) inside: Option<Entrance>,
}

impl Launch {
    /// A program that is called `name` in messages and appends what it prints to `log`.
    ///
    /// It works in the folder of its log unless [`Launch::folder`] says otherwise.
    pub fn new(
        name: impl Into<String>,
        program: impl Into<PathBuf>,
        log: impl Into<PathBuf>,
    ) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            log: log.into(),
            folder: None,
            run_as: None,
            lines: 0,
            at_our_death: Signal::SIGKILL,
            inside: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Sets an environment variable on top of the inherited ones.
    #[must_use]
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The working folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Runs it as another user; `None` keeps ours.
    #[must_use]
    pub fn run_as(mut self, identity: impl Into<Option<Identity>>) -> Self {
        self.run_as = identity.into();
        self
    }

    /// Starts it in a [network of its own](crate::Namespace); `None` in ours. Linux only, and only as our own user,
    /// who is root.
    #[must_use]
    pub fn inside(mut self, entrance: impl Into<Option<Entrance>>) -> Self {
        self.inside = entrance.into();
        self
    }

    /// Keeps up to `n` unread lines of its stdout for [`Process::next_line`](crate::Process::next_line);
    /// all of them go to the log too.
    #[must_use]
    pub fn capture_lines(mut self, n: usize) -> Self {
        self.lines = n;
        self
    }

    /// The signal it gets on Linux when this process ends. SIGKILL unless said otherwise.
    pub(crate) fn at_our_death(mut self, signal: Signal) -> Self {
        self.at_our_death = signal;
        self
    }

    pub(crate) fn command(&self, log: &File) -> anyhow::Result<Command> {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(self.env.iter().map(|(key, value)| (key, value)));
        command.stdin(Stdio::null()).stderr(log.try_clone()?);
        if self.lines > 0 {
            command.stdout(Stdio::piped());
        } else {
            command.stdout(log.try_clone()?);
        }
        if let Some(folder) = self.folder.as_deref().or_else(|| self.log.parent()) {
            command.current_dir(folder);
        }
        if let Some(Identity { uid, gid }) = self.run_as {
            command.uid(uid).gid(gid);
        }
        Ok(command)
    }
}
