//! Who asks, and what they may.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Request, State},
    http::request::Parts,
    middleware::Next,
    response::Response,
};
use leasehold_kit::{
    auth::{ANONYMOUS, Caller, Denied, Scope},
    problem::Problem,
};

use super::{App, error};

/// What a request's API key came to; not every route needs one.
#[derive(Clone)]
struct Asked(Result<Caller, Denied>);

/// Finds out who asks, writes the key's name into the request's span, and turns away who asks too
/// often. Everybody without a key that is known counts as one, so that guessing has a limit too.
pub(super) async fn ask(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let asked = app.keys.who(request.headers());
    let name = asked.as_ref().map_or_else(|_| ANONYMOUS.into(), |caller| caller.name.clone());
    let _span = tracing::Span::current().record("key.name", &*name);
    app.rates.count(&name).map_err(|refused| {
        metrics::counter!("leasehold_rate_limited_total", "key" => name.to_string()).increment(1);
        error::too_often(refused)
    })?;
    let _before = request.extensions_mut().insert(Asked(asked));
    Ok(next.run(request).await)
}

/// Proof that the request's API key allows buying.
pub(super) struct AsBuyer;

/// Proof that the request's API key allows making sales.
pub(super) struct AsAdmin;

/// Proof that the request's API key allows reading metrics.
pub(super) struct AsMetrics;

impl FromRequestParts<Arc<App>> for AsBuyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, Scope::Buyer).map(|()| Self)
    }
}

impl FromRequestParts<Arc<App>> for AsAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, Scope::Admin).map(|()| Self)
    }
}

impl FromRequestParts<Arc<App>> for AsMetrics {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, Scope::Metrics).map(|()| Self)
    }
}

fn check(parts: &Parts, needed: Scope) -> Result<(), Problem> {
    let asked = parts.extensions.get::<Asked>().map_or(Err(Denied::Missing), |who| who.0.clone());
    asked.and_then(|caller| caller.may(needed)).map_err(error::denied)
}
