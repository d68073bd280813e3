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
    serve::{Limits, Stopped, raise_open_files, serve as serve_http, terminated},
    telemetry,
};
use tokio::net::TcpListener;

use super::config::ServeConfig;
use crate::{
    grant::Leased,
    http::{App, router},
    store::Store,
};

/// How long turns under way may take after the last request was answered.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let metrics = telemetry::metrics()?;
    let open_files = raise_open_files();
    let (store, reads) = (Store::new(&config.store)?, Store::new(&config.reads)?);
    let leases = Leases::connect(&config.redis_urls, config.lease)
        .context("the lease nodes cannot be used")?;
    if leases.nodes().is_multiple_of(2) {
        let nodes = leases.nodes();
        tracing::warn!(
            nodes,
            "an even number of lease nodes tolerates no more failures than one node less"
        );
    }
    let replica = Arc::clone(&config.grant.replica);
    let granting = Leased::new(store.clone(), leases.clone(), config.grant);
    let draining = Arc::new(AtomicBool::new(false));
    let app = App {
        store: store.clone(),
        reads: reads.clone(),
        granting: granting.clone(),
        leases: leases.clone(),
        keys: config.keys,
        draining: Arc::clone(&draining),
        metrics,
    };
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.listen))?;
    let address = listener.local_addr().context("no local address")?;
    #[cfg(feature = "faults")]
    tracing::warn!("this build can be told to fail: it is for tests, not for selling");
    tracing::info!(replica = %replica, %address, lease.nodes = leases.nodes(), "serving");
    drop(tokio::spawn(warn_if_not_ready(reads.clone(), leases.clone())));
    // For whoever started this process with port 0. Nobody reading is no reason to stop.
    let _unread = writeln!(std::io::stdout(), "listening on http://{address}");

    let stop = async {
        if let Err(error) = terminated().await {
            tracing::error!(%error, "no signals can be received; stopping");
        }
        draining.store(true, Ordering::Relaxed);
        tracing::info!(drain.ms = config.drain.as_millis(), "draining");
        tokio::time::sleep(config.drain).await;
    };
    let stopped = serve_http(listener, router(app), Limits::within(open_files), stop).await;
    if stopped == Stopped::CutOff {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    if tokio::time::timeout(CLOSE_TIMEOUT, granting.close()).await.is_err() {
        tracing::warn!("a turn did not end in time; its lease ends by itself");
    }
    tokio::join!(store.close(), reads.close());
    tracing::info!("stopped");
    Ok(())
}

/// A replica starts although servers are away: they may come back. Whoever starts it should know.
async fn warn_if_not_ready(store: Store, leases: Leases) {
    if let Err(error) = store.ping().await {
        tracing::warn!(%error, "postgres cannot be used yet");
    }
    for error in leases.failing_nodes().await {
        tracing::warn!(%error, "a lease node cannot be used yet");
    }
    match leases.check().await {
        Ok(warnings) => {
            for warning in warnings {
                tracing::warn!(%warning, "lease nodes could be set up better");
            }
        }
        // The second of the two has no vote, so nothing unsafe happens.
        Err(error) => tracing::error!(%error, "lease nodes are set up wrongly"),
    }
}
