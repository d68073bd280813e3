//! What a load balancer and an operator ask.

use std::{sync::Arc, time::Duration};

use axum::extract::State;
use leasehold_kit::problem::Problem;
use tokio::{sync::Mutex, time::Instant};

use super::{App, caller::AsMetrics, code, error};

/// `GET /livez`: the process answers. It says nothing about the servers behind it: restarting this
/// process would not bring them back.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// For how long what was seen of the servers behind is told: anybody may ask, as often as they like.
const SEEN_FOR: Duration = Duration::from_millis(200);

/// When it was looked, and why no orders can be granted, if so.
type Seen = (Instant, Result<(), String>);

/// Whether orders can be granted, as it was seen last. Cloning is cheap and shares it.
#[derive(Clone, Debug, Default)]
pub struct Readiness(Arc<Mutex<Option<Seen>>>);

impl Readiness {
    /// Looks, unless that was done just now. Whoever asks meanwhile waits for the same look.
    async fn of(&self, app: &App) -> Result<(), String> {
        let mut seen = self.0.lock().await;
        match &*seen {
            Some((at, told)) if at.elapsed() < SEEN_FOR => told.clone(),
            _ => {
                let told = look(app).await;
                *seen = Some((Instant::now(), told.clone()));
                told
            }
        }
    }
}

/// Asks for a connection as sellers do: a crowd of readers keeps no order from being granted.
async fn look(app: &App) -> Result<(), String> {
    let (store, failing) = tokio::join!(app.store.ping(), app.leases.failing_nodes());
    store.map_err(|error| error.to_string())?;
    if failing.len() > app.leases.nodes() - app.leases.quorum() {
        let reasons: Vec<String> = failing.iter().map(ToString::to_string).collect();
        return Err(reasons.join("; "));
    }
    Ok(())
}

/// `GET /readyz`: orders can be granted here: not draining, Postgres answers, and a quorum of
/// lease nodes does.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    if app.is_draining() {
        return Err(code::DRAINING.says("this replica is about to stop"));
    }
    app.readiness.of(&app).await.map_err(|why| error::unavailable(&why))?;
    Ok("ready\n")
}

/// `GET /metrics`: Prometheus' text format. For keys of the scope `metrics` or `admin`: it tells
/// competitors what is sold how fast.
pub(super) async fn metrics(_reader: AsMetrics, State(app): State<Arc<App>>) -> String {
    app.store.export();
    app.reads.export();
    app.metrics.run_upkeep();
    app.metrics.render()
}
