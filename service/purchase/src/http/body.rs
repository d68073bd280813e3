//! Reading requests: every way to fail is a problem document.

use std::time::Duration;

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Request, rejection::JsonRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use leasehold_kit::{auth::Scope, problem::Problem};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{App, error};
use crate::domain::{IdempotencyKey, Invalid};

/// How long a client may take to send a body: a slow one holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Ok(read) = tokio::time::timeout(
            BODY_TIMEOUT,
            Json::<Map<String, Value>>::from_request(request, state),
        )
        .await
        else {
            let detail = format!("the body did not come within {BODY_TIMEOUT:?}");
            return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail));
        };
        match read {
            // An object, and not a list of its values in order, which serde would take as well.
            Ok(Json(object)) => {
                serde_json::from_value(Value::Object(object)).map(Self).map_err(|error| {
                    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", error.to_string())
                })
            }
            Err(JsonRejection::MissingJsonContentType(_)) => {
                let detail = "send the body as application/json";
                Err(Problem::new(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "unsupported_media_type",
                    detail,
                ))
            }
            Err(rejection) if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("a body has at most {} bytes", super::BODY_BYTES_MAX);
                Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail))
            }
            Err(rejection) => {
                Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", rejection.body_text()))
            }
        }
    }
}

/// An id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: std::str::FromStr<Err = Invalid>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let unreadable =
            |_| Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "the path cannot be read");
        let Path(text) =
            Path::<String>::from_request_parts(parts, state).await.map_err(unreadable)?;
        text.parse().map(Self).map_err(|invalid| error::invalid(&invalid))
    }
}

/// Proof that the request's API key allows buying.
pub(super) struct AsBuyer;

/// Proof that the request's API key allows making sales.
pub(super) struct AsAdmin;

impl FromRequestParts<App> for AsBuyer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.keys.check(&parts.headers, Scope::Buyer).map(|_| Self).map_err(error::denied)
    }
}

impl FromRequestParts<App> for AsAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.keys.check(&parts.headers, Scope::Admin).map(|_| Self).map_err(error::denied)
    }
}

/// The request's `Idempotency-Key`.
pub(super) fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let (first, second) = (values.next(), values.next());
    let Some(value) = first else {
        let detail = "send an Idempotency-Key header: your own name for this request, new for every new intent";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_missing", detail));
    };
    if second.is_some() {
        let detail = "send one Idempotency-Key header, not several";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid_request", detail));
    }
    // The draft wants a quoted string; most clients send it bare.
    let text = value.to_str().unwrap_or_default();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    IdempotencyKey::new(bare).map_err(|invalid| error::invalid(&invalid))
}

/// An answer that is sent byte for byte as it was stored.
pub(super) fn stored(status: StatusCode, body: String, replayed: bool) -> Response {
    let content_type = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let mut response = (status, [content_type], body).into_response();
    if replayed {
        let _before =
            response.headers_mut().insert("idempotency-replayed", HeaderValue::from_static("true"));
    }
    response
}
