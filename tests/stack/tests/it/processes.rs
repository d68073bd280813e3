//! Single processes: whom they run as, what they say, how they end.

use std::fs;
use std::time::Duration;

use leasehold_stack::{Launch, Process};

use crate::{LIMIT, pids, small, start};

#[tokio::test]
async fn no_server_runs_as_root() {
    let stack = start(small()).await;
    if cfg!(target_os = "linux") {
        for pid in pids(&stack) {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            assert!(!status.contains("Uid:\t0"), "{status}");
        }
    }
}

#[tokio::test]
async fn a_command_that_cannot_be_run_and_one_that_ends_are_told_apart() {
    let logs = tempfile::tempdir().unwrap();
    let launch = |program: &str| Launch::new("it", program, logs.path().join("it.log"));
    let error = Process::spawn(&launch("/no/such/program")).unwrap_err().to_string();
    assert!(error.contains("cannot run /no/such/program"), "{error}");

    let talks = launch("sh").args(["-c", "echo one; echo two; echo three >&2; exit 3"]);
    let mut process = Process::spawn(&talks.capture_lines(8)).unwrap();
    assert_eq!(process.next_line(LIMIT).await.unwrap().as_deref(), Some("one"));
    assert_eq!(process.next_line(LIMIT).await.unwrap().as_deref(), Some("two"));
    assert_eq!(process.next_line(LIMIT).await.unwrap(), None);
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(3));
    assert!(process.log_tail(5).contains("three"));
    assert!(process.pause().is_err() && process.terminate().is_err());
    process.kill().await.unwrap();

    let waits =
        Process::spawn(&launch("sh").args(["-c", "echo waiting; exec sleep 1000"])).unwrap();
    let error = waits.wait(Duration::from_millis(50)).await.unwrap_err().to_string();
    assert!(error.contains("still running"), "{error}");
}
