//! Further verbs that break Postgres: its disk, its connections.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use futures_util::future::join_all;
use sqlx::{ConnectOptions as _, PgConnection, postgres::PgConnectOptions};

use crate::disk::Disk;
use crate::postgres::{Postgres, execute};
use crate::slow_sync::SlowSync;

/// What our connections are called, so that we do not end them with the others.
const NAME: &str = "leasehold-stack";
/// How many connections are taken at a time.
const AT_A_TIME: usize = 8;
/// How long it may take to have all of them: each is a process, and a password that is checked.
const TAKE_LIMIT: Duration = Duration::from_secs(120);
/// How long it may take to end for want of room.
const RUN_OUT_LIMIT: Duration = Duration::from_secs(60);
/// How often room that was given back is taken again.
const FILL_POLL: Duration = Duration::from_millis(1);
/// Has the log of writes go on in another file, of which few are there in advance. A checkpoint would make
/// new ones of old ones.
const NEXT_LOG_FILE: &str =
    "select pg_logical_emit_message(false, 'leasehold', 'x'); select pg_switch_wal()";
/// What Postgres says when it has no connection left.
const TOO_MANY: &str = "53300";

impl Postgres {
    /// Takes all the room on its disk. Statements that need more fail, and when the log of writes finds
    /// none, all its processes end and start again, or do not: see [`Postgres::run_out_of_disk`].
    ///
    /// # Errors
    /// When the stack did not start it, or not with [`Prepared::small_disks`](crate::Prepared::small_disks).
    pub fn fill_disk(&self) -> anyhow::Result<()> {
        self.own_disk()?.fill()
    }

    /// Fills its disk and has it write until it ends: once its log finds no room it ends all its
    /// processes, and then cannot start again without room either. [`Postgres::free_disk`] and
    /// [`Postgres::restart`] bring it back.
    ///
    /// # Errors
    /// As [`Postgres::fill_disk`], and when it does not end within a minute.
    pub async fn run_out_of_disk(&self) -> anyhow::Result<()> {
        let (disk, cluster, begun) = (self.own_disk()?, self.ours("filled")?, Instant::now());
        let filling = async {
            while cluster.is_running() {
                ensure!(begun.elapsed() < RUN_OUT_LIMIT, "postgres: goes on with a full disk");
                // Again and again: processes that end give a little room back, and with that the next
                // ones might go on.
                disk.fill()?;
                tokio::time::sleep(FILL_POLL).await;
            }
            Ok(())
        };
        let writing = async {
            loop {
                execute(self.url(), NEXT_LOG_FILE).await.ok();
            }
        };
        tokio::select! {
            ended = filling => ended,
            never = writing => never,
        }
    }

    /// Gives the room back after [`Postgres::fill_disk`]. One that has ended is to be restarted.
    ///
    /// # Errors
    /// As [`Postgres::fill_disk`].
    pub fn free_disk(&self) -> anyhow::Result<()> {
        self.own_disk()?.free()
    }

    /// Has each of its syncs to the disk, so each commit, take so much longer, until the guard is
    /// dropped. It may be killed and restarted meanwhile (and syncs fast then), but not paused.
    ///
    /// # Errors
    /// When it has ended, the stack did not start it, or there is no
    /// [`Means::SlowSyncs`](crate::Means::SlowSyncs).
    pub async fn slow_sync(&self, delay: Duration) -> anyhow::Result<SlowSync> {
        let cluster = self.ours("slowed down")?;
        ensure!(cluster.is_running(), "postgres: cannot be slowed down, it has ended");
        SlowSync::of(|| cluster.pids(), delay, cluster.log().with_file_name("postgres-strace.log"))
            .await
    }

    /// Ends the connections of all others and takes every one that there is, until what is returned is
    /// dropped: then it refuses everybody.
    ///
    /// # Errors
    /// When it does not answer, others are always faster, or the stack did not start it.
    pub async fn take_connections(&self) -> anyhow::Result<TakenConnections> {
        self.ours("kept busy")?;
        let (begun, mut taken) = (Instant::now(), vec![connect(self.url()).await?]);
        let all = sqlx::query_scalar(ALL).fetch_one(&mut taken[0]).await;
        let all: i64 = all.context("postgres: does not say how many connections it has")?;
        loop {
            let more = join_all((0..AT_A_TIME).map(|_| connect(self.url()))).await;
            let mut is_full = false;
            for connection in more {
                match connection {
                    Ok(connection) => taken.push(connection),
                    Err(error) if is_refusal(&error) => is_full = true,
                    Err(error) => return Err(error).context("postgres: no connection to take"),
                }
            }
            let n = taken.len();
            // That nobody else is seen is not enough: who is just logging in has one, and is not seen yet.
            if i64::try_from(n)? >= all {
                return Ok(TakenConnections { _taken: taken });
            }
            if is_full {
                end_others(&mut taken[0]).await?;
            }
            ensure!(
                begun.elapsed() < TAKE_LIMIT,
                "postgres: only {n} connections in {TAKE_LIMIT:?}"
            );
        }
    }

    fn own_disk(&self) -> anyhow::Result<&Disk> {
        let disk = self.ours("put on another disk")?.disk();
        disk.context("postgres: started without a small disk")
    }
}

/// How many connections this user may have.
const ALL: &str = "select (current_setting('max_connections')::int - case \
    when (select rolsuper from pg_roles where rolname = current_user) then 0 \
    else current_setting('superuser_reserved_connections')::int end)::bigint";

/// Every connection that Postgres has. Dropping it hangs up, which Postgres notices soon.
#[derive(Debug)]
#[must_use = "the connections are free again when this is dropped"]
pub struct TakenConnections {
    _taken: Vec<PgConnection>,
}

async fn connect(url: &str) -> Result<PgConnection, sqlx::Error> {
    let options: PgConnectOptions = url.parse()?;
    options.application_name(NAME).connect().await
}

fn is_refusal(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.code().as_deref() == Some(TOO_MANY))
}

/// Ends the connections of others.
async fn end_others(connection: &mut PgConnection) -> anyhow::Result<()> {
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
               where backend_type = 'client backend' and application_name <> $1";
    let ended = sqlx::query(end).bind(NAME).execute(connection).await;
    let _ended = ended.context("postgres: cannot end the connections of others")?;
    Ok(())
}
