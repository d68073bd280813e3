//! The contestants of `bench lease`: one lease, taken without contention and given back.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, future::join_all, stream::FuturesUnordered};
use leasehold::{Leases, Resource};
use redis::{Script, aio::MultiplexedConnection};
use rslock::LockManager;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use crate::{
    beside::Beside,
    lease::Round,
    limit::Limit,
    peers::{Library, Peer},
    servers::{self, Servers, TTL},
    stats::{float, histogram, micros},
};

/// More connections are no faster on a few cores.
const ADVISORY_CONNECTIONS: u32 = 32;

/// Compare and delete, as every Redis user writes it.
const DELETE: &str =
    "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

#[derive(Clone)]
pub(crate) enum Contestant {
    /// With token.
    Ours(Leases),
    /// What a user would write with the same client library, without token: `SET NX PX` on all
    /// nodes, wait for a quorum, compare-and-delete on all nodes.
    Bare(Vec<MultiplexedConnection>, Arc<Script>),
    /// The crate of that name, without token; one try, then unlock.
    Rslock(LockManager),
    /// What the scripts cost the servers, and nothing else.
    Limit(Limit),
    /// Postgres' own locks, each on a connection of a pool for as long as it is held.
    Advisory(PgPool),
    /// A library in another language, one try, without token.
    Peer(Peer),
}

/// Connections for advisory locks.
pub(crate) async fn advisory_pool(beside: &Beside) -> anyhow::Result<PgPool> {
    let pool = PgPoolOptions::new().max_connections(ADVISORY_CONNECTIONS);
    Ok(pool.connect(&beside.database_url()).await?)
}

impl Contestant {
    /// Ours first, then those that ask the same servers from this process.
    pub(crate) async fn all(servers: &Servers) -> anyhow::Result<Vec<Self>> {
        let urls = servers.stack.redis_urls();
        let mut manager = servers::rslock(&urls)?;
        manager.set_retry(1, Duration::from_millis(200));
        Ok(vec![
            Self::Ours(servers::leases(&urls).await?),
            Self::Bare(servers::connections(&urls).await?, Arc::new(Script::new(DELETE))),
            Self::Rslock(manager),
            Self::Limit(Limit::new(&servers.stack.nodes)?),
        ])
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "ours",
            Self::Bare(..) => "bare",
            Self::Rslock(_) => "rslock",
            Self::Limit(_) => "limit",
            Self::Advisory(_) => "advisory",
            Self::Peer(peer) => peer.library.name(),
        }
    }

    /// Commands that it sends other than by script.
    pub(crate) fn plain(&self) -> &'static [&'static str] {
        match self {
            Self::Ours(_) | Self::Limit(_) | Self::Advisory(_) => &[],
            // redlock takes with a script; what that calls is not sent.
            Self::Peer(peer) if peer.library != Library::RedisPy => &[],
            Self::Bare(..) | Self::Rslock(_) | Self::Peer(_) => &["set"],
        }
    }

    pub(crate) async fn round(&self, tasks: usize, span: Duration) -> anyhow::Result<Round> {
        if let Self::Limit(limit) = self {
            let limit = limit.clone();
            return tokio::task::spawn_blocking(move || limit.round(tasks, span)).await?;
        }
        if let Self::Peer(peer) = self {
            return peer.round(tasks, span).await;
        }
        let begun = Instant::now();
        let running = (0..tasks).map(|task| {
            let contestant = self.clone();
            tokio::spawn(async move {
                let mut times = histogram()?;
                let resource = Resource::new(format!("bench/{}/{task}", contestant.name()))?;
                while begun.elapsed() < span {
                    let pair = Instant::now();
                    contestant.pair(&resource).await?;
                    times.saturating_record(micros(pair.elapsed()));
                }
                anyhow::Ok(times)
            })
        });
        let mut times = histogram()?;
        for done in join_all(running).await {
            times.add(&done??)?;
        }
        Ok(Round { rate: float(times.len()) / begun.elapsed().as_secs_f64(), times })
    }

    async fn pair(&self, resource: &Resource) -> anyhow::Result<()> {
        match self {
            Self::Ours(leases) => {
                let lease = leases.try_acquire(resource).await?;
                let _outcome = lease.release().await;
            }
            Self::Bare(nodes, delete) => bare(nodes, delete, resource.as_str()).await?,
            Self::Rslock(manager) => {
                let lock = manager.lock(resource.as_str(), TTL).await.context("rslock")?;
                lock.release().await;
            }
            Self::Advisory(pool) => advisory(pool, resource.as_str()).await?,
            Self::Limit(_) | Self::Peer(_) => {}
        }
        Ok(())
    }
}

async fn advisory(pool: &PgPool, name: &str) -> anyhow::Result<()> {
    let mut connection = pool.acquire().await?;
    for call in [
        "select pg_try_advisory_lock(hashtextextended($1, 0))",
        "select pg_advisory_unlock(hashtextextended($1, 0))",
    ] {
        let done: bool = sqlx::query_scalar(call).bind(name).fetch_one(&mut *connection).await?;
        anyhow::ensure!(done, "{call} was refused");
    }
    Ok(())
}

async fn bare(nodes: &[MultiplexedConnection], delete: &Script, key: &str) -> anyhow::Result<()> {
    let value = Uuid::new_v4().simple().to_string();
    let quorum = nodes.len() / 2 + 1;
    let ttl = TTL.as_millis().to_string();
    let mut sets: FuturesUnordered<_> = nodes
        .iter()
        .cloned()
        .map(|mut node| {
            let mut set = redis::cmd("SET");
            let _args = set.arg(key).arg(&value).arg("NX").arg("PX").arg(&ttl);
            async move { set.query_async::<Option<String>>(&mut node).await }
        })
        .collect();
    let mut granted = 0;
    while let Some(answer) = sets.next().await {
        granted += usize::from(answer?.is_some());
    }
    anyhow::ensure!(granted >= quorum, "not granted on a quorum");
    let deletes = nodes.iter().cloned().map(|mut node| {
        let mut call = delete.prepare_invoke();
        let _args = call.key(key).arg(&value);
        async move { call.invoke_async::<i64>(&mut node).await }
    });
    for deleted in join_all(deletes).await {
        let _count = deleted?;
    }
    Ok(())
}
