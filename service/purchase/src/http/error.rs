//! What goes wrong, as a client is told: one table of stable codes.
//!
//! | code | status | meaning |
//! | --- | --- | --- |
//! | `invalid_request` | 400 | a header, path or body cannot be read, or a field is outside its limits |
//! | `idempotency_key_missing` | 400 | a POST without `Idempotency-Key` |
//! | `unauthorized` | 401 | no API key, or an unknown one |
//! | `forbidden` | 403 | the API key does not allow this |
//! | `not_found` | 404 | no such route, sale or purchase |
//! | `method_not_allowed` | 405 | the route knows other methods |
//! | `body_timeout` | 408 | the body did not come in time |
//! | `sold_out` | 409 | fewer units are left than were asked for |
//! | `body_too_large` | 413 | the body is larger than the limit |
//! | `unsupported_media_type` | 415 | the body is not `application/json` |
//! | `idempotency_key_reused` | 422 | the key was used for another request |
//! | `internal` | 500 | a fault of ours; the log has the rest |
//! | `busy`, `overloaded`, `unavailable`, `draining` | 503 | nothing happened; try again after `Retry-After` |
//! | (none) | 400, 431 | not HTTP, or a head that is too large: answered without a body |
//! | `outcome_unknown` | 504 | it may have happened: ask again with the same key |

use std::{any::Any, time::Duration};

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use leasehold_kit::{auth::Denied, problem::Problem};

use crate::{domain::Invalid, grant::GrantError, store::StoreError};

/// When to try again after a refusal that passes.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const TO_ASK_AGAIN: &str =
    "it may have happened; send the same request with the same Idempotency-Key to find out";

pub(super) fn invalid(error: &Invalid) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", error.to_string())
}

pub(super) fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Missing => {
            let how = "send the API key as \"Authorization: Bearer <key>\"";
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", how)
        }
        Denied::Unknown => {
            Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "the API key is not known")
        }
        Denied::Scope => {
            Problem::new(StatusCode::FORBIDDEN, "forbidden", "the API key does not allow this")
        }
    }
}

pub(super) fn no_such(what: &'static str) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "not_found", format!("there is no such {what}"))
}

pub(super) fn key_reused() -> Problem {
    let detail = "the Idempotency-Key was used for another request; take a new one";
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused", detail)
}

pub(super) fn sold_out(left: u32) -> Problem {
    let detail = match left {
        0 => "nothing is left".to_owned(),
        left => format!("only {left} left"),
    };
    Problem::new(StatusCode::CONFLICT, "sold_out", detail)
}

pub(super) fn granting(error: GrantError) -> Problem {
    match error {
        GrantError::NoSuchSale => no_such("sale"),
        GrantError::Busy => {
            let detail = "too many orders are waiting; nothing happened";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(RETRY_AFTER)
        }
        GrantError::Unavailable(why) => unavailable(&why),
        GrantError::Unknown => {
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", TO_ASK_AGAIN)
        }
        GrantError::Internal(why) => internal(&why),
    }
}

/// An error of a statement that only reads.
pub(super) fn reading(error: &StoreError) -> Problem {
    match error {
        StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::NotMigrated => {
            unavailable(&error.to_string())
        }
        other => internal(&other.to_string()),
    }
}

/// An error of a statement that writes.
pub(super) fn writing(error: &StoreError) -> Problem {
    match error {
        StoreError::Unknown(_) => {
            tracing::warn!(%error, "outcome unknown");
            Problem::new(StatusCode::GATEWAY_TIMEOUT, "outcome_unknown", TO_ASK_AGAIN)
        }
        other => reading(other),
    }
}

/// The log gets the reason; the client gets what it may act on.
pub(super) fn unavailable(why: &str) -> Problem {
    tracing::warn!(reason = why, "unavailable");
    let detail = "a server that is needed does not answer; nothing happened";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(RETRY_AFTER)
}

fn internal(why: &str) -> Problem {
    tracing::error!(reason = why, "internal error");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "a fault of ours")
}

pub(super) async fn no_such_route() -> Problem {
    no_such("route")
}

pub(super) async fn no_such_method() -> Problem {
    Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        "the route knows other methods",
    )
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    internal(text.unwrap_or("panic")).into_response()
}
