//! What an answer says of a request.

use hyper::StatusCode;
use leasehold_stack::Answer;
use serde_json::Value;
use tokio::time::error::Elapsed;

use super::client::Try;
use crate::history::{Outcome, Receipt};

/// Reads one try's answer.
pub(super) fn settle(answer: Result<anyhow::Result<Answer>, Elapsed>, is_look: bool) -> Try {
    let answer = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Try::Doubt(format!("no answer: {error}")),
        Err(_) => return Try::Doubt("no answer in time".to_owned()),
    };
    let said = answer.json();
    if answer.status.is_success() {
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let id = |name: &str| said[name].as_str().and_then(|id| id.parse().ok());
        let claim = id("purchase_id").or_else(|| id("reservation_id"));
        if claim.is_none() && !is_look {
            // Accepted, and not yet run.
            return Try::Doubt("accepted".to_owned());
        }
        let status = if is_look { String::new() } else { text("status") };
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let claim = claim.filter(|_| !is_look);
        return Try::Final(Outcome::Ok(Receipt { claim, status, body }));
    }
    refused(answer.status, &said)
}

fn refused(status: StatusCode, said: &Value) -> Try {
    let code = said["code"].as_str().unwrap_or_default();
    match (status, code) {
        (StatusCode::GATEWAY_TIMEOUT | StatusCode::INTERNAL_SERVER_ERROR, _)
        | (_, "" | "outcome_unknown") => Try::Doubt(format!("{status} {code}")),
        // The last is the load balancer's: it never had the whole request.
        (
            StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::TOO_MANY_REQUESTS
            | StatusCode::REQUEST_TIMEOUT,
            _,
        )
        | (_, "conflict") => Try::Nothing(code.to_owned()),
        _ => Try::Final(Outcome::Refused(code.to_owned())),
    }
}
