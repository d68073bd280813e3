//! Webhooks: making, showing and deleting them, and what could not be delivered.

use sqlx::FromRow;
use uuid::Uuid;

use super::{Store, StoreError, state::kind};
use crate::domain::{
    DeadLetterView, Fingerprint, IdempotencyKey, Kind, Moment, Replay, SaleId, Secret,
    WEBHOOKS_MAX, Webhook, WebhookId,
};

/// What a key stands for now, in a request about webhooks.
#[derive(Clone, Debug)]
pub struct WebhookMade {
    /// Whether this call did it; if not, an earlier one under the same key did.
    pub now: bool,
    /// What that call asked for.
    pub fingerprint: Fingerprint,
    /// What it was answered.
    pub body: String,
}

/// Why nothing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such sale, or the webhook is about another.
    NoSale,
    /// There is no such webhook.
    NoWebhook,
    /// There are as many webhooks as there may be.
    TooMany,
}

type Outcome = (String, Option<Vec<u8>>, Option<String>);

fn made((outcome, fingerprint, body): Outcome) -> Result<Result<WebhookMade, Refused>, StoreError> {
    let now = match outcome.as_str() {
        "now" => true,
        "before" => false,
        "no_sale" => return Ok(Err(Refused::NoSale)),
        "no_webhook" => return Ok(Err(Refused::NoWebhook)),
        "too_many" => return Ok(Err(Refused::TooMany)),
        other => return Err(StoreError::Corrupt(format!("an outcome {other:?}"))),
    };
    let fingerprint = fingerprint.as_deref().and_then(Fingerprint::from_stored);
    match (fingerprint, body) {
        (Some(fingerprint), Some(body)) => Ok(Ok(WebhookMade { now, fingerprint, body })),
        _ => Err(StoreError::Corrupt("a reply without its fingerprint".to_owned())),
    }
}

impl Store {
    /// Makes a webhook once per key, and stores what is answered. Unless it begins at the start, it
    /// begins with what happens to a sale after this.
    ///
    /// # Errors
    ///
    /// As the database says; after [`StoreError::Unknown`], ask again with the same key.
    pub async fn create_webhook(
        &self,
        webhook: &Webhook,
        secret: &Secret,
        from_start: bool,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
        body: &str,
    ) -> Result<Result<WebhookMade, Refused>, StoreError> {
        let kinds = webhook.kinds.as_ref();
        let kinds = kinds.map(|kinds| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>());
        let ask = sqlx::query(
            "select outcome, fingerprint, body from create_webhook($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(webhook.id.as_uuid())
        .bind(&webhook.url)
        .bind(secret.reveal())
        .bind(webhook.sale.map(SaleId::as_uuid))
        .bind(kinds)
        .bind(from_start)
        .bind(WEBHOOKS_MAX)
        .bind(webhook.created_at.as_millis())
        .bind(key.as_str())
        .bind(&fingerprint.as_bytes()[..])
        .bind(body);
        made(self.ask(ask).await?.one::<Outcome>()?)
    }

    /// Has events delivered again, once per key. Dead letters among them are put away.
    ///
    /// # Errors
    ///
    /// As the database says; after [`StoreError::Unknown`], ask again with the same key.
    pub async fn replay_webhook(
        &self,
        webhook: WebhookId,
        replay: Replay,
        at: Moment,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
    ) -> Result<Result<WebhookMade, Refused>, StoreError> {
        let ask = sqlx::query(
            "select outcome, fingerprint, body from replay_webhook($1, $2, $3, $4, $5, $6)",
        )
        .bind(webhook.as_uuid())
        .bind(replay.sale.as_uuid())
        .bind(replay.from)
        .bind(at.as_millis())
        .bind(key.as_str())
        .bind(&fingerprint.as_bytes()[..]);
        made(self.ask(ask).await?.one::<Outcome>()?)
    }

    /// One webhook; `None` when there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
        let ask = sqlx::query(
            "select id, url, sale_id, kinds, active, created_at from webhooks where id = $1",
        )
        .bind(id.as_uuid());
        self.ask(ask).await?.optional::<WebhookRow>()?.map(WebhookRow::read).transpose()
    }

    /// Webhooks, newest first, from the one after `after` on.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn webhooks(
        &self,
        after: Option<WebhookId>,
        limit: i64,
    ) -> Result<Vec<Webhook>, StoreError> {
        let ask = sqlx::query(
            "select id, url, sale_id, kinds, active, created_at from webhooks \
             where $1::uuid is null or id < $1 order by id desc limit $2",
        )
        .bind(after.map(WebhookId::as_uuid))
        .bind(limit);
        self.ask(ask).await?.all::<WebhookRow>()?.into_iter().map(WebhookRow::read).collect()
    }

    /// Deletes a webhook with everything known about its deliveries; `false` when there is none of
    /// that id. A delivery under way may still arrive.
    ///
    /// # Errors
    ///
    /// As the database says; after [`StoreError::Unknown`], ask again.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<bool, StoreError> {
        let ask = sqlx::query("delete from webhooks where id = $1").bind(id.as_uuid());
        Ok(self.ask(ask).await?.written > 0)
    }

    /// A webhook's dead letters, oldest first, from the one after `after` on.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn dead_letters(
        &self,
        webhook: WebhookId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<DeadLetterView>, StoreError> {
        let ask = sqlx::query(
            "select id, sale_id, first_seq, last_seq, attempts, last_error, died_at from webhook_deliveries \
             where webhook_id = $1 and died_at is not null and id > $2 order by id limit $3",
        )
        .bind(webhook.as_uuid())
        .bind(after)
        .bind(limit);
        let letters = self.ask(ask).await?.all::<DeadLetterRow>()?;
        Ok(letters.into_iter().map(DeadLetterRow::read).collect())
    }
}

#[derive(FromRow)]
struct WebhookRow {
    id: Uuid,
    url: String,
    sale_id: Option<Uuid>,
    kinds: Option<Vec<String>>,
    active: bool,
    created_at: i64,
}

impl WebhookRow {
    fn read(self) -> Result<Webhook, StoreError> {
        Ok(Webhook {
            id: WebhookId::from_uuid(self.id),
            url: self.url,
            sale: self.sale_id.map(SaleId::from_uuid),
            kinds: kinds(self.kinds)?,
            active: self.active,
            created_at: Moment::from_millis(self.created_at),
        })
    }
}

pub(super) fn kinds(names: Option<Vec<String>>) -> Result<Option<Vec<Kind>>, StoreError> {
    names.map(|names| names.iter().map(|name| kind(name)).collect()).transpose()
}

#[derive(FromRow)]
struct DeadLetterRow {
    id: i64,
    sale_id: Uuid,
    first_seq: i64,
    last_seq: i64,
    attempts: i32,
    last_error: Option<String>,
    died_at: i64,
}

impl DeadLetterRow {
    fn read(self) -> DeadLetterView {
        DeadLetterView {
            number: self.id,
            sale_id: SaleId::from_uuid(self.sale_id),
            first_seq: self.first_seq,
            last_seq: self.last_seq,
            attempts: self.attempts,
            last_error: self.last_error.unwrap_or_default(),
            died_at: Moment::from_millis(self.died_at),
        }
    }
}
