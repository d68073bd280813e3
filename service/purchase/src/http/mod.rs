//! The API: JSON over HTTP. The only room of this crate that knows status codes.

mod body;
mod caller;
mod claims;
mod code;
mod commands;
mod error;
mod events;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod health;
mod live;
mod openapi;
mod orders;
mod page;
mod sales;
mod submit;
mod web;
mod webhooks;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use axum::{
    Router,
    routing::{get, post},
};
use leasehold::Leases;
use leasehold_kit::{
    caller::Door,
    error::{no_such_method, no_such_route},
    front::{Entry, Front, Rules},
    health::Readiness,
    telemetry::PrometheusHandle,
};

use crate::{
    grant::Granting,
    live::{Hub, Tally},
    store::Store,
};

pub use openapi::{description, table_of_codes};

/// What the handlers work with.
#[derive(Debug)]
pub struct App {
    /// For making sales.
    pub store: Store,
    /// For reading: connections of its own, so that readers cannot keep sellers waiting.
    pub reads: Store,
    /// How orders are granted.
    pub granting: Granting,
    /// For the readiness check.
    pub leases: Leases,
    /// Who may do what, and how often.
    pub door: Door,
    /// Counts what buyers are told.
    pub tally: Arc<Tally>,
    /// For those who watch.
    pub hub: Hub,
    /// Whether orders can be granted, as it was seen last.
    pub readiness: Readiness,
    /// Set once this replica is to get no new connections.
    pub draining: Arc<AtomicBool>,
    /// Where webhooks may lead.
    pub webhooks: crate::webhook::Policy,
    /// What is counted.
    pub metrics: PrometheusHandle,
}

impl App {
    fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }
}

/// Every route, and what stands before them. More requests than `requests_max` at once are turned away; it
/// should be less than the connections that may be open, or nobody can be told.
pub fn front(app: App, requests_max: usize) -> Front {
    let door = Some(app.door.clone());
    // Cloned for each request.
    let app = Arc::new(app);
    let routes = Router::new()
        .route("/v1/openapi.json", get(openapi::serve))
        .route("/v1/sales", get(sales::list).post(sales::create))
        .route("/v1/sales/{sale_id}", get(sales::read).patch(sales::change))
        .route("/v1/sales/{sale_id}/purchases", post(claims::purchase))
        .route("/v1/sales/{sale_id}/reservations", post(claims::reserve))
        .route("/v1/sales/{sale_id}/claims", get(claims::list))
        .route("/v1/sales/{sale_id}/waiting-list", get(claims::waiting))
        .route("/v1/sales/{sale_id}/events", get(events::list))
        .route("/v1/sales/{sale_id}/requests/{key}", get(claims::reply))
        .route("/v1/sales/{sale_id}/commands/{id}", get(commands::read))
        .route("/v1/purchases/{id}", get(claims::read_purchase))
        .route("/v1/purchases/{id}/refunds", post(claims::refund))
        .route("/v1/reservations/{id}", get(claims::read_reservation))
        .route("/v1/reservations/{id}/confirm", post(claims::confirm))
        .route("/v1/reservations/{id}/cancel", post(claims::cancel))
        .route("/v1/live", get(live::follow))
        .merge(webhooks::routes())
        .route("/metrics", get(health::metrics))
        .route("/livez", get(leasehold_kit::health::live))
        .route("/readyz", get(health::ready))
        .merge(web::pages())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .with_state(app);
    Front::new(routes, Rules { door, entry, requests_max, adapt: |_| {} })
}

fn entry(path: &str) -> Entry {
    match path {
        "/livez" | "/readyz" => Entry::Free,
        _ if path.starts_with("/v1/") => Entry::Limited,
        _ => Entry::Counted,
    }
}
