//! What a load balancer and an operator ask.

use std::sync::Arc;

use axum::extract::State;
use leasehold_kit::problem::Problem;

use super::{App, caller::AsMetrics};

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
