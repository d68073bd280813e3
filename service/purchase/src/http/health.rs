//! What a load balancer and an operator ask.

use axum::{extract::State, http::StatusCode};
use leasehold_kit::problem::Problem;

use super::{App, error};

/// `GET /livez`: the process answers. It says nothing about the servers behind it: restarting this
/// process would not bring them back.
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: orders can be granted here: not draining, Postgres answers, and a quorum of
/// lease nodes does.
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.is_draining() {
        return Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "draining",
            "this replica is about to stop",
        ));
    }
    let (store, failing) = tokio::join!(app.reads.ping(), app.leases.failing_nodes());
    store.map_err(|error| error::unavailable(&error.to_string()))?;
    if failing.len() > app.leases.nodes() - app.leases.quorum() {
        let reasons: Vec<String> = failing.iter().map(ToString::to_string).collect();
        return Err(error::unavailable(&reasons.join("; ")));
    }
    Ok("ready\n")
}

/// `GET /metrics`: Prometheus' text format.
pub(super) async fn metrics(State(app): State<App>) -> String {
    let (size, idle) = app.store.connections();
    metrics::gauge!("leasehold_postgres_connections").set(f64::from(size));
    #[expect(clippy::cast_precision_loss, reason = "a pool has tens of connections")]
    metrics::gauge!("leasehold_postgres_connections_idle").set(idle as f64);
    app.metrics.run_upkeep();
    app.metrics.render()
}
