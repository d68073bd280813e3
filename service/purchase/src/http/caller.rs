//! Proof of what a request's API key allows.

use std::sync::Arc;

use axum::{extract::FromRequestParts, http::request::Parts};
use leasehold_kit::{auth::Scope, caller::check, problem::Problem};

use super::App;

/// Proof that the request's API key allows buying.
pub(super) struct AsBuyer;

/// Proof that the request's API key allows making sales.
pub(super) struct AsAdmin;

/// Proof that the request's API key allows reading metrics.
pub(super) struct AsMetrics;

impl FromRequestParts<Arc<App>> for AsBuyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, Scope::Buyer).map(|_caller| Self)
    }
}

impl FromRequestParts<Arc<App>> for AsAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, Scope::Admin).map(|_caller| Self)
    }
}

impl FromRequestParts<Arc<App>> for AsMetrics {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _app: &Arc<App>) -> Result<Self, Problem> {
        check(parts, Scope::Metrics).map(|_caller| Self)
    }
}
