//! `lease-sidecar serve`: start, serve, drain.

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
    serve::{Limits, Listener, Stopped, raise_open_files, serve as serve_http, terminated},
    telemetry,
};
use tokio::net::TcpListener;

use super::config::{Listen, ServeConfig};
use crate::{
    holding::Holdings,
    http::{App, front},
};

/// How long requests under way may take once stopping has begun: none of them waits for a lease any more.
const STOP_TIMEOUT: Duration = Duration::from_secs(3);

/// How long giving leases back may take. What is left of them ends on the nodes by itself.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn serve(config: ServeConfig) -> anyhow::Result<()> {
    let metrics = telemetry::metrics()?;
    let limits = Limits {
        header_timeout: config.edge.header_timeout,
        stop_timeout: STOP_TIMEOUT,
        ..Limits::within(raise_open_files())
    };
    let leases = Leases::connect(&config.redis_urls, config.lease.clone())
        .context("the lease nodes cannot be used")?;
    let holdings =
        Holdings::new(leases.clone(), config.lease.ttl, config.leases_max, config.on_stop);
    let (listener, shown) = listen(&config.listen, config.edge.tls.is_some()).await?;
    if let (Some(door), Some(file)) = (&config.edge.door, config.edge.keys_file) {
        drop(tokio::spawn(door.keys.clone().follow(file, LOOK_EVERY)));
    }
    let tls = config.edge.tls.map(|(tls, files)| {
        drop(tokio::spawn(tls.clone().follow(files, LOOK_EVERY)));
        tls
    });
    let draining = Arc::new(AtomicBool::new(false));
    let app = App {
        holdings: holdings.clone(),
        door: config.edge.door,
        is_at_a_port: matches!(config.listen, Listen::Port(_)),
        dapr: config.dapr,
        readiness: Readiness::default(),
        draining: Arc::clone(&draining),
        metrics,
    };
    tracing::info!(address = %config.listen, lease.nodes = leases.nodes(), keys = app.door.is_some(), "serving");
    drop(tokio::spawn(async move { nodes::warn(&leases).await }));
    // For whoever started this process with port 0. Nobody reading is no reason to stop.
    let _unread = writeln!(std::io::stdout(), "listening on {shown}");

    let stop = async {
        if let Err(error) = terminated().await {
            tracing::error!(%error, "no signals can be received; stopping");
        }
        draining.store(true, Ordering::Relaxed);
        tracing::info!(leases = holdings.held(), "draining");
        tokio::time::sleep(config.drain).await;
        // Who waits for a lease is told, streams end, and what is held is given back.
        if tokio::time::timeout(CLOSE_TIMEOUT, holdings.stop()).await.is_err() {
            tracing::warn!("some leases were not given back in time; they end by themselves");
        }
    };
    let stopped =
        serve_http(listener, tls, front(app, config.edge.requests_max), limits, stop).await;
    if stopped == Stopped::CutOff {
        tracing::warn!("some requests did not finish in time and were cut off");
    }
    tracing::info!("stopped");
    Ok(())
}

async fn listen(listen: &Listen, is_tls: bool) -> anyhow::Result<(Listener, String)> {
    let failed = || format!("cannot listen on {listen}");
    match listen {
        Listen::Socket(path) => {
            let listener = Listener::unix(path).await.with_context(failed)?;
            Ok((listener, listen.to_string()))
        }
        Listen::Port(address) => {
            let listener = TcpListener::bind(address).await.with_context(failed)?;
            let address = listener.local_addr().context("no local address")?;
            let scheme = if is_tls { "https" } else { "http" };
            Ok((listener.into(), format!("{scheme}://{address}")))
        }
    }
}
