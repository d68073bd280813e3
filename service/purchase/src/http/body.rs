//! Reading requests: every way to fail is a problem document.

use std::time::Duration;

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Request,
        rejection::{JsonRejection, JsonSyntaxError},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use leasehold_kit::problem::Problem;
use serde::de::DeserializeOwned;
use serde_path_to_error::Error;

pub(super) use super::caller::{AsAdmin, AsBuyer};
use super::{code, error, object::Object, words};
use crate::domain::{IdempotencyKey, Invalid, Kind, Reply};

/// How long a client may take to send a body: a slow one holds a connection.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let Ok(read) =
            tokio::time::timeout(BODY_TIMEOUT, Json::<Object>::from_request(request, state)).await
        else {
            let detail = format!("the body did not come within {BODY_TIMEOUT:?}");
            return Err(code::BODY_TIMEOUT.says(detail));
        };
        match read {
            // An object, and not a list of its values in order, which serde would take as well.
            Ok(Json(Object(object))) => {
                words::read(object).map(Self).map_err(|why| code::INVALID_REQUEST.says(why))
            }
            Err(rejection) => Err(unreadable(&rejection)),
        }
    }
}

fn unreadable(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            code::UNSUPPORTED_MEDIA_TYPE.says("send the body as application/json")
        }
        JsonRejection::JsonSyntaxError(error) => match out_of_range(error) {
            Some(field) => code::INVALID_REQUEST.says(words::out_of_range(&field)),
            None => code::INVALID_REQUEST.says("the body is not JSON"),
        },
        JsonRejection::JsonDataError(error) => {
            let repeated = words::repeated(&error.body_text());
            let detail = repeated.unwrap_or_else(|| "the body must be a JSON object".to_owned());
            code::INVALID_REQUEST.says(detail)
        }
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = format!("a body has at most {} bytes", super::BODY_BYTES_MAX);
            code::BODY_TOO_LARGE.says(detail)
        }
        _ => code::INVALID_REQUEST.says("the body did not come whole"),
    }
}

/// The field with a number that is JSON, but larger than the library reads, as 1e400.
fn out_of_range(error: &JsonSyntaxError) -> Option<String> {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    let read = loop {
        cause = cause.source()?;
        if let Some(read) = cause.downcast_ref::<Error<serde_json::Error>>() {
            break read;
        }
    };
    let is_range = read.inner().to_string().starts_with("number out of range");
    is_range.then(|| read.path().to_string())
}

/// Texts in the path.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let Path(found) =
            read.map_err(|_| code::INVALID_REQUEST.says("the path cannot be read"))?;
        Ok(Self(found))
    }
}

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
