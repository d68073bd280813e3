//! What goes wrong, as a client is told. The table of codes is in `code.rs`, and in `docs/errors.md`.

pub(super) use leasehold_kit::error::{no_such, unavailable};
use leasehold_kit::{
    error::{RETRY_AFTER, internal},
    problem::Problem,
};

use super::code;
use crate::{
    domain::{Invalid, Refusal},
    grant::GrantError,
    store::StoreError,
};

const TO_ASK_AGAIN: &str =
    "it may have happened; send the same request with the same Idempotency-Key to find out";

pub(super) fn invalid(error: &Invalid) -> Problem {
    code::INVALID_REQUEST.says(error.to_string())
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
