//! A holder in a process of its own: this program again, under a hidden name.
//!
//! It says on its stdout what it knows of its lease, and releases it when it is asked to end. Its order comes in
//! the environment, which only its own user can read: addresses can hold passwords.
#![expect(clippy::print_stdout, reason = "a holder answers on its stdout")]

use std::time::Duration;

use anyhow::Context as _;
use leasehold::Resource;
use leasehold_stack::{Launch, Process, Stack};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};

use super::contestant::{Client, Held, Kind};

const ORDER: &str = "LEASEHOLD_BENCH_ORDER";

/// How long a holder may take until it has the lease: fresh nodes do not vote for a TTL.
const START_MAX: Duration = Duration::from_secs(90);

/// How long a holder may take to say what became of its lease.
const SAY_MAX: Duration = Duration::from_secs(30);

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    urls: Vec<String>,
    kind: Kind,
    resource: String,
    ttl: Duration,
}

/// What a holder says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    /// It has the lease, with this token if there are any.
    Held(Option<i64>),
    /// It gave it back.
    Released,
    /// It may not act any more.
    Lost,
}

/// A process that holds the lease. Dropping it kills it.
pub(super) struct Holder {
    pub(super) process: Process,
    pub(super) token: Option<i64>,
}

impl Holder {
    /// Returns when it has the lease.
    pub(super) async fn start(
        stack: &Stack,
        kind: Kind,
        resource: &str,
        ttl: Duration,
    ) -> anyhow::Result<Self> {
        let order = Order { urls: stack.redis_urls(), kind, resource: resource.to_owned(), ttl };
        let log = stack.folder().join("holder.log");
        let launch = Launch::new(super::HOLDER, std::env::current_exe()?, log)
            .arg(super::HOLDER)
            .env(ORDER, serde_json::to_string(&order)?)
            .capture_lines(4);
        let process = Process::spawn(&launch)?;
        let mut holder = Self { process, token: None };
        match holder.says(START_MAX).await? {
            Said::Held(token) => holder.token = token,
            other => anyhow::bail!("a holder began with {other:?}"),
        }
        Ok(holder)
    }

    /// What it says next about its lease.
    pub(super) async fn says_next(&mut self) -> anyhow::Result<Said> {
        self.says(SAY_MAX).await
    }

    async fn says(&mut self, limit: Duration) -> anyhow::Result<Said> {
        let line = self.process.next_line(limit).await?.context("a holder ended early")?;
        serde_json::from_str(&line).with_context(|| format!("a holder said {line}"))
    }
}

/// The holder's side.
#[tokio::main]
pub(crate) async fn hold() -> anyhow::Result<()> {
    let order = std::env::var(ORDER).context("no order")?;
    let Order { urls, kind, resource, ttl } = serde_json::from_str(&order)?;
    let resource = Resource::new(resource)?;
    let mut asked = signal(SignalKind::terminate())?;
    match kind.connect(&urls, ttl)? {
        client @ Client::Ours(_) => {
            let Held::Ours(lease) = client.acquire(&resource).await? else {
                anyhow::bail!("another's lease");
            };
            say(Said::Held(Some(lease.token().as_i64())))?;
            let is_asked = tokio::select! {
                _ = asked.recv() => true,
                _ = lease.lost() => false,
            };
            if is_asked {
                let _outcome = lease.release().await;
                return say(Said::Released);
            }
            say(Said::Lost)
        }
        Client::Rslock(manager, ttl) => {
            let holding = manager.using(resource.as_str().as_bytes(), ttl, async || {
                say(Said::Held(None)).ok();
                asked.recv().await
            });
            let is_asked = holding.await.is_ok();
            say(if is_asked { Said::Released } else { Said::Lost })
        }
    }
}

fn say(said: Said) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(&said)?);
    Ok(())
}
