//! Reading requests, and answers that are sent as they were stored.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
pub(super) use leasehold_kit::body::{Body, InPath};
use leasehold_kit::problem::Problem;

pub(super) use super::caller::{AsAdmin, AsBuyer};
use super::{code, error};
use crate::domain::{IdempotencyKey, Invalid, Kind, Reply};

/// An id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: std::str::FromStr<Err = Invalid>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InPath(text) = InPath::<String>::from_request_parts(parts, state).await?;
        text.parse().map(Self).map_err(|invalid| error::invalid(&invalid))
    }
}

/// The request's `Idempotency-Key`.
pub(super) struct Key(pub(super) IdempotencyKey);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        key(&parts.headers).map(Self)
    }
}

/// The `Idempotency-Key` among these headers.
pub(super) fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else {
        let detail = "send an Idempotency-Key header: your own name for this request, new for every new intent";
        return Err(code::IDEMPOTENCY_KEY_MISSING.says(detail));
    };
    if second.is_some() {
        let detail = "send one Idempotency-Key header, not several";
        return Err(code::INVALID_REQUEST.says(detail));
    }
    // The draft wants a quoted string; most clients send it bare.
    let text = value.to_str().unwrap_or_default();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    IdempotencyKey::new(bare).map_err(|invalid| error::invalid(&invalid))
}

/// The status of a stored answer.
pub(super) const fn status(reply: &Reply) -> StatusCode {
    match reply.kind {
        Kind::SaleCreated | Kind::Purchased | Kind::Reserved => StatusCode::CREATED,
        // Accepted, and still to come.
        Kind::Queued => StatusCode::ACCEPTED,
        _ => StatusCode::OK,
    }
}

/// An answer that is sent byte for byte as it was stored.
pub(super) fn stored(reply: &Reply, replayed: bool) -> Response {
    stored_as(status(reply), &reply.body, replayed)
}

/// JSON that is sent byte for byte as it was stored.
pub(super) fn stored_as(status: StatusCode, body: &str, replayed: bool) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = (status, [content_type], body.to_owned()).into_response();
    if replayed {
        let _before =
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
