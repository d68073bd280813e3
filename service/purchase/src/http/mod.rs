//! The API: JSON over HTTP. The only room that knows status codes.

mod body;
mod error;
mod health;
mod purchases;
mod sales;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    error_handling::HandleErrorLayer,
    extract::DefaultBodyLimit,
    http::{HeaderName, Request, StatusCode},
    routing::{get, post},
};
use leasehold::Leases;
use leasehold_kit::{auth::Keys, problem::Problem, telemetry::PrometheusHandle};
use tower::{BoxError, ServiceBuilder, limit::GlobalConcurrencyLimitLayer};
use tower_http::{
    catch_panic::CatchPanicLayer,
    request_id::{MakeRequestUuid, PropagateRequestIdLayer, SetRequestIdLayer},
    trace::TraceLayer,
};

use crate::{grant::Leased, store::Store};

/// Largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// Requests worked on at once; further ones are turned away at the door. Fewer than connections, or
/// nobody could be told.
pub const REQUESTS_MAX: usize = 10_000;

/// How much of what a client sent goes into the log.
const TEXT_BYTES_SHOWN: usize = 120;

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct App {
    /// For making sales.
    pub store: Store,
    /// For reading: connections of its own, so that readers cannot keep sellers waiting.
    pub reads: Store,
    /// How orders are granted.
    pub granting: Leased,
    /// For the readiness check.
    pub leases: Leases,
    /// Who may do what.
    pub keys: Keys,
    /// Set once this replica is to get no new connections.
    pub draining: Arc<AtomicBool>,
    /// What is counted.
    pub metrics: PrometheusHandle,
}

impl App {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Every route.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .route("/v1/sales", post(sales::create))
        .route("/v1/sales/{sale_id}", get(sales::read))
        .route("/v1/sales/{sale_id}/purchases", post(purchases::create))
        .route("/v1/purchases/{purchase_id}", get(purchases::read))
        .layer(
            ServiceBuilder::new()
                .layer(HandleErrorLayer::new(turned_away))
                .load_shed()
                // Global: a layer is applied to each route, and the routes share this limit.
                .layer(GlobalConcurrencyLimitLayer::new(REQUESTS_MAX)),
        );
    let health = Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics));
    let request_id = HeaderName::from_static("x-request-id");
    api.merge(health)
        .fallback(error::no_such_route)
        .method_not_allowed_fallback(error::no_such_method)
        .with_state(app)
        .layer(
            ServiceBuilder::new()
                .layer(SetRequestIdLayer::new(request_id.clone(), MakeRequestUuid))
                .layer(
                    TraceLayer::new_for_http().make_span_with(span).on_response(()).on_failure(()),
                )
                .layer(PropagateRequestIdLayer::new(request_id))
                .layer(CatchPanicLayer::custom(error::panicked))
                .layer(DefaultBodyLimit::max(BODY_BYTES_MAX)),
        )
}

async fn turned_away(_overloaded: BoxError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests are under way")
        .retry_after(Duration::from_secs(1))
}

fn span<B>(request: &Request<B>) -> tracing::Span {
    let id = request.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    // Both are a client's choice, so they may be of any length.
    let (id, path) = (shown(id.unwrap_or_default()), shown(request.uri().path()));
    tracing::info_span!("request", http.method = %request.method(), http.path = path, request.id = id)
}

fn shown(text: &str) -> &str {
    text.get(..TEXT_BYTES_SHOWN).unwrap_or(text)
}
