//! The Postgres of a stack: databases on demand, and the verbs that break it.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::cluster::Cluster;
use crate::machine::{PostgresServer, Site};
use crate::stack::Prepared;

/// How long a statement of ours may take: a new database is a few copied files.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60);
/// How long dropping our databases in somebody else's Postgres may take, all together.
const CLEAN_UP_LIMIT: Duration = Duration::from_secs(10);

/// One Postgres with durable defaults. Dropping it ends all its processes; in a Postgres that
/// the stack did not start, it drops the databases that were made.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    /// `None` when the stack did not start it.
    cluster: Option<Cluster>,
    created: Mutex<Vec<String>>,
}

impl Postgres {
    pub(crate) async fn start(
        server: &PostgresServer,
        site: Site<'_>,
        prepared: Prepared,
    ) -> anyhow::Result<Self> {
        let cluster = Cluster::start(server, site, prepared).await?;
        Ok(Self { url: cluster.url(), cluster: Some(cluster), created: Mutex::default() })
    }

    /// Uses the one at `url` as it is; it must answer.
    pub(crate) async fn given(url: &str) -> anyhow::Result<Self> {
        execute(url, "SELECT 1").await.context("the postgres of LEASEHOLD_DATABASE_URL")?;
        Ok(Self { url: url.to_owned(), cluster: None, created: Mutex::default() })
    }

    /// The address of its default database, password included.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Makes an empty database and returns its address.
    ///
    /// # Errors
    /// When `name` is not 1 to 63 of `a-z`, `0-9` and `_`, or exists, or Postgres does not answer.
    ///
    /// # Cancel safety
    /// The database may exist afterwards.
    pub async fn create_database(&self, name: &str) -> anyhow::Result<String> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ensure!(
            (1..=63).contains(&name.len()) && name.chars().all(plain),
            "database name {name:?} is not 1 to 63 of a-z, 0-9 and _"
        );
        let statement = format!("CREATE DATABASE \"{name}\"");
        execute(&self.url, &statement).await.with_context(|| format!("database {name}"))?;
        self.created.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
        Ok(with_database(&self.url, name))
    }

    /// Its postmaster and then its other processes; empty when the stack did not start it.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.cluster.as_ref().map(Cluster::pids).unwrap_or_default()
    }

    /// Its postmaster; `None` when the stack did not start it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.pids().first().copied()
    }

    /// A program that came with it, such as `pgbench`; `None` when it came without, or the stack did not
    /// start it.
    #[must_use]
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let path = self.cluster.as_ref()?.bin().join(name);
        path.exists().then_some(path)
    }

    /// Stops all its processes where they stand.
    ///
    /// # Errors
    /// When it has ended, or the stack did not start it.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.ours("paused")?.pause()
    }

    /// Lets all its processes go on.
    ///
    /// # Errors
    /// When it has ended, or the stack did not start it.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.ours("resumed")?.resume()
    }

    /// Kills all its processes (SIGKILL) and waits for their end. Twice is once.
    ///
    /// # Errors
    /// When one of them does not end in time, or the stack did not start it.
    #[expect(clippy::unused_async, reason = "the same verb as for a lease node")]
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.ours("killed")?.kill()
    }

    /// Starts it again at the same address with its data, after killing it if it still runs,
    /// and returns when it answers.
    ///
    /// # Errors
    /// When it does not answer in time, or the stack did not start it.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.ours("restarted")?.kill()?;
        match &mut self.cluster {
            Some(cluster) => cluster.restart().await,
            None => Ok(()),
        }
    }

    pub(crate) fn ours(&self, verb: &str) -> anyhow::Result<&Cluster> {
        let why = || format!("the postgres is from LEASEHOLD_DATABASE_URL and cannot be {verb}");
        self.cluster.as_ref().with_context(why)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let created =
            std::mem::take(self.created.get_mut().unwrap_or_else(PoisonError::into_inner));
        if self.cluster.is_some() || created.is_empty() {
            return;
        }
        let url = self.url.clone();
        // A thread of its own: we may be inside a runtime, which must not be blocked on itself.
        thread::spawn(move || drop_databases(&url, &created)).join().ok();
    }
}

fn drop_databases(url: &str, names: &[String]) {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return;
    };
    let dropping = async {
        for name in names {
            let statement = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
            execute(url, &statement).await.ok();
        }
    };
    // A Postgres that is gone keeps its databases; there is nobody to tell.
    runtime.block_on(async { tokio::time::timeout(CLEAN_UP_LIMIT, dropping).await.ok() });
}

/// Runs one statement on a connection of its own.
pub(crate) async fn execute(url: &str, statement: &str) -> anyhow::Result<()> {
    let work = async {
        let mut connection = PgConnection::connect(url).await?;
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await?;
        connection.close().await
    };
    tokio::time::timeout(STATEMENT_LIMIT, work).await.context("no answer")??;
    Ok(())
}

/// The same server, another database.
fn with_database(url: &str, name: &str) -> String {
    let (address, query) =
        url.split_once('?').map_or((url, ""), |(address, query)| (address, query));
    let authority = address.find("://").map_or(0, |at| at + "://".len());
    let server = address[authority..].find('/').map_or(address, |at| &address[..authority + at]);
    let mark = if query.is_empty() { "" } else { "?" };
    format!("{server}/{name}{mark}{query}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_an_address_changes() {
        for (url, expected) in [
            ("postgres://a:b@h:1/postgres", "postgres://a:b@h:1/x"),
            ("postgres://a:b@h:1/postgres?sslmode=disable", "postgres://a:b@h:1/x?sslmode=disable"),
            ("postgres://h", "postgres://h/x"),
            ("postgres://h?sslmode=disable", "postgres://h/x?sslmode=disable"),
        ] {
            assert_eq!(with_database(url, "x"), expected);
        }
    }
}
