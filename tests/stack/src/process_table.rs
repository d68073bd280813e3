//! What the operating system knows about processes that are not our own children.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How often a blocking wait looks again.
const POLL: Duration = Duration::from_millis(2);

/// One line of the process table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    pid: u32,
    parent: u32,
    state: char,
}

/// Whether the process `pid` exists and has not ended.
///
/// A zombie has ended: in a container nobody may ever come to collect it.
#[must_use]
pub fn is_alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether `pid` stands still after SIGSTOP; `None` when there is no such process.
#[must_use]
pub fn is_stopped(pid: u32) -> Option<bool> {
    state(pid).filter(|state| *state != 'Z').map(|state| state == 'T')
}

/// The processes whose parent is `pid`.
pub(crate) fn children_of(pid: u32) -> Vec<u32> {
    table()
        .into_iter()
        .filter(|entry| entry.parent == pid && entry.state != 'Z')
        .map(|entry| entry.pid)
        .collect()
}

/// Sends `signal`; one who is gone already does not mind.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        kill(Pid::from_raw(pid), signal).ok();
    }
}

/// Waits until none of `pids` is alive; false when `limit` passed before that.
pub(crate) fn all_gone(pids: &[u32], limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while pids.iter().any(|pid| is_alive(*pid)) {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(POLL);
    }
    true
}

/// The processes that work inside `folder`. Linux only: elsewhere it finds none.
pub(crate) fn working_in(folder: &Path) -> Vec<u32> {
    numbered_folders()
        .into_iter()
        .filter(|(_, proc)| {
            fs::read_link(proc.join("cwd")).is_ok_and(|cwd| cwd.starts_with(folder))
        })
        .map(|(pid, _)| pid)
        .collect()
}

#[cfg(target_os = "linux")]
fn state(pid: u32) -> Option<char> {
    let line = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&line).map(|entry| entry.state)
}

#[cfg(not(target_os = "linux"))]
fn state(pid: u32) -> Option<char> {
    table().into_iter().find(|entry| entry.pid == pid).map(|entry| entry.state)
}

#[cfg(target_os = "linux")]
fn table() -> Vec<Entry> {
    numbered_folders()
        .into_iter()
        .filter_map(|(_, proc)| parse_stat(&fs::read_to_string(proc.join("stat")).ok()?))
        .collect()
}

#[cfg(not(target_os = "linux"))]
fn table() -> Vec<Entry> {
    let listing = std::process::Command::new("ps").args(["-A", "-o", "pid=,ppid=,state="]).output();
    let Ok(listing) = listing else { return Vec::new() };
    String::from_utf8_lossy(&listing.stdout).lines().filter_map(parse_ps).collect()
}

/// Every `/proc/<pid>`; empty where there is no `/proc`.
fn numbered_folders() -> Vec<(u32, PathBuf)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
        .collect()
}

/// Reads `pid (name) state parent …`. The name may itself hold brackets and blanks.
#[cfg(any(target_os = "linux", test))]
fn parse_stat(line: &str) -> Option<Entry> {
    let (head, tail) = line.rsplit_once(')')?;
    let pid = head.split_once(' ')?.0.parse().ok()?;
    let mut fields = tail.split_whitespace();
    let state = fields.next()?.chars().next()?;
    Some(Entry { pid, state, parent: fields.next()?.parse().ok()? })
}

#[cfg(any(not(target_os = "linux"), test))]
fn parse_ps(line: &str) -> Option<Entry> {
    let mut fields = line.split_whitespace();
    let pid = fields.next()?.parse().ok()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Entry { pid, parent, state: fields.next()?.chars().next()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_brackets_and_blanks_does_not_shift_the_fields() {
        let entry = parse_stat("42 (odd) name) T 7 42 42 0 -1").unwrap();
        assert_eq!(entry, Entry { pid: 42, parent: 7, state: 'T' });
    }

    #[test]
    fn both_formats_say_the_same() {
        assert_eq!(parse_ps("   42     7 T+"), parse_stat("42 (x) T 7 0"));
    }

    #[test]
    fn we_are_alive() {
        assert!(is_alive(std::process::id()));
    }
}
