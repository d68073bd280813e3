//! The contestants of `bench contend`, behind the two verbs they share.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use leasehold::{Lease, Leases, Resource};
use redis::aio::MultiplexedConnection;
use rslock::{LockGuard, LockManager};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::handover::Handover;
use crate::{
    peers::Library,
    servers::{self, TTL},
};

/// How long ours may wait for a lease: longer than any fair queue here, so that an error is one.
const WAIT_MAX: Duration = Duration::from_secs(60);
/// How many times rslock tries before its own loop begins anew; its default.
const RSLOCK_TRIES: u32 = 3;
/// The shorter of the pauses that rslock is given; its default is random below 200 ms.
const RSLOCK_PAUSE: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
pub(super) enum Kind {
    /// `acquire` with a wait of 60 s, `release`
    Ours,
    /// The crate, `acquire` with its defaults: pauses below 200 ms
    Rslock,
    /// The same with pauses below 5 ms
    Rslock5ms,
    /// Prototype: a queue in the process, one script call passes the lease on (tasks only)
    LocalHandover,
    /// npm's redlock, with its defaults: pauses of about 200 ms
    Redlock,
    /// redis-py's asyncio Lock, with its defaults: pauses of 100 ms (one node only)
    RedisPy,
    /// Postgres' advisory locks, a connection for each task (beside one node only)
    Advisory,
    /// The lock service of one etcd server (beside one node only)
    Etcd,
    /// Prototype: a token in a list, BLPOP and RPUSH on connections of one's own (one node only)
    Blpop,
}

pub(super) enum Contestant {
    Ours(Leases),
    Rslock(LockManager),
    LocalHandover(Arc<Handover>),
    Blpop(Vec<Arc<Mutex<MultiplexedConnection>>>),
    Advisory(Vec<Arc<Mutex<PgConnection>>>),
}

/// What is held in the section.
pub(super) enum Held {
    Ours(Lease),
    Rslock(LockGuard),
    LocalHandover(Arc<Handover>, String),
    Blpop(OwnedMutexGuard<MultiplexedConnection>),
    Advisory(OwnedMutexGuard<PgConnection>),
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ours => "ours",
            Self::Rslock => "rslock",
            Self::Rslock5ms => "rslock 5 ms",
            Self::LocalHandover => "local_handover",
            Self::Blpop => "blpop",
            Self::Redlock => Library::Redlock.name(),
            Self::RedisPy => Library::RedisPy.name(),
            Self::Advisory => "advisory",
            Self::Etcd => Library::Etcd.name(),
        }
    }

    /// The library that plays it in a process of its own.
    pub(super) const fn library(self) -> Option<Library> {
        match self {
            Self::Redlock => Some(Library::Redlock),
            Self::RedisPy => Some(Library::RedisPy),
            Self::Etcd => Some(Library::Etcd),
            _ => None,
        }
    }

    /// Commands that it sends other than by script and that scripts could call too.
    pub(super) fn plain(self) -> &'static [&'static str] {
        match self {
            Self::Ours | Self::LocalHandover | Self::Redlock | Self::Advisory | Self::Etcd => &[],
            Self::Rslock | Self::Rslock5ms | Self::RedisPy => &["set"],
            Self::Blpop => &["rpush"],
        }
    }

    /// Each has a resource of its own: what one leaves behind is not in the way of the next.
    pub(super) fn resource(self) -> String {
        format!("bench/contend/{}", self.name().replace(' ', "-"))
    }

    /// Puts the token into the list, where there is to be one.
    pub(super) async fn prepare(self, urls: &[String]) -> anyhow::Result<()> {
        if self == Self::Blpop {
            for mut node in servers::connections(urls).await? {
                redis::cmd("DEL").arg(self.resource()).exec_async(&mut node).await?;
                redis::cmd("RPUSH").arg(self.resource()).arg("token").exec_async(&mut node).await?;
            }
        }
        Ok(())
    }

    pub(super) async fn connect(self, urls: &[String], tasks: usize) -> anyhow::Result<Contestant> {
        Ok(match self {
            Self::Ours => Contestant::Ours(servers::leases(urls).await?),
            Self::Rslock => Contestant::Rslock(servers::rslock(urls)?),
            Self::Rslock5ms => {
                let mut manager = servers::rslock(urls)?;
                manager.set_retry(RSLOCK_TRIES, RSLOCK_PAUSE);
                Contestant::Rslock(manager)
            }
            Self::LocalHandover => {
                let nodes = servers::connections(urls).await?;
                Contestant::LocalHandover(Arc::new(Handover::new(nodes, self.resource())))
            }
            Self::Redlock | Self::RedisPy | Self::Etcd => {
                bail!("{} is another program", self.name())
            }
            Self::Advisory => {
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    let url = urls.first().context("no database")?;
                    connections.push(Arc::new(Mutex::new(PgConnection::connect(url).await?)));
                }
                Contestant::Advisory(connections)
            }
            Self::Blpop => {
                ensure!(urls.len() == 1, "blpop knows no quorum");
                let mut connections = Vec::new();
                for _ in 0..tasks {
                    connections.extend(servers::patient_connections(urls).await?);
                }
                let connections = connections.into_iter().map(|one| Arc::new(Mutex::new(one)));
                Contestant::Blpop(connections.collect())
            }
        })
    }
}

impl Contestant {
    /// Waits for the lease, for the task of this number.
    pub(super) async fn acquire(&self, resource: &Resource, task: usize) -> anyhow::Result<Held> {
        Ok(match self {
            Self::Ours(leases) => Held::Ours(leases.acquire(resource, WAIT_MAX).await?),
            Self::Rslock(manager) => Held::Rslock(manager.acquire(resource.as_str(), TTL).await?),
            Self::LocalHandover(handover) => {
                let value = handover.acquire().await?;
                Held::LocalHandover(Arc::clone(handover), value)
            }
            Self::Blpop(connections) => {
                let connection = connections.get(task).context("a connection for each task")?;
                let mut connection = Arc::clone(connection).lock_owned().await;
                let mut pop = redis::cmd("BLPOP");
                pop.arg(resource.as_str()).arg(0).exec_async(&mut *connection).await?;
                Held::Blpop(connection)
            }
            Self::Advisory(connections) => {
                let connection = connections.get(task).context("a connection for each task")?;
                let mut connection = Arc::clone(connection).lock_owned().await;
                let lock = sqlx::query("select pg_advisory_lock(hashtextextended($1, 0))");
                let _done = lock.bind(resource.as_str()).execute(&mut *connection).await?;
                Held::Advisory(connection)
            }
        })
    }
}

impl Held {
    pub(super) async fn release(self, resource: &Resource) -> anyhow::Result<()> {
        match self {
            Self::Ours(lease) => {
                let _outcome = lease.release().await;
            }
            Self::Rslock(guard) => guard.release().await,
            Self::LocalHandover(handover, value) => handover.release(value).await?,
            Self::Blpop(mut connection) => {
                let mut push = redis::cmd("RPUSH");
                push.arg(resource.as_str()).arg("token").exec_async(&mut *connection).await?;
            }
            Self::Advisory(mut connection) => {
                let unlock = "select pg_advisory_unlock(hashtextextended($1, 0))";
                let unlock = sqlx::query_scalar(unlock).bind(resource.as_str());
                let was_held: bool = unlock.fetch_one(&mut *connection).await?;
                ensure!(was_held, "an advisory lock was not held");
            }
        }
        Ok(())
    }
}
