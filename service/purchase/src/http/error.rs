//! What goes wrong, as a client is told. The table of codes is in `code.rs`, and in `docs/errors.md`.

use std::{any::Any, time::Duration};

use axum::response::{IntoResponse as _, Response};
use leasehold_kit::{auth::Denied, problem::Problem, rate::TooOften};

use super::code;
use crate::{
    domain::{Invalid, Refusal},
    grant::GrantError,
    store::StoreError,
};

/// When to try again after a refusal that passes.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const TO_ASK_AGAIN: &str =
    "it may have happened; send the same request with the same Idempotency-Key to find out";

pub(super) fn invalid(error: &Invalid) -> Problem {
    code::INVALID_REQUEST.says(error.to_string())
}

pub(super) fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Missing => {
            let how = "send the API key as \"Authorization: Bearer <key>\"";
            code::UNAUTHORIZED.says(how)
        }
        Denied::Unknown => code::UNAUTHORIZED.says("the API key is not known"),
        Denied::Expired => {
            let detail = "the API key has expired; ask for a new one";
            code::UNAUTHORIZED.says(detail)
        }
        Denied::Scope => code::FORBIDDEN.says("the API key does not allow this"),
    }
}

pub(super) fn too_often(refused: TooOften) -> Problem {
    let detail = "this API key asks too often; nothing happened";
    code::RATE_LIMITED.says(detail).retry_after(refused.after)
}

pub(super) fn no_such(what: &'static str) -> Problem {
    code::NOT_FOUND.says(format!("there is no such {what}"))
}

pub(super) fn key_reused() -> Problem {
    let detail = "the Idempotency-Key was used for another request; take a new one";
    code::IDEMPOTENCY_KEY_REUSED.says(detail)
}

/// A refusal by the rules: what stands in the way, and the number that would not.
pub(super) fn refused(refusal: &Refusal) -> Problem {
    match refusal {
        Refusal::SoldOut { left: 0 } => code::SOLD_OUT.says("nothing is left"),
        Refusal::SoldOut { left } => code::SOLD_OUT.says(format!("only {left} left")),
        Refusal::NotOpen { opens_at } => {
            code::NOT_OPEN.says(format!("selling begins at {opens_at}"))
        }
        Refusal::Closed => code::CLOSED.says("selling has ended"),
        Refusal::LimitReached { max, has } => {
            code::LIMIT_REACHED.says(format!("one buyer may have {max}, and this one has {has}"))
        }
        Refusal::WaitingListFull => code::WAITING_LIST_FULL.says("too many wait already"),
        Refusal::NoSuchClaim => no_such("reservation or purchase"),
        Refusal::NotYours => {
            let detail = "it belongs to another buyer";
            code::NOT_YOURS.says(detail)
        }
        Refusal::Status(status) => code::WRONG_STATUS.says(format!("it is {}", status.name())),
        Refusal::WrongCurrency { currency } => {
            let detail = format!("the sale's currency is {}", currency.as_str());
            code::WRONG_CURRENCY.says(detail)
        }
        Refusal::WrongAmount { total_minor } => {
            let detail = format!("the price is {total_minor} minor units");
            code::WRONG_AMOUNT.says(detail)
        }
        Refusal::RefundTooLarge { left } => {
            code::REFUND_TOO_LARGE.says(format!("at most {left} units can be given back"))
        }
        Refusal::BelowSold { least } => {
            let detail = format!("{least} units are sold and reserved already");
            code::BELOW_SOLD.says(detail)
        }
        Refusal::Version { current } => {
            let detail = format!("the sale is at version {current}");
            code::VERSION_MISMATCH.says(detail).at_version(*current)
        }
        Refusal::Invalid(reason) => invalid(reason),
    }
}

pub(super) fn granting(error: GrantError) -> Problem {
    match error {
        GrantError::NoSuchSale => no_such("sale"),
        GrantError::Busy => {
            let detail = "too many requests are waiting; nothing happened";
            code::BUSY.says(detail).retry_after(RETRY_AFTER)
        }
        GrantError::Conflict { tries, current } => {
            let at = current.map(|version| format!(", the sale is at version {version}"));
            let at = at.unwrap_or_default();
            let detail = format!("others were faster {tries} times{at}; nothing happened");
            let problem = code::CONFLICT.says(detail).retry_after(RETRY_AFTER);
            match current {
                Some(version) => problem.at_version(version),
                None => problem,
            }
        }
        GrantError::Unavailable(why) => unavailable(&why),
        GrantError::Unknown => code::OUTCOME_UNKNOWN.says(TO_ASK_AGAIN),
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
            code::OUTCOME_UNKNOWN.says(TO_ASK_AGAIN)
        }
        other => reading(other),
    }
}

/// The log gets the reason; the client gets what it may act on.
pub(super) fn unavailable(why: &str) -> Problem {
    tracing::warn!(reason = why, "unavailable");
    let detail = "a server that is needed does not answer; nothing happened";
    code::UNAVAILABLE.says(detail).retry_after(RETRY_AFTER)
}

fn internal(why: &str) -> Problem {
    tracing::error!(reason = why, "internal error");
    code::INTERNAL.says("a fault of ours")
}

pub(super) async fn no_such_route() -> Problem {
    no_such("route")
}

pub(super) async fn no_such_method() -> Problem {
    code::METHOD_NOT_ALLOWED.says("the route knows other methods")
}

#[expect(clippy::needless_pass_by_value, reason = "the layer hands the panic over")]
pub(super) fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    internal(text.unwrap_or("panic")).into_response()
}
