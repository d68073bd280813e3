//! Making sales.

use super::{Store, StoreError, terms::TermsRow};
use crate::domain::{Fingerprint, IdempotencyKey, Moment, Sale};

/// What a key that makes a sale stands for now.
#[derive(Clone, Debug)]
pub struct Made {
    /// Whether this call made the sale; if not, an earlier one under the same key did.
    pub now: bool,
    /// What that call asked for.
    pub fingerprint: Fingerprint,
    /// What it was answered.
    pub body: String,
}

impl Store {
    /// The database's time.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn now(&self) -> Result<Moment, StoreError> {
        let (now,) = self.ask(sqlx::query("select leasehold_now()")).await?.one()?;
        Ok(Moment::from_millis(now))
    }

    /// Makes a sale once per key, and stores what is answered.
    ///
    /// # Errors
    ///
    /// As the database says; after [`StoreError::Unknown`], ask again with the same key.
    pub async fn create_sale(
        &self,
        sale: &Sale,
        at: Moment,
        replica: &str,
        key: &IdempotencyKey,
        fingerprint: Fingerprint,
        body: &str,
    ) -> Result<Made, StoreError> {
        let terms = TermsRow::of(&sale.terms).to_json()?;
        let ask = sqlx::query(
            "select made, fingerprint, body from create_sale($1, $2::jsonb, $3, $4, $5, $6, $7)",
        )
        .bind(sale.id.as_uuid())
        .bind(terms)
        .bind(at.as_millis())
        .bind(replica)
        .bind(key.as_str())
        .bind(&fingerprint.as_bytes()[..])
        .bind(body);
        let (now, stored, body) = self.ask(ask).await?.one::<(bool, Vec<u8>, String)>()?;
        let fingerprint = Fingerprint::from_stored(&stored)
            .ok_or_else(|| StoreError::Corrupt("a fingerprint of another length".to_owned()))?;
        Ok(Made { now, fingerprint, body })
    }
}
