//! What goes wrong, as a program is told.

use std::time::Duration;

use leasehold::{AcquireAllError, AcquireError, EvictError, ResumeError};
use leasehold_kit::{code::Code, problem::Problem};

use super::code;
use crate::holding::HoldError;

/// When to try again after a refusal that says nothing better.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) fn problem(error: &HoldError) -> Problem {
    let says = |code: &Code| code.says(error.to_string());
    match error {
        HoldError::Acquire(error) | HoldError::All(AcquireAllError::Acquire(error)) => {
            not_acquired(error)
        }
        HoldError::Full { .. } => says(&code::FULL).retry_after(RETRY_AFTER),
        HoldError::NoLink | HoldError::NotFound => says(&code::NOT_FOUND),
        HoldError::LinkBroken => says(&code::LINK_BROKEN),
        HoldError::RequestIdReused => says(&code::REQUEST_ID_REUSED),
        HoldError::StillAsked => says(&code::STILL_ASKED).retry_after(RETRY_AFTER),
        HoldError::Over(_) => says(&code::LEASE_OVER),
        HoldError::Stopping => says(&code::DRAINING).retry_after(RETRY_AFTER),
        HoldError::Resume(ResumeError::NotHeld { .. }) => says(&code::NOT_HELD),
        HoldError::Resume(ResumeError::HeldHere { .. }) => {
            says(&code::HELD).retry_after(RETRY_AFTER)
        }
        HoldError::Evict(EvictError::Foreign { .. }) => says(&code::FOREIGN),
        HoldError::Resume(_) | HoldError::Evict(_) | HoldError::EvictedPerhaps => {
            says(&code::OUTCOME_UNKNOWN).retry_after(RETRY_AFTER)
        }
        HoldError::All(_) | HoldError::Slots(_) => says(&code::INVALID_REQUEST),
    }
}

pub(super) fn not_acquired(error: &AcquireError) -> Problem {
    let says = |code: &Code| code.says(error.to_string());
    match error {
        AcquireError::Contended { free_in, .. } => {
            // Somebody else may renew it until then, but it is no use to ask much earlier.
            let after = free_in.map_or(RETRY_AFTER, |free| free.min(RETRY_AFTER * 10));
            says(&code::HELD).retry_after(after)
        }
        AcquireError::DeadlineReached { last, .. } if !last.is_unavailable() => {
            says(&code::WAIT_OVER)
        }
        AcquireError::Shutdown { .. } => says(&code::DRAINING).retry_after(RETRY_AFTER),
        AcquireError::DeadlineReached { last, .. } => {
            let detail = format!("{error}: {last}");
            code::UNAVAILABLE.says(detail).retry_after(RETRY_AFTER)
        }
        _ => says(&code::UNAVAILABLE).retry_after(RETRY_AFTER),
    }
}
