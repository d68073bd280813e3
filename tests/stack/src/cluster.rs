//! The processes and files of a Postgres that we started.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::ensure;
use nix::sys::signal::Signal;

use crate::disk::Disk;
use crate::folder::private_folder;
use crate::identity::{Identity, give};
use crate::launch::Launch;
use crate::machine::{PostgresServer, Site};
use crate::ports::free_port;
use crate::postgres::execute;
use crate::process::Process;
use crate::process_table::{all_gone, children_of, send};
use crate::readiness::{PORT_ATTEMPTS, StartError, may_retry, ready};
use crate::stack::Prepared;

const USER: &str = "leasehold";
/// A small disk: what a new cluster takes, a log that is kept short, and some ten thousand sales.
const SMALL_DISK_MIB: u32 = 512;
/// How long initdb may take on a busy machine; usually under a second.
const INITDB_LIMIT: Duration = Duration::from_secs(120);
/// How long it may take to end tidily when dropped. Postgres itself kills what has not ended
/// after five seconds.
const QUIT_LIMIT: Duration = Duration::from_secs(6);
/// How long killed processes may take to end.
const KILL_LIMIT: Duration = Duration::from_secs(10);
/// Pause between two tries to get a port back.
const PORT_POLL: Duration = Duration::from_millis(100);

/// On a small disk the log of writes must not be kept for long: its files are 16 MB each.
const SHORT_LOG: [&str; 4] = ["-c", "max_wal_size=64MB", "-c", "min_wal_size=32MB"];

/// A data folder and, unless it was killed, the postmaster over it.
#[derive(Debug)]
pub(crate) struct Cluster {
    setting: Setting,
    port: u16,
    process: Process,
}

#[derive(Debug)]
struct Setting {
    bin: PathBuf,
    data: PathBuf,
    log: PathBuf,
    run_as: Option<Identity>,
    password: String,
    disk: Option<Disk>,
}

impl Cluster {
    pub(crate) async fn start(
        server: &PostgresServer,
        site: Site<'_>,
        prepared: Prepared,
    ) -> anyhow::Result<Self> {
        let home = site.folder.join("postgres");
        private_folder(&home, site.run_as)?;
        let disk = prepared.small_disks.then(|| Disk::over(&home, SMALL_DISK_MIB, site.run_as));
        let setting = Setting {
            bin: server.bin.clone(),
            data: home.join("data"),
            log: site.folder.join("postgres.log"),
            run_as: site.run_as,
            password: hex::encode(rand::random::<[u8; 16]>()),
            disk: disk.transpose()?,
        };
        setting.initdb(&home).await?;
        let mut attempt = 1;
        loop {
            let port = free_port()?;
            match setting.begin(port).await {
                Ok(process) => return Ok(Self { setting, port, process }),
                Err(StartError::PortTaken(_)) if attempt < PORT_ATTEMPTS => attempt += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }

    pub(crate) fn url(&self) -> String {
        self.setting.url(self.port)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.is_running()
    }

    /// The folder with its programs.
    pub(crate) fn bin(&self) -> &Path {
        &self.setting.bin
    }

    /// The disk that can be full, if it was started with one.
    pub(crate) fn disk(&self) -> Option<&Disk> {
        self.setting.disk.as_ref()
    }

    /// Where a program that looks after it may write its log.
    pub(crate) fn log(&self) -> &Path {
        &self.setting.log
    }

    /// The postmaster first.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let postmaster = self.process.pid();
        let mut pids = vec![postmaster];
        pids.extend(children_of(postmaster));
        pids
    }

    /// The postmaster first: once it stands, no process is added behind our back.
    pub(crate) fn pause(&self) -> anyhow::Result<()> {
        self.process.pause()?;
        for pid in children_of(self.process.pid()) {
            send(pid, Signal::SIGSTOP);
        }
        Ok(())
    }

    /// The postmaster last: it never looks at children that still stand.
    pub(crate) fn resume(&self) -> anyhow::Result<()> {
        for pid in children_of(self.process.pid()) {
            send(pid, Signal::SIGCONT);
        }
        self.process.resume()
    }

    /// Kills the postmaster and its children; also when they are paused.
    pub(crate) fn kill(&self) -> anyhow::Result<()> {
        if !self.process.is_running() {
            return Ok(());
        }
        // Once the postmaster stands, the list of its children is complete.
        self.process.pause()?;
        let pids = self.pids();
        for pid in &pids[1..] {
            send(*pid, Signal::SIGKILL);
        }
        self.process.signal(Signal::SIGKILL)?;
        let gone = self.process.wait_blocking(KILL_LIMIT) && all_gone(&pids, KILL_LIMIT);
        ensure!(gone, "postgres: not all of {pids:?} ended {KILL_LIMIT:?} after SIGKILL");
        Ok(())
    }

    pub(crate) async fn restart(&mut self) -> anyhow::Result<()> {
        let begun = Instant::now();
        loop {
            match self.setting.begin(self.port).await {
                Ok(process) => {
                    self.process = process;
                    return Ok(());
                }
                Err(error) if may_retry(&error, begun) => tokio::time::sleep(PORT_POLL).await,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Cluster {
    /// Asks for an immediate shutdown, so that Postgres gives its shared memory back; kills it
    /// when it does not obey.
    fn drop(&mut self) {
        if self.process.is_running() {
            let pids = self.pids();
            if self.resume().is_ok() && self.process.signal(Signal::SIGQUIT).is_ok() {
                self.process.wait_blocking(QUIT_LIMIT);
            }
            self.kill().ok();
            all_gone(&pids, KILL_LIMIT);
        }
        remove_shared_memory(&self.setting.data);
    }
}

impl Setting {
    fn url(&self, port: u16) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{port}/postgres", self.password)
    }

    async fn initdb(&self, home: &Path) -> anyhow::Result<()> {
        let secret = home.join("password");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&secret)?;
        file.write_all(self.password.as_bytes())?;
        give(&secret, self.run_as)?;
        let launch = self
            .launch("initdb")
            .arg("--pgdata")
            .arg(&self.data)
            .arg("--pwfile")
            .arg(&secret)
            .args(["--username", USER, "--auth", "scram-sha-256"])
            .args(["--encoding", "UTF8", "--locale", "C"])
            // Only these first files: a power cut while they are written costs nothing.
            .arg("--no-sync");
        let process = Process::spawn(&launch)?;
        let status = process.wait(INITDB_LIMIT).await?;
        ensure!(status.success(), process.error(&format!("ended with {status}")));
        fs::remove_file(&secret)?;
        Ok(())
    }

    async fn begin(&self, port: u16) -> Result<Process, StartError> {
        let launch = self
            .launch("postgres")
            .arg("-D")
            .arg(&self.data)
            .args(["-p", &port.to_string()])
            .args(["-c", "listen_addresses=127.0.0.1"])
            // None: the path of a socket may have 107 bytes, a temporary folder may be longer.
            .args(["-c", "unix_socket_directories="])
            .args(["-c", "max_connections=200"])
            .args(self.disk.iter().flat_map(|_| SHORT_LOG))
            // In the data folder, so that nothing stays in /dev/shm after a kill.
            .args(["-c", "dynamic_shared_memory_type=mmap"])
            // An immediate shutdown gives shared memory back, SIGKILL would not.
            .at_our_death(Signal::SIGQUIT);
        let process = Process::spawn(&launch).map_err(StartError::Failed)?;
        // Another Postgres at the port would refuse the password, which is ours alone.
        let url = self.url(port);
        ready(&process, || execute(&url, "SELECT 1")).await?;
        Ok(process)
    }

    fn launch(&self, program: &str) -> Launch {
        // Without LC_ALL a postmaster on macOS refuses to start; and messages stay English.
        Launch::new(program, self.bin.join(program), &self.log)
            .env("LC_ALL", "C")
            .env("TZ", "UTC")
            .folder(self.data.parent().unwrap_or(&self.data))
            .run_as(self.run_as)
    }
}

/// Removes the 56 bytes of System V shared memory of a Postgres that was killed and is not
/// coming back. They outlive every process, and a machine has only some thousand of them.
fn remove_shared_memory(data: &Path) {
    let pid_file = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    // The seventh line: key and id.
    let id = pid_file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1));
    if let Some(id) = id {
        let mut ipcrm = Command::new("ipcrm");
        ipcrm.args(["-m", id]).stdout(Stdio::null()).stderr(Stdio::null());
        // Without the program they stay, as after any killed Postgres.
        ipcrm.status().ok();
    }
}
