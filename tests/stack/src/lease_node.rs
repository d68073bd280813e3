//! One lease node: an independent Redis server, and the verbs that break it.

use std::ffi::OsString;
use std::iter;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _};

use crate::clock::Clock;
use crate::disk::Disk;
use crate::folder::private_folder;
use crate::identity::{Identity, give};
use crate::launch::Launch;
use crate::machine::{RedisServer, Site};
use crate::ports::free_port;
use crate::process::Process;
use crate::readiness::{PORT_ATTEMPTS, StartError, may_retry, ready};
use crate::stack::Prepared;

/// How long a connection of [`LeaseNode::connection`] waits for the node: long enough for a disk
/// that is slow to sync, short enough for a test that paused the node.
const RESPONSE_LIMIT: Duration = Duration::from_secs(5);
/// A small disk: room for the log of some hundred thousand leases.
const SMALL_DISK_MIB: u32 = 64;
/// Pause between two tries to get a port back.
const PORT_POLL: Duration = Duration::from_millis(100);

/// What a node keeps when its process is killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Every acknowledged write (`appendonly yes`, `appendfsync always`).
    #[default]
    Durable,
    /// Nothing: a restarted node has forgotten every lease and token.
    None,
}

/// One lease node. Dropping it kills it.
#[derive(Debug)]
pub struct LeaseNode {
    name: String,
    address: SocketAddr,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Ours: it may be broken.
    Started { started: Box<Started>, process: Process },
    /// Somebody else's, at this URL: it may not.
    Given(String),
}

/// What is needed to start it again.
#[derive(Clone, Debug)]
pub(crate) struct Started {
    program: PathBuf,
    folder: PathBuf,
    log: PathBuf,
    persistence: Persistence,
    run_as: Option<Identity>,
    args: Vec<OsString>,
    pub(crate) clock: Option<Clock>,
    pub(crate) disk: Option<Arc<Disk>>,
}

impl LeaseNode {
    pub(crate) async fn start(
        index: usize,
        server: &RedisServer,
        site: Site<'_>,
        persistence: Persistence,
        prepared: Prepared,
    ) -> anyhow::Result<Self> {
        let name = format!("node-{index}");
        let folder = site.folder.join(&name);
        private_folder(&folder, site.run_as)?;
        let log = site.folder.join(format!("{name}.log"));
        let program = server.program.clone();
        let run_as = site.run_as;
        let clock = site.folder.join(format!("{name}.clock"));
        let clock = prepared.clocks.then(|| Clock::new(clock)).transpose()?;
        let disk = prepared.small_disks.then(|| Disk::over(&folder, SMALL_DISK_MIB, run_as));
        let disk = disk.transpose()?.map(Arc::new);
        Started { program, folder, log, persistence, run_as, args: Vec::new(), clock, disk }
            .begin_anew(name)
            .await
    }

    /// Starts another server like this one beside it, with a port and a folder of its own there,
    /// these lines as its configuration file, and these arguments: a server of a cluster, a replica,
    /// a sentinel.
    ///
    /// # Errors
    /// When it does not answer in time, or the stack did not start this one.
    pub async fn beside(&self, name: &str, config: &str, args: &[&str]) -> anyhow::Result<Self> {
        let process = self.ours("multiplied")?;
        let Kind::Started { started, .. } = &self.kind else { bail!("{name}: not ours") };
        let log = process.log_path().with_file_name(format!("{name}.log"));
        let folder = started.folder.with_file_name(name);
        private_folder(&folder, started.run_as)?;
        let file = folder.join("server.conf");
        std::fs::write(&file, config)?;
        give(&file, started.run_as)?;
        let args = iter::once(file.into()).chain(args.iter().map(OsString::from)).collect();
        let started = Started { folder, log, args, clock: None, disk: None, ..*started.clone() };
        started.begin_anew(name.to_owned()).await
    }

    /// Uses the node at `url` as it is; it must answer.
    pub(crate) async fn given(index: usize, url: &str) -> anyhow::Result<Self> {
        let name = format!("node-{index}");
        let about = || format!("{name}, number {} of LEASEHOLD_REDIS_URLS", index + 1);
        let target = url.into_connection_info().with_context(about)?;
        let ConnectionAddr::Tcp(host, port) = target.addr() else {
            bail!("{}: only plain TCP addresses are possible", about());
        };
        let mut found =
            tokio::net::lookup_host((host.as_str(), *port)).await.with_context(about)?;
        let address = found.next().with_context(|| format!("{}: no address", about()))?;
        let node = Self { kind: Kind::Given(url.to_owned()), address, name: name.clone() };
        let mut connection = node.connection().await.with_context(about)?;
        redis::cmd("PING").exec_async(&mut connection).await.with_context(about)?;
        Ok(node)
    }

    /// What it is called in messages: `node-0` is the first.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address as clients take it, such as `redis://127.0.0.1:20123`.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.kind {
            Kind::Started { .. } => format!("redis://{}", self.address),
            Kind::Given(url) => url.clone(),
        }
    }

    /// Where it listens. It stays the same over kill and restart.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process; `None` when the stack did not start it.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        match &self.kind {
            Kind::Started { process, .. } => Some(process.pid()),
            Kind::Given(_) => None,
        }
    }

    /// Its process; `None` when the stack did not start it.
    #[must_use]
    pub fn process(&self) -> Option<&Process> {
        match &self.kind {
            Kind::Started { process, .. } => Some(process),
            Kind::Given(_) => None,
        }
    }

    /// Stops it where it stands. It still accepts connections, and what is sent to it meanwhile
    /// is executed when it goes on.
    ///
    /// # Errors
    /// When it has ended, or the stack did not start it.
    pub fn pause(&self) -> anyhow::Result<()> {
        self.ours("paused")?.pause()
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When it has ended, or the stack did not start it.
    pub fn resume(&self) -> anyhow::Result<()> {
        self.ours("resumed")?.resume()
    }

    /// Kills it (SIGKILL) and waits for its end. Twice is once.
    ///
    /// # Errors
    /// When the stack did not start it.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.ours("killed")?.kill().await
    }

    /// Starts it again at the same address with what it kept, after killing it if it still
    /// runs, and returns when it answers.
    ///
    /// # Errors
    /// When it does not answer in time, or the stack did not start it.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.ours("restarted")?.kill().await?;
        let Kind::Started { started, process } = &mut self.kind else { return Ok(()) };
        let begun = Instant::now();
        loop {
            match started.begin(&self.name, self.address).await {
                Ok(new) => {
                    *process = new;
                    return Ok(());
                }
                Err(error) if may_retry(&error, begun) => tokio::time::sleep(PORT_POLL).await,
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// A new connection to it, past any proxy. Its commands fail after five seconds of silence.
    ///
    /// # Errors
    /// When it does not answer within five seconds.
    pub async fn connection(&self) -> anyhow::Result<MultiplexedConnection> {
        let at = || format!("{}: cannot connect to {}", self.name, self.address);
        connect(&self.url()).await.with_context(at)
    }

    /// What it was started with; `None` when the stack did not start it.
    pub(crate) fn started(&self) -> Option<&Started> {
        match &self.kind {
            Kind::Started { started, .. } => Some(started),
            Kind::Given(_) => None,
        }
    }

    pub(crate) fn ours(&self, verb: &str) -> anyhow::Result<&Process> {
        self.process().with_context(|| {
            let Self { name, address, .. } = self;
            format!("{name} at {address} is from LEASEHOLD_REDIS_URLS and cannot be {verb}")
        })
    }
}

impl Started {
    /// Starts it at a port that is free.
    async fn begin_anew(self, name: String) -> anyhow::Result<LeaseNode> {
        let mut attempt = 1;
        loop {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
            match self.begin(&name, address).await {
                Ok(process) => {
                    let kind = Kind::Started { started: Box::new(self), process };
                    return Ok(LeaseNode { name, address, kind });
                }
                Err(StartError::PortTaken(_)) if attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn begin(&self, name: &str, address: SocketAddr) -> Result<Process, StartError> {
        let process = Process::spawn(&self.launch(name, address)).map_err(StartError::Failed)?;
        let (url, pid) = (format!("redis://{address}"), process.pid());
        ready(&process, || answers_as(url.clone(), pid)).await?;
        if self.clock.is_some() {
            Clock::tidy(pid);
        }
        Ok(process)
    }

    fn launch(&self, name: &str, address: SocketAddr) -> Launch {
        let Self { program, folder, log, persistence, run_as, args, clock, .. } = self;
        let append: &[&str] = match persistence {
            Persistence::Durable => &["--appendonly", "yes", "--appendfsync", "always"],
            Persistence::None => &["--appendonly", "no"],
        };
        Clock::over(clock.as_ref(), Launch::new(name, program, log))
            .args(args)
            .args(["--bind", &address.ip().to_string(), "--port", &address.port().to_string()])
            .arg("--dir")
            .arg(folder)
            .args(append)
            // No snapshots: with them a node that keeps nothing would keep something.
            .args(["--save", "", "--maxmemory-policy", "noeviction", "--daemonize", "no"])
            // It logs to its stdout, so that a crash before the log opens is in the log too.
            .args(["--logfile", ""])
            .folder(folder)
            .run_as(*run_as)
    }
}

/// Satisfied when the server at `url` is our own child: if somebody else was faster with the
/// port, a PING would be answered all the same.
async fn answers_as(url: String, pid: u32) -> anyhow::Result<()> {
    let mut connection = connect(&url).await?;
    redis::cmd("PING").exec_async(&mut connection).await?;
    let about: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    let answered = about.lines().find_map(|line| line.trim().strip_prefix("process_id:"));
    ensure!(answered == Some(&pid.to_string()), "process {answered:?} answered instead of {pid}");
    Ok(())
}

async fn connect(url: &str) -> anyhow::Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(RESPONSE_LIMIT))
        .set_response_timeout(Some(RESPONSE_LIMIT));
    let client = Client::open(url)?;
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    // Its own limits do not cover the greeting after the connection is made.
    Ok(tokio::time::timeout(RESPONSE_LIMIT, connecting).await??)
}
