//! What a task costs that waits for a lease, by the resident memory of a process in which many do and nothing else
//! happens: this program again, under a hidden name.
//!
//! It reads where the nodes are, connects, says how much memory it has, has its tasks wait, and says it again. A
//! test of the crate counts the heap to the byte; this is what an operator sees.
#![expect(clippy::print_stdout, reason = "a process answers on its stdout")]

use std::{
    io::BufRead as _,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use leasehold::Resource;
use serde::{Deserialize, Serialize};

use super::Args;
use crate::{
    memory,
    peers::Program,
    progress::Rounds,
    report::{Case, Report},
    servers::{self, Servers},
    stats::{float, median},
};

/// How long a process may take until its tasks wait.
const START_MAX: Duration = Duration::from_secs(120);

/// How long they have waited when they are counted: the pauses between their looks at the nodes are shorter.
const WHILE: Duration = Duration::from_secs(1);

/// Longer than anybody looks.
const LONG: Duration = Duration::from_secs(3600);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    urls: Vec<String>,
    resource: String,
    waiters: u32,
}

/// Rounds, each in a process of its own.
pub(super) async fn measure(
    args: &Args,
    servers: &Servers,
    report: &mut Report,
) -> anyhow::Result<()> {
    let (urls, nodes) = (servers.stack.redis_urls(), servers.stack.nodes.len());
    let leases = servers::leases(&urls).await?;
    let program = Program { path: std::env::current_exe()?, args: Vec::new() };
    let progress = Rounds::new(&format!("{} who wait", args.waiters), args.rounds, 1);
    let mut bytes = Vec::new();
    for number in 0..args.rounds {
        progress.next("ours");
        let resource = format!("bench/crowd/{number}");
        let held = leases.acquire(&Resource::new(resource.clone())?, START_MAX).await?;
        let order = Order { urls: urls.clone(), resource, waiters: args.waiters };
        let order = serde_json::to_string(&order)?;
        let mut worker = program.start(super::CROWD, &order).await?;
        let line = worker.line(START_MAX).await?;
        let said: Option<(u64, u64)> = serde_json::from_str(&line).context("what a crowd said")?;
        drop(worker);
        ensure!(!held.is_lost(), "the lease was lost that they were to wait for");
        held.release().await;
        let Some((before, after)) = said else {
            report.skip("memory of a waiter", "its process cannot be asked: this needs Linux");
            return Ok(());
        };
        bytes.push(float(after.saturating_sub(before)) / f64::from(args.waiters));
    }
    drop(progress);
    println!(
        "{nodes:>5}  {} tasks of one process that wait: {:.0} bytes of memory each\n",
        args.waiters,
        median(bytes.iter().copied())
    );
    let case = Case::default().with("nodes", nodes).with("waiting tasks", u64::from(args.waiters));
    let _entry = report.of("ours", case).lower("memory of a waiter", "bytes", bytes);
    Ok(())
}

/// The process' side.
#[tokio::main]
pub(crate) async fn wait() -> anyhow::Result<()> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    let Order { urls, resource, waiters } = serde_json::from_str(&line).context("the order")?;
    let (leases, resource) = (servers::leases(&urls).await?, Resource::new(resource)?);
    let before = memory::now(std::process::id());
    let (waiting, served) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    for _ in 0..waiters {
        let (leases, resource) = (leases.clone(), resource.clone());
        let (waiting, served) = (Arc::clone(&waiting), Arc::clone(&served));
        drop(tokio::spawn(async move {
            waiting.fetch_add(1, Ordering::SeqCst);
            let _lease = leases.acquire(&resource, LONG).await;
            served.fetch_add(1, Ordering::SeqCst);
        }));
    }
    while waiting.load(Ordering::SeqCst) < waiters {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(WHILE).await;
    let after = memory::now(std::process::id());
    ensure!(served.load(Ordering::SeqCst) == 0, "what they wait for was free");
    println!("{}", serde_json::to_string(&before.zip(after))?);
    // What was said is read before the pipe closes; until then they wait.
    line.clear();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(())
}
