//! Contenders in processes of their own: this program again, under a hidden name, or a script of `bench/peers`.
//!
//! A worker reads its order, connects, says that it is ready, begins at the next line it reads, and
//! prints what came of it. Orders go through the pipe: addresses can hold passwords, and arguments
//! are for everybody to read.
#![expect(clippy::print_stdout, reason = "a worker answers on its stdout")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use super::{
    contestant::Kind,
    round::{self, DRAIN_MAX, Outcome, Plan},
};
use crate::peers::{Program, Worker};
use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

/// How long a worker may take to connect: long, so that a busy machine makes a round late and not a failure.
const START_MAX: Duration = Duration::from_secs(120);
const READY: &str = "ready";
const GO: &str = "go";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) urls: Vec<String>,
    pub(super) kind: Kind,
    pub(super) plan: Plan,
    /// The file that shows whether two processes are in the section at once.
    pub(super) witness: PathBuf,
}

/// Workers that are ready to begin. Dropping them ends them.
pub(super) struct Workers {
    workers: Vec<Worker>,
    span: Duration,
}

impl Workers {
    pub(super) async fn start(
        order: &Order,
        program: &Program,
        processes: usize,
    ) -> anyhow::Result<Self> {
        let order_line = serde_json::to_string(order)?;
        let question = order.kind.library().map_or(super::WORKER, |_| "contend");
        let mut workers = Vec::new();
        for _ in 0..processes {
            workers.push(program.start(question, &order_line).await?);
        }
        for worker in &mut workers {
            let line = worker.line(START_MAX).await?;
            ensure!(line == READY, "a worker said {line}");
        }
        Ok(Self { workers, span: order.plan.span })
    }

    pub(super) async fn go(mut self) -> anyhow::Result<Outcome> {
        for worker in &mut self.workers {
            worker.tell(GO).await?;
        }
        let mut outcome = Outcome::default();
        for worker in &mut self.workers {
            let line = worker.line(self.span + 2 * DRAIN_MAX).await?;
            outcome.add(serde_json::from_str(&line).context("a worker's outcome")?);
            ensure!(worker.child.wait().await?.success(), "a worker failed");
        }
        Ok(outcome)
    }
}

/// The worker's side. Its stdin is read without async: until it may begin there is nothing to do.
#[tokio::main]
pub(crate) async fn work() -> anyhow::Result<()> {
    let order: Order = serde_json::from_str(&read_line()?).context("the order")?;
    let Order { urls, kind, plan, witness } = order;
    let contestant = Arc::new(kind.connect(&urls, plan.tasks).await?);
    // Connections and scripts get warm, on a resource that nobody else wants. A list without a token
    // would never let go, and its connections are made already.
    if kind != Kind::Blpop {
        let resource = format!("{}/warm/{}", plan.resource, std::process::id());
        let plan = Plan { resource, tasks: 1, section: Duration::ZERO, span: Duration::ZERO };
        let _warm = round::run(&contestant, &plan, None).await?;
    }
    println!("{READY}");
    ensure!(read_line()?.trim() == GO, "not told to begin");
    let outcome = round::run(&contestant, &plan, Some(&witness)).await?;
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    ensure!(std::io::stdin().read_line(&mut line)? > 0, "nobody to work for");
    Ok(line)
}
