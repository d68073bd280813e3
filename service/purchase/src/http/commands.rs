//! Commands in a queue: accepted now, run later.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use leasehold_kit::problem::Problem;
use serde::Serialize;
use serde_json::Value;

use super::{
    App,
    body::{self, AsBuyer, InPath},
    error,
};
use crate::{
    domain::{ClaimId, Outcome, Reply, SaleId},
    store::Ran,
};

const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// Where a command stands.
#[derive(Serialize)]
pub(super) struct CommandView {
    command_id: ClaimId,
    sale_id: SaleId,
    status: &'static str,
    /// What the request would have been answered, had it waited; null until then, and when it was not run.
    answer: Option<AnswerView>,
}

#[derive(Serialize)]
struct AnswerView {
    status: u16,
    body: Value,
}

/// Names of [`CommandView::status`].
pub(super) const STATUSES: [&str; 4] = ["queued", "done", "expired", "failed"];

impl CommandView {
    fn queued(sale_id: SaleId, command_id: ClaimId) -> Self {
        Self { command_id, sale_id, status: STATUSES[0], answer: None }
    }

    fn of(sale_id: SaleId, command_id: ClaimId, ran: &Ran) -> Self {
        let (status, answer) = match ran {
            Ran::Decided(outcome) => (STATUSES[1], Some(AnswerView::of(outcome))),
            Ran::Expired => (STATUSES[2], None),
            Ran::Failed => (STATUSES[3], None),
        };
        Self { command_id, sale_id, status, answer }
    }
}

impl AnswerView {
    fn of(outcome: &Outcome) -> Self {
        let problem =
            |problem: Problem| Self { status: problem.status().as_u16(), body: problem.document() };
        match outcome {
            Outcome::Done(reply) | Outcome::Replayed(reply) => Self::of_reply(reply),
            Outcome::Refused(refusal) => problem(error::refused(refusal)),
            Outcome::KeyReused => problem(error::key_reused()),
        }
    }

    fn of_reply(reply: &Reply) -> Self {
        // It was JSON when it was stored.
        let body = serde_json::from_str(&reply.body).unwrap_or_default();
        Self { status: body::status(reply).as_u16(), body }
    }
}

/// The answer to a command that is in the queue now: where to ask for what it comes to.
pub(super) fn accepted(sale: SaleId, id: ClaimId, as_preferred: bool) -> Response {
    let place = format!("/v1/sales/{sale}/commands/{id}");
    let headers = [(header::LOCATION, place), (header::RETRY_AFTER, "1".to_owned())];
    let preference = as_preferred.then_some([(PREFERENCE_APPLIED, "respond-async")]);
    let view = Json(CommandView::queued(sale, id));
    let mut response = (StatusCode::ACCEPTED, headers, view).into_response();
    for (name, value) in preference.into_iter().flatten() {
        let value = axum::http::HeaderValue::from_static(value);
        let _none = response.headers_mut().insert(name, value);
    }
    response
}

/// `GET /v1/sales/{sale_id}/commands/{id}`: where a queued command stands.
pub(super) async fn read(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    InPath((sale, id)): InPath<(String, String)>,
) -> Result<Json<CommandView>, Problem> {
    let invalid = |invalid| error::invalid(&invalid);
    let (sale, id) = (sale.parse().map_err(invalid)?, id.parse().map_err(invalid)?);
    if let Some(view) = ran(&app, sale, id).await? {
        return Ok(Json(view));
    }
    match app.granting.is_queued(sale, id).await {
        Some(true) => return Ok(Json(CommandView::queued(sale, id))),
        Some(false) => {}
        None => return Err(error::unavailable("too few lease nodes say what is queued")),
    }
    // It may have run between the two looks.
    let view = ran(&app, sale, id).await?;
    view.map(Json).ok_or_else(|| error::no_such("command"))
}

async fn ran(app: &App, sale: SaleId, id: ClaimId) -> Result<Option<CommandView>, Problem> {
    let read = app.store.commands_of(sale, &[id.as_uuid()]).await;
    let ran = read.map_err(|error| error::reading(&error))?.pop();
    Ok(ran.map(|command| CommandView::of(sale, id, &command.ran)))
}
