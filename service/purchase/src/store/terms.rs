//! A sale's terms, as its row and its log keep them.

use serde::{Deserialize, Serialize};
use sqlx::FromRow;

use super::{
    StoreError,
    state::{price, units},
};
use crate::domain::{Moment, Strategy, Terms, WithoutLeases};

/// Terms column by column; in the log the same as JSON. Points in time are milliseconds since 1970.
#[derive(Debug, FromRow, Serialize, Deserialize)]
pub(super) struct TermsRow {
    name: String,
    unit_price_minor: i64,
    currency: String,
    capacity: i32,
    allowance: i32,
    per_buyer_max: Option<i32>,
    opens_at: Option<i64>,
    closes_at: Option<i64>,
    reservation_seconds: i32,
    without_leases: String,
    strategy: String,
}

impl TermsRow {
    pub(super) fn of(terms: &Terms) -> Self {
        Self {
            name: terms.name.clone(),
            unit_price_minor: terms.unit_price.minor(),
            currency: terms.unit_price.currency().as_str().to_owned(),
            capacity: terms.capacity.cast_signed(),
            allowance: terms.allowance.cast_signed(),
            per_buyer_max: terms.per_buyer_max.map(u32::cast_signed),
            opens_at: terms.opens_at.map(Moment::as_millis),
            closes_at: terms.closes_at.map(Moment::as_millis),
            reservation_seconds: terms.reservation_seconds.cast_signed(),
            without_leases: terms.without_leases.name().to_owned(),
            strategy: terms.strategy.name().to_owned(),
        }
    }

    pub(super) fn to_json(&self) -> Result<String, StoreError> {
        serde_json::to_string(self).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    pub(super) fn from_json(text: &str) -> Result<Self, StoreError> {
        serde_json::from_str(text)
            .map_err(|error| StoreError::Corrupt(format!("unreadable terms: {error}")))
    }

    pub(super) fn read(self) -> Result<Terms, StoreError> {
        Ok(Terms {
            unit_price: price(self.unit_price_minor, &self.currency)?,
            name: self.name,
            capacity: units(self.capacity)?,
            allowance: units(self.allowance)?,
            per_buyer_max: self.per_buyer_max.map(units).transpose()?,
            opens_at: self.opens_at.map(Moment::from_millis),
            closes_at: self.closes_at.map(Moment::from_millis),
            reservation_seconds: units(self.reservation_seconds)?,
            without_leases: WithoutLeases::from_name(&self.without_leases).ok_or_else(|| {
                StoreError::Corrupt(format!("a policy {:?}", self.without_leases))
            })?,
            strategy: Strategy::from_name(&self.strategy)
                .ok_or_else(|| StoreError::Corrupt(format!("a strategy {:?}", self.strategy)))?,
        })
    }
}
