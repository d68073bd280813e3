//! Nothing is left behind, however the owner ends.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use leasehold_stack::{Launch, Means, Prepared, Process, StackConfig, is_alive};

use crate::{LIMIT, only_nodes, pids, small, start};

#[tokio::test]
async fn dropping_the_stack_ends_every_process_and_removes_the_folder() {
    let stack = start(small()).await;
    stack.nodes[1].pause().unwrap();
    stack.postgres.as_ref().unwrap().pause().unwrap();
    let (pids, folder) = (pids(&stack), stack.folder().to_owned());
    assert!(pids.len() > 5 && servers_live(&pids), "{pids:?}");
    assert!(folder.join("node-0.log").exists() && folder.join("postgres.log").exists());
    drop(stack);
    let left: Vec<&u32> = pids.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!folder.exists());
}

/// Not a test: what `a_killed_owner_leaves_no_server_behind` starts and kills.
#[tokio::test]
#[ignore = "runs until it is killed"]
async fn holds_a_stack_until_killed() {
    // On disks of their own, where that is possible: they have to go as well.
    let small_disks = Means::SmallDisks.missing().is_none();
    let prepared = Prepared { small_disks, ..Prepared::default() };
    let stack = start(StackConfig { prepared, ..small() }).await;
    let pids = pids(&stack);
    if std::env::var_os("IT_PAUSED").is_some() {
        stack.nodes[0].pause().unwrap();
        stack.postgres.as_ref().unwrap().pause().unwrap();
    }
    println!("folder {}", stack.folder().display());
    println!("pids {}", pids.iter().map(u32::to_string).collect::<Vec<_>>().join(" "));
    std::future::pending::<()>().await;
}

async fn line_after(process: &mut Process, word: &str) -> String {
    loop {
        let line = process.next_line(LIMIT).await.unwrap().expect("it prints before it ends");
        if let Some((_, rest)) = line.split_once(word) {
            return rest.trim().to_owned();
        }
    }
}

#[tokio::test]
#[cfg_attr(not(target_os = "linux"), ignore = "only Linux tells children of their parent's death")]
async fn a_killed_owner_leaves_no_server_behind_and_the_next_stack_sweeps_its_folder() {
    check_killed_owner(None).await;
    // Paused servers may sleep through its death; the next stack ends them.
    check_killed_owner(Some(("IT_PAUSED", "1"))).await;
}

async fn check_killed_owner(variable: Option<(&str, &str)>) {
    let logs = tempfile::tempdir().unwrap();
    let launch =
        Launch::new("owner", std::env::current_exe().unwrap(), logs.path().join("owner.log"))
            .args([
                "--exact",
                "left_behind::holds_a_stack_until_killed",
                "--ignored",
                "--nocapture",
            ])
            .capture_lines(64);
    let launch = variable.into_iter().fold(launch, |launch, (key, value)| launch.env(key, value));
    let mut owner = Process::spawn(&launch).unwrap();
    let folder = PathBuf::from(line_after(&mut owner, "folder ").await);
    let pids: Vec<u32> =
        line_after(&mut owner, "pids ").await.split(' ').map(|pid| pid.parse().unwrap()).collect();
    assert!(pids.len() > 5 && servers_live(&pids), "{pids:?}");

    owner.kill().await.unwrap();
    if variable.is_some() {
        drop(start(only_nodes(1)).await);
    }
    assert!(all_end(&pids).await, "{pids:?}");
    drop(start(only_nodes(1)).await);
    // Another test's stack may be the one that sweeps it, and be in the midst of it.
    let deadline = Instant::now() + LIMIT;
    while folder.exists() {
        assert!(Instant::now() < deadline, "{} is still there", folder.display());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn all_end(pids: &[u32]) -> bool {
    let deadline = Instant::now() + LIMIT;
    while pids.iter().any(|pid| is_alive(*pid)) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    true
}

/// Whether the first four of three nodes and Postgres live: the nodes and the postmaster. Its
/// other processes come and go.
fn servers_live(pids: &[u32]) -> bool {
    pids[..4].iter().all(|pid| is_alive(*pid))
}
