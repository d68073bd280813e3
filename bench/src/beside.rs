//! Servers of other kinds that contestants hold locks in: Postgres, and etcd where it is installed.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use leasehold_stack::{Launch, Process, Stack, StackConfig, Stderr, free_port};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::report::Report;

/// How long etcd may take until it has elected itself, and the pause between two looks.
const START_MAX: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(50);

/// Dropping it ends them.
pub(crate) struct Beside {
    /// Last, since it takes the folder with it.
    etcd: Option<Etcd>,
    postgres: Stack,
}

struct Etcd {
    _process: Process,
    url: String,
}

impl Beside {
    /// Advisory locks write nothing, so this Postgres is like any other. etcd syncs what it writes.
    pub(crate) async fn start(report: &mut Report) -> anyhow::Result<Self> {
        let config = StackConfig { lease_nodes: 0, ..StackConfig::default() };
        let postgres = Stack::start(config, &Stderr::new()).await?;
        report.on(&postgres).await?;
        let etcd = match Etcd::start(postgres.folder(), report).await {
            Ok(etcd) => Some(etcd),
            Err(error) => {
                report.skip("etcd", format!("{error:#}"));
                None
            }
        };
        Ok(Self { etcd, postgres })
    }

    pub(crate) fn database_url(&self) -> String {
        self.postgres.database_url()
    }

    /// `None` where it is not installed.
    pub(crate) fn etcd_url(&self) -> Option<&str> {
        self.etcd.as_ref().map(|etcd| etcd.url.as_str())
    }
}

impl Etcd {
    async fn start(folder: &Path, report: &mut Report) -> anyhow::Result<Self> {
        let [url, peers] =
            [free_port()?, free_port()?].map(|port| format!("http://127.0.0.1:{port}"));
        let launch = Launch::new("etcd", "etcd", folder.join("etcd.log"))
            .args(["--name", "one", "--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("one={peers}")])
            .arg("--data-dir")
            .arg(folder.join("etcd"));
        let process = Process::spawn(&launch)?;
        let begun = Instant::now();
        let is_ready = async || {
            let said = timeout(START_MAX, health(&url)).await;
            said.is_ok_and(|said| said.is_ok_and(|said| said.contains("\"health\":\"true\"")))
        };
        while !is_ready().await {
            ensure!(process.is_running(), "it ended: {}", process.log_tail(3));
            ensure!(begun.elapsed() < START_MAX, "it is not ready: {}", process.log_tail(3));
            tokio::time::sleep(LOOK).await;
        }
        let version = timeout(START_MAX, ask(&url, "/version")).await??;
        let version =
            version.split("\"etcdserver\":\"").nth(1).and_then(|rest| rest.split('"').next());
        report.with("etcd", version.context("it does not say its version")?);
        Ok(Self { _process: process, url })
    }
}

async fn health(url: &str) -> anyhow::Result<String> {
    ask(url, "/health").await
}

/// An answer with its head, as it came.
async fn ask(url: &str, path: &str) -> anyhow::Result<String> {
    let address = url.strip_prefix("http://").context("not http")?;
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.0\r\nhost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    let _bytes = stream.read_to_string(&mut answer).await?;
    Ok(answer)
}
