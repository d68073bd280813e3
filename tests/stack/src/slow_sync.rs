//! A disk that syncs slowly: strace holds each sync of a process up.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::signal::Signal;

use crate::identity::Identity;
use crate::launch::Launch;
use crate::process::Process;
use crate::process_table::is_alive;

/// Why there can be none, in words for a person.
pub(crate) const MISSING: &str =
    "there is no strace that may attach to processes (Debian has a package of that name)";

/// How long strace may take to attach to a process, or to let it go.
const ATTACH_LIMIT: Duration = Duration::from_secs(30);
/// How often we look again.
const POLL: Duration = Duration::from_millis(5);
/// What servers call to have data on the disk.
const SYNCS: &str = "fsync,fdatasync";

/// Processes each of whose syncs takes longer. Dropping it lets them go on as before; it blocks until
/// they do. They may be killed meanwhile, but cannot be paused.
#[derive(Debug)]
#[must_use = "syncs are fast again when this is dropped"]
pub struct SlowSync {
    tracers: Vec<Process>,
}

impl SlowSync {
    /// Holds up what `pids` names, and all that they start.
    pub(crate) async fn of(
        pids: impl Fn() -> Vec<u32>,
        delay: Duration,
        log: PathBuf,
    ) -> anyhow::Result<Self> {
        let inject = format!("inject={SYNCS}:delay_enter={}", delay.as_micros());
        let (begun, mut slow) = (Instant::now(), Self { tracers: Vec::new() });
        loop {
            // Those that were started while we attached to the one who starts them come last.
            let is_free = |pid: &u32| is_alive(*pid) && !is_traced(*pid);
            let pids: Vec<u32> = pids().into_iter().filter(is_free).collect();
            if pids.is_empty() {
                return Ok(slow);
            }
            ensure!(begun.elapsed() < ATTACH_LIMIT, "strace never had all of {pids:?}");
            let launch = Launch::new("strace", "strace", &log)
                .args(["-f", "-qq", "-o", "/dev/null"])
                .args(["-e", &format!("trace={SYNCS}"), "-e", &inject])
                .args(pids.iter().flat_map(|pid| ["-p".to_owned(), pid.to_string()]))
                // It lets go then; SIGKILL would do too, but leave it to the kernel how.
                .at_our_death(Signal::SIGTERM);
            let tracer = Process::spawn(&launch)?;
            while !pids.iter().all(|pid| is_traced(*pid) || !is_alive(*pid)) {
                let is_waited_for = tracer.is_running() && begun.elapsed() < ATTACH_LIMIT;
                ensure!(is_waited_for, tracer.error(&format!("cannot attach to {pids:?}")));
                tokio::time::sleep(POLL).await;
            }
            slow.tracers.push(tracer);
        }
    }
}

impl Drop for SlowSync {
    fn drop(&mut self) {
        for tracer in &self.tracers {
            // One whose processes have all ended has ended too.
            tracer.terminate().ok();
        }
        for tracer in &self.tracers {
            tracer.wait_blocking(ATTACH_LIMIT);
        }
    }
}

/// Whether every thread of a process is looked after by a tracer.
fn is_traced(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let is_free = |thread: &Path| {
        let status = fs::read_to_string(thread.join("status")).unwrap_or_default();
        status.lines().any(|line| line.split_whitespace().eq(["TracerPid:", "0"]))
    };
    !threads.flatten().any(|thread| is_free(&thread.path()))
}

/// Whether this machine lets us: tried out, since who may attach to whom is set in many places.
pub(crate) fn is_possible() -> bool {
    let quiet = |program: &str| {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let mut sleep = quiet("sleep");
    // Ends by itself if we are killed.
    sleep.arg("60");
    if let Some(Identity { uid, gid }) = Identity::for_servers() {
        sleep.uid(uid).gid(gid);
    }
    let Ok(mut target) = sleep.spawn() else { return false };
    let tracer = quiet("strace").args(["-p", &target.id().to_string()]).spawn();
    let is_attached = tracer.is_ok_and(|mut tracer| {
        let begun = Instant::now();
        while !is_traced(target.id())
            && matches!(tracer.try_wait(), Ok(None))
            && begun.elapsed() < ATTACH_LIMIT
        {
            thread::sleep(POLL);
        }
        let is_attached = is_traced(target.id());
        tracer.kill().ok();
        tracer.wait().ok();
        is_attached
    });
    target.kill().ok();
    target.wait().ok();
    is_attached
}
