//! From a checked command to the answer on the wire.

use std::time::Instant;

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, request::Parts},
    response::{IntoResponse as _, Response},
};
use leasehold_kit::problem::Problem;
use uuid::Uuid;

use super::{App, body, commands, error};
use crate::{
    domain::{ClaimId, Command, IdempotencyKey, Outcome, Request, SaleId},
    grant::{GrantError, Submitted},
    live::{Tally, Told},
};

/// What a client's headers say of how its command is to be worked on.
pub(super) struct Manner {
    key: IdempotencyKey,
    /// Whether it waits for what the command comes to, also where it stands in a queue first.
    waits: bool,
}

/// Nothing of the headers is kept: as long as anything is, the connection keeps the memory that they were
/// read into, and takes as much again.
impl<S: Send + Sync> FromRequestParts<S> for Manner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        Ok(Self { key: body::key(&parts.headers)?, waits: !prefers_async(&parts.headers) })
    }
}

/// Whether there is a preference not to wait. Source: RFC 7240.
fn prefers_async(headers: &HeaderMap) -> bool {
    let lists = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok());
    let preferences = lists.flat_map(|list| list.split(','));
    let names = preferences.filter_map(|preference| preference.split([';', '=']).next());
    names.map(str::trim).any(|name| name.eq_ignore_ascii_case("respond-async"))
}

/// Has the command decided, and says what it came to once that is committed; or that it is accepted.
pub(super) async fn submit(
    app: &App,
    sale: SaleId,
    Manner { key, waits }: Manner,
    command: Command,
) -> Result<Response, Problem> {
    let request = Request::new(key, ClaimId::from_uuid(Uuid::now_v7()), command);
    let under_way = UnderWay::new(&app.tally, sale);
    let answer = app.granting.submit(sale, request, waits).await;
    under_way.end(&answer);
    metrics::counter!("leasehold_orders_total", "outcome" => label(&answer)).increment(1);
    match answer.map_err(error::granting)? {
        Submitted::Decided(outcome) => decided(&outcome),
        Submitted::Accepted(id) => Ok(commands::accepted(sale, id, !waits).into_response()),
    }
}

fn decided(outcome: &Outcome) -> Result<Response, Problem> {
    match outcome {
        Outcome::Done(reply) => Ok(body::stored(reply, false)),
        Outcome::Replayed(reply) => Ok(body::stored(reply, true)),
        Outcome::Refused(refusal) => Err(error::refused(refusal)),
        Outcome::KeyReused => Err(error::key_reused()),
    }
}

/// A request under way. One whose client hangs up ends too.
struct UnderWay<'a> {
    tally: &'a Tally,
    sale: SaleId,
    since: Instant,
    told: Told,
}

impl<'a> UnderWay<'a> {
    fn new(tally: &'a Tally, sale: SaleId) -> Self {
        tally.begin();
        Self { tally, sale, since: Instant::now(), told: Told::Failed }
    }

    fn end(mut self, answer: &Result<Submitted, GrantError>) {
        self.told = match answer {
            Ok(Submitted::Accepted(_)) => Told::Accepted,
            Ok(Submitted::Decided(Outcome::Done(_) | Outcome::Replayed(_))) => Told::Granted,
            Ok(Submitted::Decided(Outcome::Refused(_))) => Told::Refused,
            Err(GrantError::Unknown) => Told::Unknown,
            Ok(Submitted::Decided(Outcome::KeyReused)) | Err(_) => Told::Failed,
        };
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.tally.end(self.sale, self.told, self.since.elapsed());
    }
}

fn label(answer: &Result<Submitted, GrantError>) -> &'static str {
    match answer {
        Ok(Submitted::Accepted(_)) => "accepted",
        Ok(Submitted::Decided(Outcome::Done(reply))) => reply.kind.name(),
        Ok(Submitted::Decided(Outcome::Replayed(_))) => "replayed",
        Ok(Submitted::Decided(Outcome::Refused(_))) => "refused",
        Ok(Submitted::Decided(Outcome::KeyReused)) => "key_reused",
        Err(GrantError::Unknown) => "unknown",
        Err(_) => "failed",
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_preference_is_read_wherever_it_stands() {
        let prefers = |values: &[&'static str]| {
            let headers = values.iter().map(|value| HeaderValue::from_static(value));
            let mut map = HeaderMap::new();
            for value in headers {
                let _more = map.append("prefer", value);
            }
            prefers_async(&map)
        };
        for yes in [
            &["respond-async"][..],
            &["wait=10, Respond-Async; x=1"],
            &["return=minimal", "respond-async"],
        ] {
            assert!(prefers(yes), "{yes:?}");
        }
        for no in [&[][..], &["wait=10"], &["x=respond-async"], &["respond-asynchronously"]] {
            assert!(!prefers(no), "{no:?}");
        }
    }
}
