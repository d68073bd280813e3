//! The program `stack`, driven as a person or another program drives it.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::LIMIT;

/// The program, with what it says on both of its outputs. Dropping it kills it.
pub(crate) struct Stack {
    pub(crate) child: Child,
    pub(crate) stdin: ChildStdin,
    pub(crate) said: Receiver<String>,
    /// How many answers were waited for.
    asked: usize,
}

impl Stack {
    /// Starts it as somebody else's program would: a signal is for it alone.
    pub(crate) fn start(before: &str, args: &str) -> Self {
        let program = env!("CARGO_BIN_EXE_stack");
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("{before} exec '{program}' {args}"));
        // It may not break somebody else's servers.
        command.env_remove("LEASEHOLD_REDIS_URLS").env_remove("LEASEHOLD_DATABASE_URL");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (says, said) = channel();
        let outputs: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in outputs {
            let says = says.clone();
            thread::spawn(move || {
                for line in BufReader::new(output).lines().map_while(Result::ok) {
                    if says.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let stdin = child.stdin.take().unwrap();
        Self { child, stdin, said, asked: 0 }
    }

    /// What it says up to a line with this.
    pub(crate) fn says(&self, what: &str) -> String {
        let mut all = String::new();
        loop {
            let line = self.said.recv_timeout(LIMIT);
            let line = line.unwrap_or_else(|error| unreachable!("no {what:?}, {error}:\n{all}"));
            let is_it = line.contains(what);
            all.push_str(&line);
            all.push('\n');
            if is_it {
                return all;
            }
        }
    }

    /// What it answers to a line.
    pub(crate) fn answers(&mut self, line: &str) -> String {
        // It answers in order, and to this in a line that nothing else says.
        self.asked += 1;
        let mark = format!("mark-{}", self.asked);
        writeln!(self.stdin, "{line}\n{mark}").unwrap();
        let all = self.says(&mark);
        all.lines().filter(|line| !line.contains(&mark)).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    pub(crate) fn ends(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(begun.elapsed() < LIMIT, "it goes on");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The word behind `name` in what was said.
pub(crate) fn word<'a>(said: &'a str, name: &str) -> &'a str {
    said.split_once(name).unwrap().1.split_whitespace().next().unwrap()
}

/// Nothing is left of a program that had this process id and this folder.
pub(crate) fn nothing_is_left(pid: u32, folder: &Path) {
    assert!(!folder.exists(), "{} is left", folder.display());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    assert!(!mounts.contains(&folder.display().to_string()), "{mounts}");
    let networks = fs::read_dir("/run/netns").into_iter().flatten().flatten();
    let names: Vec<String> =
        networks.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    assert!(!names.iter().any(|name| name.starts_with(&format!("leasehold-{pid}-"))), "{names:?}");
}
