//! Further verbs that break a lease node: its clock, its data, its memory, its scripts, its connections, its
//! disk.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use redis::Cmd;

use crate::disk::Disk;
use crate::lease_node::LeaseNode;
use crate::slow_sync::SlowSync;

/// Longer than a server goes without a look at its clock: Valkey 9.1 adds up what has passed since for a
/// millisecond.
const CLOCK_KEPT: Duration = Duration::from_millis(2);
/// How long a server may take to obey.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

impl LeaseNode {
    /// Puts its clock so many seconds ahead of the machine's, or behind for a negative number; 0 sets
    /// it right. A jump is not added to the one before. Keys whose time is over by the new clock are
    /// gone at once. A restart keeps it.
    ///
    /// # Errors
    /// When the stack did not start it, or not with [`Prepared::clocks`](crate::Prepared::clocks).
    pub fn jump_clock(&self, seconds: i64) -> anyhow::Result<()> {
        self.ours("set to another time")?;
        let no_clock = || format!("{}: started without a clock that can be set", self.name());
        let clock = self.started().and_then(|started| started.clock.as_ref());
        clock.with_context(no_clock)?.jump(seconds)?;
        thread::sleep(CLOCK_KEPT);
        Ok(())
    }

    /// Makes it forget everything (`FLUSHALL`), on disk too.
    ///
    /// # Errors
    /// When it does not answer, or the stack did not start it: other people's data stays.
    pub async fn flush_all(&self) -> anyhow::Result<()> {
        self.tell("emptied", &redis::cmd("FLUSHALL")).await
    }

    /// Lets its memory be full: it answers whatever would need more with `OOM`, and goes on to read,
    /// to delete and to let keys expire. [`LeaseNode::accept_writes`] or a restart ends it.
    ///
    /// # Errors
    /// When it does not answer, or the stack did not start it.
    pub async fn refuse_writes(&self) -> anyhow::Result<()> {
        self.tell("filled", redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(1)).await
    }

    /// Gives it its memory back after [`LeaseNode::refuse_writes`].
    ///
    /// # Errors
    /// When it does not answer, or the stack did not start it.
    pub async fn accept_writes(&self) -> anyhow::Result<()> {
        self.tell("given memory", redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(0)).await
    }

    /// Makes it forget the scripts it was given (`SCRIPT FLUSH`): it answers `NOSCRIPT` to who names
    /// one, until it is given it again. Keys stay.
    ///
    /// # Errors
    /// When it does not answer, or the stack did not start it.
    pub async fn forget_scripts(&self) -> anyhow::Result<()> {
        self.tell("made to forget", redis::cmd("SCRIPT").arg("FLUSH")).await
    }

    /// Ends the connections of its clients, who find it again at once.
    ///
    /// # Errors
    /// When it does not answer, or the stack did not start it.
    pub async fn drop_connections(&self) -> anyhow::Result<()> {
        for kind in ["normal", "pubsub"] {
            let kill = redis::cmd("CLIENT").arg("KILL").arg("TYPE").arg(kind).clone();
            self.tell("made to hang up", &kill).await?;
        }
        Ok(())
    }

    /// Ends the connections of its clients and allows only this many new ones, our own left out, until
    /// the guard is dropped or it is restarted. Those who come too late are told so and cut off:
    /// with 0 also [`LeaseNode::connection`] and the other verbs that talk to it.
    ///
    /// Blocks for a moment.
    ///
    /// # Errors
    /// When it does not answer, as under an earlier limit, or the stack did not start it.
    pub fn limit_connections(&self, most: usize) -> anyhow::Result<ConnectionLimit> {
        self.ours("limited")?;
        let about = || format!("{}: its connections cannot be limited", self.name());
        let mut limit = ConnectionLimit::connect(self.address()).with_context(about)?;
        limit.set(most).with_context(about)?;
        Ok(limit)
    }

    /// Takes all the room on its disk. Writes fail from about the next one on: with
    /// [`Persistence::Durable`](crate::Persistence::Durable) the server ends at the first that it cannot
    /// keep, since it may not acknowledge it.
    ///
    /// # Errors
    /// When the stack did not start it, or not with [`Prepared::small_disks`](crate::Prepared::small_disks).
    pub fn fill_disk(&self) -> anyhow::Result<()> {
        self.own_disk()?.fill()
    }

    /// Gives the room back after [`LeaseNode::fill_disk`]. One that has ended is to be restarted.
    ///
    /// # Errors
    /// As [`LeaseNode::fill_disk`].
    pub fn free_disk(&self) -> anyhow::Result<()> {
        self.own_disk()?.free()
    }

    /// Has each of its syncs to the disk take so much longer, until the guard is dropped. With
    /// [`Persistence::Durable`](crate::Persistence::Durable) that is each write. It may be killed and
    /// restarted meanwhile (and syncs fast then), but not paused.
    ///
    /// # Errors
    /// When it has ended, the stack did not start it, or there is no
    /// [`Means::SlowSyncs`](crate::Means::SlowSyncs).
    pub async fn slow_sync(&self, delay: Duration) -> anyhow::Result<SlowSync> {
        let process = self.ours("slowed down")?;
        ensure!(process.is_running(), "{}: cannot be slowed down, it has ended", self.name());
        let log = process.log_path().with_file_name(format!("{}-strace.log", self.name()));
        SlowSync::of(|| vec![process.pid()], delay, log).await
    }

    fn own_disk(&self) -> anyhow::Result<&Disk> {
        self.ours("put on another disk")?;
        let no_disk = || format!("{}: started without a small disk", self.name());
        self.started().and_then(|started| started.disk.as_deref()).with_context(no_disk)
    }

    async fn tell(&self, verb: &str, what: &Cmd) -> anyhow::Result<()> {
        self.ours(verb)?;
        let mut connection = self.connection().await?;
        let told = what.exec_async(&mut connection).await;
        told.with_context(|| format!("{}: cannot be {verb}", self.name()))
    }
}

/// A lease node that allows few connections. Dropping it lifts the limit; it blocks until the node
/// has heard it, for five seconds at most.
#[derive(Debug)]
#[must_use = "the limit is lifted when this is dropped"]
pub struct ConnectionLimit {
    // Kept, since a new one would be refused. Not a connection of a runtime: it must answer in `drop`.
    own: BufReader<TcpStream>,
    /// As the node said it.
    before: String,
}

impl ConnectionLimit {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let own = TcpStream::connect_timeout(&address, ANSWER_LIMIT)?;
        own.set_read_timeout(Some(ANSWER_LIMIT))?;
        own.set_write_timeout(Some(ANSWER_LIMIT))?;
        own.set_nodelay(true)?;
        let mut limit = Self { own: BufReader::new(own), before: String::new() };
        // A list of two: lengths, the setting's name, and its value in the last line.
        limit.before = limit.say("CONFIG GET maxclients", 5)?;
        Ok(limit)
    }

    fn set(&mut self, most: usize) -> anyhow::Result<()> {
        // The limit first: those who are cut off come back at once.
        self.say(&format!("CONFIG SET maxclients {}", most.saturating_add(1)), 1)?;
        for kind in ["normal", "pubsub"] {
            self.say(&format!("CLIENT KILL TYPE {kind}"), 1)?;
        }
        Ok(())
    }

    /// The last of so many lines that answer `command`.
    fn say(&mut self, command: &str, lines: usize) -> anyhow::Result<String> {
        self.own.get_mut().write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            self.own.read_line(&mut line)?;
            ensure!(!line.is_empty() && !line.starts_with('-'), "{command}: {:?}", line.trim());
        }
        Ok(line.trim().to_owned())
    }
}

impl Drop for ConnectionLimit {
    fn drop(&mut self) {
        // A node that was killed meanwhile has no limit after it is restarted.
        self.say(&format!("CONFIG SET maxclients {}", self.before), 1).ok();
    }
}
