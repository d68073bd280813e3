//! `purchase serve`: start, serve, drain.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use leasehold::Leases;
use leasehold_kit::{
    cli::nodes,
    files::LOOK_EVERY,
    health::Readiness,
    serve::{Limits, Stopped, raise_open_files, serve as serve_http, terminated},
    telemetry,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::config::ServeConfig;
use crate::{
    grant::Granting,
    http::{App, front},
    live::{Hub, Tally, beat},
    queue::Queue,
    store::{MigrationReport, Store, StoreConfig},
    webhook::Worker,
};

/// How much longer than an order's patience the last requests may take once stopping has begun: who
/// was cut off would not know what came of it.
const STOP_MARGIN: Duration = Duration::from_secs(2);

/// How long Postgres may take to show its tables before a replica starts without having seen them.
const LOOK_MAX: Duration = Duration::from_secs(3);

/// How long turns under way may take after the last request was answered.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    refuse_older_tables(&config.store).await?;
    let metrics = telemetry::metrics()?;
    let open_files = raise_open_files();
    let (store, reads) = (Store::new(&config.store)?, Store::new(&config.reads)?);
    let (leases, queue) = connect(&config)?;
    let replica = Arc::clone(&config.grant.replica);
    let limits = Limits {
        header_timeout: config.edge.header_timeout,
        stop_timeout: config.grant.patience + STOP_MARGIN,
        ..Limits::within(open_files)
    };
    let (tally, stop_live) = (Arc::new(Tally::default()), CancellationToken::new());
    let granting =
        Granting::new(store.clone(), leases.clone(), queue, config.grant, Arc::clone(&tally));
    let hub = show(&reads, &replica, &tally, &stop_live);
    let draining = Arc::new(AtomicBool::new(false));
    let app = App {
        store: store.clone(),
        reads: reads.clone(),
        granting: granting.clone(),
        leases: leases.clone(),
        door: config.edge.door.clone(),
        tally,
        hub,
        readiness: Readiness::default(),
        draining: Arc::clone(&draining),
        webhooks: config.webhooks.policy,
        metrics,
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr().context("no local address")?;
    #[cfg(feature = "faults")]
    tracing::warn!("this build can be told to fail: it is for tests, not for selling");
    tracing::info!(replica = %replica, %address, lease.nodes = leases.nodes(), "serving");
    if let Some(file) = config.edge.keys_file {
        drop(tokio::spawn(config.edge.door.keys.follow(file, LOOK_EVERY)));
    }
    let scheme = if config.edge.tls.is_some() { "https" } else { "http" };
    let tls = config.edge.tls.map(|(tls, files)| {
        drop(tokio::spawn(tls.clone().follow(files, LOOK_EVERY)));
        tls
    });
    // Beside the readers: sellers do not wait for it.
    let webhooks = Worker::start(reads.clone(), leases.clone(), config.webhooks)
        .context("webhooks cannot be delivered")?;
    drop(tokio::spawn(warn_if_not_ready(reads.clone(), leases.clone())));
    // For whoever started this process with port 0. Nobody reading is no reason to stop.
    let _unread = writeln!(std::io::stdout(), "listening on {scheme}://{address}");

    let stop = async {
        if let Err(error) = terminated().await {
            tracing::error!(%error, "no signals can be received; stopping");
        }
        draining.store(true, Ordering::Relaxed);
        tracing::info!(drain.ms = config.drain.as_millis(), "draining");
        tokio::time::sleep(config.drain).await;
        // A stream has no end of its own: whoever follows it finds another replica.
        stop_live.cancel();
    };
    let front = front(app, config.edge.requests_max);
    let stopped = serve_http(listener, tls, front, limits, stop).await;
    if stopped == Stopped::CutOff {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    finish(&granting, webhooks).await;
    tokio::join!(store.close(), reads.close());
    tracing::info!("stopped");
    Ok(())
}

/// Leases, and the queue on the same nodes.
fn connect(config: &ServeConfig) -> anyhow::Result<(Leases, Queue)> {
    let ServeConfig { redis_urls: urls, lease, grant, .. } = config;
    let queue = Queue::new(urls, &grant.queue_name, lease.node_timeout, grant.queue_max)
        .context("the nodes cannot have a queue")?;
    let leases = Leases::connect(urls, lease.clone()).context("the lease nodes cannot be used")?;
    if leases.nodes().is_multiple_of(2) {
        let nodes = leases.nodes();
        tracing::warn!(
            nodes,
            "an even number of lease nodes tolerates no more failures than one node less"
        );
    }
    Ok((leases, queue))
}

/// Starts what the live page is told by: this replica's sign of life, and who reads for those who
/// watch.
fn show(reads: &Store, replica: &Arc<str>, tally: &Arc<Tally>, stop: &CancellationToken) -> Hub {
    let hub = Hub::new(stop.clone());
    let beating = beat(reads.clone(), Arc::clone(replica), Arc::clone(tally), stop.clone());
    drop(tokio::spawn(beating));
    drop(tokio::spawn(hub.clone().run(reads.clone(), Arc::clone(replica))));
    hub
}

/// Waits for turns and deliveries under way.
async fn finish(granting: &Granting, webhooks: Worker) {
    let closed = async { tokio::join!(granting.close(), webhooks.close()) };
    if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
        tracing::warn!("a turn or a delivery did not end in time; its lease ends by itself");
    }
}

/// Ends what could only fail: a program on the tables of an older one. Newer tables are usual while
/// replicas are replaced. If Postgres is away, readiness asks for the tables once it is back.
async fn refuse_older_tables(config: &StoreConfig) -> anyhow::Result<()> {
    let looked = tokio::time::timeout(LOOK_MAX, Store::inspect(config)).await;
    let Ok(Ok(report)) = looked else { return Ok(()) };
    let MigrationReport { missing, newer, changed } = report.migrations;
    anyhow::ensure!(
        missing.is_empty() && report.has_fence,
        "the tables are older than this program: migrations {missing:?} are missing; run `purchase migrate`"
    );
    if !newer.is_empty() || !changed.is_empty() {
        tracing::warn!(?newer, ?changed, "the tables are those of another program");
    }
    Ok(())
}

/// A replica starts although servers are away: they may come back. Whoever starts it should know.
async fn warn_if_not_ready(store: Store, leases: Leases) {
    if let Err(error) = store.ping().await {
        tracing::warn!(%error, "postgres cannot be used yet");
    }
    nodes::warn(&leases).await;
}
