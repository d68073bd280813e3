//! What a load balancer and an operator ask.

use std::sync::Arc;

use axum::extract::State;
use leasehold_kit::{cli::nodes::quorum_answers, problem::Problem};

use super::{App, caller::AsMetrics};

/// Asks for a connection as sellers do: a crowd of readers keeps no order from being granted.
async fn look(app: &App) -> Result<(), String> {
    let (store, leases) = tokio::join!(app.store.ping(), quorum_answers(&app.leases));
    store.map_err(|error| error.to_string())?;
    leases
}

/// `GET /readyz`: orders can be granted here: not draining, Postgres answers, and a quorum of
/// lease nodes does.
pub(super) async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    app.readiness.answer(app.is_draining(), async || look(&app).await).await
}

/// `GET /metrics`: Prometheus' text format. For keys of the scope `metrics` or `admin`: it tells
/// competitors what is sold how fast.
pub(super) async fn metrics(_reader: AsMetrics, State(app): State<Arc<App>>) -> String {
    app.store.export();
    app.reads.export();
    app.metrics.run_upkeep();
    app.metrics.render()
}
