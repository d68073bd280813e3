//! The API: JSON over HTTP. The only room that knows status codes.

mod caller;
mod code;
mod dapr;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod leases;
mod openapi;
mod resources;
mod streams;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    extract::State,
    middleware::from_fn_with_state,
    response::Redirect,
    routing::{get, post},
};
use leasehold_kit::{
    caller::Door,
    cli::nodes::quorum_answers,
    error::{no_such_method, no_such_route},
    front::{Entry, Front, Rules},
    health::{Readiness, live},
    pages,
    problem::Problem,
    telemetry::PrometheusHandle,
};

use self::caller::AsMetrics;
pub use self::{
    dapr::{Dapr, LockStore},
    openapi::{description, table_of_codes},
};
use crate::holding::Holdings;

/// Pages, each with its file.
const PAGES: &[(&str, &str)] = &[("/docs", "docs.html")];

/// What the handlers work with.
#[derive(Debug)]
pub struct App {
    /// What is held for whom.
    pub holdings: Holdings,
    /// Who may come in; without it, everybody who reaches this sidecar.
    pub door: Option<Door>,
    /// Whether it listens at a port: browsers reach no socket.
    pub is_at_a_port: bool,
    /// What Dapr's clients are shown.
    pub dapr: Dapr,
    /// Whether leases can be had, as it was seen last.
    pub readiness: Readiness,
    /// Set once the sidecar is about to stop.
    pub draining: Arc<AtomicBool>,
    /// What is counted.
    pub metrics: PrometheusHandle,
}

/// Every route, and what stands before them. More requests than `requests_max` at once are turned away,
/// those that wait for a lease included; it should be less than the connections that may be open, or nobody
/// can be told.
pub fn front(app: App, requests_max: usize) -> Front {
    let door = app.door.clone();
    let app = Arc::new(app);
    let api = Router::new()
        .route("/v1/leases", get(leases::list).post(leases::acquire))
        .route("/v1/leases/{id}", get(leases::read).delete(leases::release))
        .route("/v1/leases/{id}/renew", post(leases::renew))
        .route("/v1/leases/{id}/attach", post(leases::attach))
        .route("/v1/link", get(streams::link))
        .route("/v1/elections/{office}", get(streams::stand))
        .route("/v1/resources/{name}", get(resources::inspect).delete(resources::evict))
        .route("/v1.0-alpha1/lock/{store}", post(dapr::lock))
        .route("/v1.0-alpha1/unlock/{store}", post(dapr::unlock))
        .route("/v1.0/metadata", get(dapr::metadata))
        .layer(from_fn_with_state(Arc::clone(&app), caller::keep_pages_out))
        .route("/v1/openapi.json", get(openapi::serve));
    let metrics = Router::new()
        .route("/metrics", get(metrics))
        .layer(from_fn_with_state(Arc::clone(&app), caller::keep_pages_out));
    let routes = api
        .merge(metrics)
        // What pages are made of is the same for everybody, so whoever asks may have it.
        .merge(pages::router(PAGES, &[pages::DOCS]))
        .route("/", get(async || Redirect::to("/docs")))
        .route("/livez", get(live))
        .route("/readyz", get(ready))
        .route("/v1.0/healthz", get(dapr::health))
        .route("/v1.0/healthz/outbound", get(dapr::health))
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app);
    Front::new(routes, Rules { door, entry, requests_max, adapt: caller::read_dapr_token })
}

fn entry(path: &str) -> Entry {
    match path {
        "/livez" | "/readyz" | "/v1.0/healthz" | "/v1.0/healthz/outbound" => Entry::Free,
        _ if ["/v1/", "/v1.0/", "/v1.0-alpha1/"].iter().any(|part| path.starts_with(part)) => {
            Entry::Limited
        }
        _ => Entry::Counted,
    }
}

/// `GET /readyz`: leases can be had here: not draining, and a quorum of lease nodes answers.
async fn ready(State(app): State<Arc<App>>) -> Result<&'static str, Problem> {
    let look = async || quorum_answers(app.holdings.leases()).await;
    app.readiness.answer(app.draining.load(Ordering::Relaxed), look).await
}

/// `GET /metrics`: Prometheus' text format.
async fn metrics(_reader: AsMetrics, State(app): State<Arc<App>>) -> String {
    let holdings = &app.holdings;
    for (name, count) in [
        ("sidecar_leases", holdings.held()),
        ("sidecar_links", holdings.links()),
        ("sidecar_places_taken", holdings.places_taken()),
    ] {
        metrics::gauge!(name).set(f64::from(u32::try_from(count).unwrap_or(u32::MAX)));
    }
    app.metrics.run_upkeep();
    app.metrics.render()
}
