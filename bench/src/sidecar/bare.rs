//! The least that any sidecar can be: a process that holds a lease by the crate, and is asked by one byte over a
//! socket. What it takes beside the crate alone is the hop itself, without HTTP and without any rule.

use std::{
    env,
    io::{Read as _, Write as _},
    os::unix::net::UnixStream as Blocking,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use hdrhistogram::Histogram;
use leasehold::{Lease, Leases, Resource};
use leasehold_stack::{Launch, Process};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};

use crate::{
    servers::Servers,
    stats::{histogram, micros},
};

/// The name under which this program is one.
pub(crate) const NAME: &str = "bare-sidecar";

const SOCKET: &str = "BENCH_SOCKET";

/// How long it may take until it listens.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Acquires; anything else releases.
const ACQUIRE: u8 = b'a';

/// A running one. Dropping it kills it.
pub(super) struct Bare {
    pub(super) process: Process,
    socket: PathBuf,
}

impl Bare {
    pub(super) async fn start(servers: &Servers) -> anyhow::Result<Self> {
        let folder = servers.stack.folder();
        let socket = folder.join("bare.sock");
        let program = env::current_exe().context("the path of this program is not known")?;
        let launch = Launch::new("bare", program, folder.join("bare.log"))
            .arg(NAME)
            .env("REDIS_URLS", servers.stack.redis_urls().join(","))
            .env(SOCKET, &socket)
            .capture_lines(1);
        let mut process = Process::spawn(&launch)?;
        let line = process.next_line(START_LIMIT).await?;
        anyhow::ensure!(line.is_some(), "it does not listen:\n{}", process.log_tail(15));
        Ok(Self { process, socket })
    }

    /// Acquires and releases until then.
    pub(super) fn pairs(&self) -> impl FnOnce(Instant) -> anyhow::Result<Histogram<u64>> + use<> {
        let socket = self.socket.clone();
        move |end| {
            let mut socket = Blocking::connect(socket)?;
            let mut ask = |what: u8| -> anyhow::Result<()> {
                socket.write_all(&[what])?;
                Ok(socket.read_exact(&mut [0])?)
            };
            let mut times = histogram()?;
            while Instant::now() < end {
                let begun = Instant::now();
                ask(ACQUIRE)?;
                ask(b'r')?;
                times.saturating_record(micros(begun.elapsed()));
            }
            Ok(times)
        }
    }
}

/// Serves until it is killed, with as many threads as the sidecar.
pub(crate) fn serve() -> anyhow::Result<()> {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    threads?.block_on(async {
        let urls = env::var("REDIS_URLS").context("REDIS_URLS")?;
        let leases = super::with_settings(urls.split(',')).await?;
        let listener = UnixListener::bind(env::var(SOCKET).context(SOCKET)?)?;
        println!("listening");
        loop {
            let (socket, _) = listener.accept().await?;
            drop(tokio::spawn(answer(leases.clone(), socket)));
        }
    })
}

async fn answer(leases: Leases, mut socket: UnixStream) -> anyhow::Result<()> {
    let resource = Resource::new("bench/hop/bare")?;
    let mut held: Option<Lease> = None;
    loop {
        if socket.read_u8().await? == ACQUIRE {
            held = Some(leases.try_acquire(&resource).await?);
        } else if let Some(lease) = held.take() {
            let _outcome = lease.release().await;
        }
        socket.write_u8(b'.').await?;
    }
}
