//! `/v1/resources`: who has what, and taking it away.

use std::sync::Arc;

use axum::{Json, extract::State};
use leasehold::Hold;
use leasehold_kit::{body::InPath, problem::Problem};
use serde::Serialize;

use super::{
    App,
    caller::{AsAdmin, AsHolder},
    error,
    leases::{millis, resource},
};

/// What the nodes can say of a resource.
pub(super) const STATES: [&str; 4] = [FREE, HELD, FOREIGN, UNKNOWN];
const FREE: &str = "free";
const HELD: &str = "held";
const FOREIGN: &str = "held_by_another_library";
const UNKNOWN: &str = "unknown";

/// Who has a resource.
#[derive(Default, Serialize)]
pub(super) struct ResourceView {
    resource: String,
    state: &'static str,
    is_held_here: bool,
    token: Option<String>,
    free_in_ms: Option<u64>,
    silent_nodes: usize,
}

/// What taking a lease away came to.
#[derive(Default, Serialize)]
pub(super) struct EvictedView {
    resource: String,
    was_held: bool,
    token: Option<String>,
    newer_token: Option<String>,
}

/// `GET /v1/resources/{name}`: who has it, as a quorum of nodes says. Without the holder's secret.
pub(super) async fn inspect(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(name): InPath<String>,
) -> Result<Json<ResourceView>, Problem> {
    let name = resource("the resource", name)?;
    who.may_hold(std::slice::from_ref(&name))?;
    let (inspection, is_held_here) = app.holdings.inspect(&name).await;
    let (state, token, free_in) = match inspection.hold {
        Hold::Free => (FREE, None, None),
        Hold::Ours { token, ttl_left, .. } => (HELD, token, ttl_left),
        Hold::Foreign { ttl_left } => (FOREIGN, None, ttl_left),
        Hold::Unknown => (UNKNOWN, None, None),
    };
    Ok(Json(ResourceView {
        resource: name.to_string(),
        state,
        is_held_here,
        token: token.map(|token| token.to_string()),
        free_in_ms: free_in.map(millis),
        silent_nodes: inspection.failures.len(),
    }))
}

/// `DELETE /v1/resources/{name}`: takes a lease away from whoever has it.
pub(super) async fn evict(
    State(app): State<Arc<App>>,
    AsAdmin(admin): AsAdmin,
    InPath(name): InPath<String>,
) -> Result<Json<EvictedView>, Problem> {
    let name = resource("the resource", name)?;
    let freed = app.holdings.evict(&name).await.map_err(|error| error::problem(&error))?;
    // Who did it and to whom, for whoever asks later.
    tracing::warn!(
        lease.resource = %name, lease.was_held = freed.was_held, lease.token = ?freed.old, key.name = %admin,
        "lease taken away by an administrator"
    );
    Ok(Json(EvictedView {
        resource: name.to_string(),
        was_held: freed.was_held,
        token: freed.old.map(|token| token.to_string()),
        newer_token: freed.newer.map(|token| token.to_string()),
    }))
}
