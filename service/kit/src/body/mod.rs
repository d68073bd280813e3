//! Reading requests: every way to fail is a problem document.

mod object;
mod words;

use std::time::Duration;

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, JsonSyntaxError},
    },
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;
use serde_path_to_error::Error;

use self::object::Object;
use crate::{code, problem::Problem};

/// Largest request body, in bytes. A service's router sets it, as a layer of all its routes.
pub const BODY_BYTES_MAX: usize = 16 * 1024;

/// How long a client may take to send a body: a slow one holds a connection.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// A JSON body: an object, of at most [`BODY_BYTES_MAX`] bytes, that comes within [`BODY_TIMEOUT`], and in
/// which no name stands twice.
#[derive(Debug)]
pub struct Body<T>(pub T);

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
            let detail = format!("a body has at most {} bytes", BODY_BYTES_MAX);
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
#[derive(Debug)]
pub struct InPath<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Path::<T>::from_request_parts(parts, state).await;
        let Path(found) =
            read.map_err(|_| code::INVALID_REQUEST.says("the path cannot be read"))?;
        Ok(Self(found))
    }
}

/// What stands in the query, each name once. `T` should refuse names that it does not know.
#[derive(Debug)]
pub struct InQuery<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let read = Query::<T>::from_request_parts(parts, state).await;
        let Query(query) = read.map_err(|rejection| {
            code::INVALID_REQUEST.says(words::explained("the query", &rejection.body_text()))
        })?;
        Ok(Self(query))
    }
}
