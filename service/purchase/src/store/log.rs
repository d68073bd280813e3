//! Reading a sale's log, and what its requests were answered.

use serde::Deserialize;
use sqlx::FromRow;
use uuid::Uuid;

use super::{
    Store, StoreError,
    state::{buyer, kind, units},
    terms::TermsRow,
};
use crate::domain::{ClaimEvent, ClaimId, Event, IdempotencyKey, Kind, Moment, Reply, SaleId};

/// One row of a sale's log.
#[derive(Clone, Debug)]
pub struct EventRead {
    /// Its number.
    pub seq: i64,
    /// When.
    pub at: Moment,
    /// What.
    pub event: Event,
}

impl Store {
    /// A sale's log, from the event after `after` on.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn events(
        &self,
        sale: SaleId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<EventRead>, StoreError> {
        let ask = sqlx::query(
            "select seq, at, kind, claim_id, buyer, quantity, total_minor, expires_at, payment_reference, \
             terms::text as terms from events where sale_id = $1 and seq > $2 order by seq limit $3",
        )
        .bind(sale.as_uuid())
        .bind(after)
        .bind(limit);
        self.ask(ask).await?.all::<EventRow>()?.into_iter().map(EventRow::read).collect()
    }

    /// What a key of a sale was answered; `None` when nothing is stored for it.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn reply(
        &self,
        sale: SaleId,
        key: &IdempotencyKey,
    ) -> Result<Option<Reply>, StoreError> {
        // Under the nil scope are answers to administrators, webhooks' secrets among them.
        if sale.as_uuid().is_nil() {
            return Ok(None);
        }
        let ask = sqlx::query("select kind, body from replies where scope = $1 and key = $2")
            .bind(sale.as_uuid())
            .bind(key.as_str());
        let Some((name, body)) = self.ask(ask).await?.optional::<(String, String)>()? else {
            return Ok(None);
        };
        Ok(Some(Reply { kind: kind(&name)?, body: body.into() }))
    }
}

#[derive(Deserialize, FromRow)]
pub(super) struct EventRow {
    seq: i64,
    at: i64,
    kind: String,
    claim_id: Option<Uuid>,
    buyer: Option<String>,
    quantity: Option<i32>,
    total_minor: Option<i64>,
    expires_at: Option<i64>,
    payment_reference: Option<String>,
    terms: Option<String>,
}

impl EventRow {
    pub(super) fn read(self) -> Result<EventRead, StoreError> {
        let kind = kind(&self.kind)?;
        let terms = self.terms.as_deref().map(TermsRow::from_json).transpose()?;
        let terms = terms.map(TermsRow::read).transpose()?.map(Box::new);
        let missing = || StoreError::Corrupt(format!("event {} without its fields", self.seq));
        let event = match (kind, terms) {
            (Kind::SaleCreated, Some(terms)) => Event::Created(terms),
            (Kind::SaleChanged, Some(terms)) => Event::Changed(terms),
            (kind, None) => Event::Claim(ClaimEvent {
                kind,
                claim: self.claim_id.map(ClaimId::from_uuid).ok_or_else(missing)?,
                buyer: buyer(&self.buyer.ok_or_else(missing)?)?,
                quantity: units(self.quantity.ok_or_else(missing)?)?,
                total_minor: self.total_minor.ok_or_else(missing)?,
                expires_at: self.expires_at.map(Moment::from_millis),
                payment_reference: self.payment_reference,
            }),
            (_, Some(_)) => return Err(missing()),
        };
        Ok(EventRead { seq: self.seq, at: Moment::from_millis(self.at), event })
    }
}
