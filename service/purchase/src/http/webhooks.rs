//! `/v1/webhooks`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::Response,
    routing::{get, post},
};
use leasehold_kit::problem::Problem;
use serde::Serialize;
use uuid::Uuid;

use super::{
    App,
    body::{self, AsAdmin, Body, Id, Key},
    code, error,
    page::{Page, PageQuery},
};
use crate::{
    domain::{
        DeadLetterView, Fingerprint, ReplayDraft, Secret, WEBHOOKS_MAX, Webhook, WebhookDraft,
        WebhookId, WebhookView,
    },
    store::{Refused, StoreError, WebhookMade},
};

pub(super) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/webhooks", get(list).post(create))
        .route("/v1/webhooks/{id}", get(read).delete(delete))
        .route("/v1/webhooks/{id}/dead-letters", get(dead_letters))
        .route("/v1/webhooks/{id}/replay", post(replay))
}

/// A webhook that was just made: the only time that its secret is shown.
#[derive(Serialize)]
struct Created<'a> {
    #[serde(flatten)]
    webhook: WebhookView,
    secret: &'a str,
}

/// `POST /v1/webhooks`: makes a webhook.
async fn create(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Key(key): Key,
    Body(draft): Body<WebhookDraft>,
) -> Result<Response, Problem> {
    let wanted = draft.check().map_err(|invalid| error::invalid(&invalid))?;
    let _uri = app.webhooks.check(&wanted.url).map_err(|invalid| error::invalid(&invalid))?;
    let fingerprint = Fingerprint::of(&["webhook", &format!("{wanted:?}")]);
    let now = app.store.now().await.map_err(|error| error::reading(&error))?;
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|why| error::unavailable(&format!("no random bytes: {why}")))?;
    let secret = Secret::from_bytes(&bytes);
    let webhook = Webhook {
        id: WebhookId::from_uuid(Uuid::now_v7()),
        url: wanted.url,
        sale: wanted.sale,
        kinds: wanted.kinds,
        active: true,
        created_at: now,
    };
    let shown = Created { webhook: WebhookView::of(&webhook), secret: secret.reveal() };
    // Plain fields always serialise.
    let text = serde_json::to_string(&shown).unwrap_or_default();
    let made =
        app.store.create_webhook(&webhook, &secret, wanted.from_start, &key, fingerprint, &text);
    answer(StatusCode::CREATED, fingerprint, made.await)
}

/// `POST /v1/webhooks/{id}/replay`: has events delivered again.
async fn replay(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(id): Id<WebhookId>,
    Key(key): Key,
    Body(draft): Body<ReplayDraft>,
) -> Result<Response, Problem> {
    let replay = draft.check().map_err(|invalid| error::invalid(&invalid))?;
    let fingerprint = Fingerprint::of(&["replay", &id.to_string(), &format!("{replay:?}")]);
    let now = app.store.now().await.map_err(|error| error::reading(&error))?;
    let made = app.store.replay_webhook(id, replay, now, &key, fingerprint).await;
    answer(StatusCode::ACCEPTED, fingerprint, made)
}

fn answer(
    status: StatusCode,
    asked: Fingerprint,
    made: Result<Result<WebhookMade, Refused>, StoreError>,
) -> Result<Response, Problem> {
    match made {
        Ok(Ok(made)) if made.fingerprint == asked => {
            Ok(body::stored_as(status, &made.body, !made.now))
        }
        // Of the second: another request with this key came in between, and not the same one.
        Ok(Ok(_)) | Err(StoreError::KeyTaken) => Err(error::key_reused()),
        Ok(Err(Refused::NoSale)) => Err(error::no_such("sale")),
        Ok(Err(Refused::NoWebhook)) => Err(error::no_such("webhook")),
        Ok(Err(Refused::TooMany)) => {
            let detail = format!("there are {WEBHOOKS_MAX} already; delete one first");
            Err(code::TOO_MANY_WEBHOOKS.says(detail))
        }
        Err(error) => Err(error::writing(&error)),
    }
}

#[derive(Serialize)]
struct Webhooks {
    webhooks: Vec<WebhookView>,
    /// What to give as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// `GET /v1/webhooks`: webhooks, newest first.
async fn list(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    page: PageQuery,
) -> Result<Json<Webhooks>, Problem> {
    let after = page.id()?.map(|id| WebhookId::from_uuid(id.as_uuid()));
    let limit = page.limit()?;
    let read = app.reads.webhooks(after, limit.and_one()).await;
    let Page { items, next } = limit.page(read.map_err(|error| error::reading(&error))?);
    Ok(Json(Webhooks {
        webhooks: items.iter().map(WebhookView::of).collect(),
        next: next.map(|last| last.id.to_string()),
    }))
}

/// `GET /v1/webhooks/{id}`: a webhook, without its secret.
async fn read(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(id): Id<WebhookId>,
) -> Result<Json<WebhookView>, Problem> {
    Ok(Json(WebhookView::of(&known(&app, id).await?)))
}

async fn known(app: &App, id: WebhookId) -> Result<Webhook, Problem> {
    let read = app.reads.webhook(id).await.map_err(|error| error::reading(&error))?;
    read.ok_or_else(|| error::no_such("webhook"))
}

/// `DELETE /v1/webhooks/{id}`: ends a webhook.
async fn delete(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(id): Id<WebhookId>,
) -> Result<StatusCode, Problem> {
    let deleted = app.store.delete_webhook(id).await;
    if deleted.map_err(|error| error::writing(&error))? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(error::no_such("webhook"))
    }
}

#[derive(Serialize)]
struct DeadLetters {
    dead_letters: Vec<DeadLetterView>,
    /// What to give as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// `GET /v1/webhooks/{id}/dead-letters`: what could not be delivered, oldest first.
async fn dead_letters(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(id): Id<WebhookId>,
    page: PageQuery,
) -> Result<Json<DeadLetters>, Problem> {
    let (after, limit) = (page.number()?, page.limit()?);
    let _webhook = known(&app, id).await?;
    let read = app.reads.dead_letters(id, after, limit.and_one()).await;
    let Page { items, next } = limit.page(read.map_err(|error| error::reading(&error))?);
    let next = next.map(|last| last.number.to_string());
    Ok(Json(DeadLetters { dead_letters: items, next }))
}
