//! A sale: the terms on which it sells.

use serde::{Deserialize, Serialize};

use super::{Currency, Invalid, Moment, Money, SaleId, Strategy};

/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// Largest capacity, and largest allowance.
pub const CAPACITY_MAX: u32 = 100_000_000;

/// Longest time for which units are reserved, in seconds: a week.
pub const RESERVATION_SECONDS_MAX: u32 = 7 * 24 * 3600;

/// For how long units are reserved, unless a sale says otherwise.
pub const RESERVATION_SECONDS: u32 = 15 * 60;

/// What a sale does while no quorum of lease nodes answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WithoutLeases {
    /// Refuses for the time being.
    #[default]
    Refuse,
    /// Sells on, one replica's batch against the other's: slower, and as right.
    Continue,
}

impl WithoutLeases {
    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Continue => "continue",
        }
    }

    /// The policy of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Refuse, Self::Continue].into_iter().find(|policy| policy.name() == name)
    }
}

/// Everything about a sale that a seller decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// What people call it.
    pub name: String,
    /// Price of one unit. Never changes.
    pub unit_price: Money,
    /// How many units there are.
    pub capacity: u32,
    /// How many more may be sold than there are: overbooking, with a bound.
    pub allowance: u32,
    /// How many units one buyer may have, if there is a limit.
    pub per_buyer_max: Option<u32>,
    /// When selling begins, if not at once.
    pub opens_at: Option<Moment>,
    /// When selling ends, if ever.
    pub closes_at: Option<Moment>,
    /// For how long units are reserved.
    pub reservation_seconds: u32,
    /// What happens while no quorum of lease nodes answers.
    pub without_leases: WithoutLeases,
    /// How units are granted. Never changes.
    pub strategy: Strategy,
}

/// A sale as a request asks for it: numbers as they came. Field by field as in [`Terms`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "field by field as in Terms")]
pub struct SaleDraft {
    pub name: String,
    pub capacity: i64,
    pub unit_price_minor: i64,
    pub currency: String,
    #[serde(default)]
    pub allowance: i64,
    pub per_buyer_max: Option<i64>,
    pub opens_at: Option<String>,
    pub closes_at: Option<String>,
    pub reservation_seconds: Option<i64>,
    #[serde(default)]
    pub without_leases: WithoutLeases,
    #[serde(default)]
    pub strategy: Strategy,
}

impl SaleDraft {
    /// Checks what a request asks for.
    ///
    /// # Errors
    ///
    /// When a field is outside its limits; the first such field is named.
    pub fn check(self) -> Result<Terms, Invalid> {
        let terms = Terms {
            name: name(&self.name)?,
            capacity: count("capacity", self.capacity, 1, CAPACITY_MAX)?,
            unit_price: Money::price(self.unit_price_minor, Currency::new(&self.currency)?)?,
            allowance: count("allowance", self.allowance, 0, CAPACITY_MAX)?,
            per_buyer_max: per_buyer_max(self.per_buyer_max)?,
            opens_at: moment("opens_at", self.opens_at.as_deref())?,
            closes_at: moment("closes_at", self.closes_at.as_deref())?,
            reservation_seconds: match self.reservation_seconds {
                None => RESERVATION_SECONDS,
                Some(seconds) => reservation_seconds(seconds)?,
            },
            without_leases: self.without_leases,
            strategy: self.strategy,
        };
        terms.check()
    }
}

/// What is to change about a sale. A field that is not given stays; one that is given as null is
/// taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "field by field as in Terms")]
pub struct SaleChange {
    pub name: Option<String>,
    pub capacity: Option<i64>,
    pub allowance: Option<i64>,
    #[serde(default, deserialize_with = "given")]
    pub per_buyer_max: Option<Option<i64>>,
    #[serde(default, deserialize_with = "given")]
    pub opens_at: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    pub closes_at: Option<Option<String>>,
    pub reservation_seconds: Option<i64>,
    pub without_leases: Option<WithoutLeases>,
    /// Nothing changes unless the sale is at this version.
    pub expected_version: Option<i64>,
}

/// Largest version that can be expected: the largest integer that a double tells apart.
pub const VERSION_MAX: i64 = 9_007_199_254_740_991;

/// Tells "null" from "not given", which is serde's default.
fn given<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

impl SaleChange {
    /// The terms after the change.
    ///
    /// # Errors
    ///
    /// When a field is outside its limits, or opening and closing are in the wrong order.
    pub fn apply(&self, before: &Terms) -> Result<Terms, Invalid> {
        if self.expected_version.is_some_and(|version| !(1..=VERSION_MAX).contains(&version)) {
            let reason = format!("must be 1 to {VERSION_MAX}");
            return Err(Invalid::new("expected_version", reason));
        }
        let mut terms = before.clone();
        if let Some(text) = &self.name {
            terms.name = name(text)?;
        }
        if let Some(capacity) = self.capacity {
            terms.capacity = count("capacity", capacity, 1, CAPACITY_MAX)?;
        }
        if let Some(allowance) = self.allowance {
            terms.allowance = count("allowance", allowance, 0, CAPACITY_MAX)?;
        }
        if let Some(max) = self.per_buyer_max {
            terms.per_buyer_max = per_buyer_max(max)?;
        }
        if let Some(at) = &self.opens_at {
            terms.opens_at = moment("opens_at", at.as_deref())?;
        }
        if let Some(at) = &self.closes_at {
            terms.closes_at = moment("closes_at", at.as_deref())?;
        }
        if let Some(seconds) = self.reservation_seconds {
            terms.reservation_seconds = reservation_seconds(seconds)?;
        }
        if let Some(policy) = self.without_leases {
            terms.without_leases = policy;
        }
        terms.check()
    }
}

impl Terms {
    /// How many units may be sold and reserved in all.
    #[must_use]
    pub const fn limit(&self) -> u32 {
        self.capacity.saturating_add(self.allowance)
    }

    /// Whether selling has not begun yet.
    #[must_use]
    pub fn is_announced(&self, now: Moment) -> bool {
        self.opens_at.is_some_and(|opens| now < opens)
    }

    /// Whether selling has ended.
    #[must_use]
    pub fn is_closed(&self, now: Moment) -> bool {
        self.closes_at.is_some_and(|closes| closes <= now)
    }

    fn check(self) -> Result<Self, Invalid> {
        match (self.opens_at, self.closes_at) {
            (Some(opens), Some(closes)) if closes <= opens => {
                Err(Invalid::new("closes_at", "must be later than opens_at"))
            }
            _ => Ok(self),
        }
    }
}

fn name(text: &str) -> Result<String, Invalid> {
    let text = text.trim();
    let chars = text.chars().count();
    if chars == 0 || chars > NAME_CHARS_MAX || text.chars().any(char::is_control) {
        let reason = format!("must be 1 to {NAME_CHARS_MAX} characters without control characters");
        return Err(Invalid::new("name", reason));
    }
    Ok(text.to_owned())
}

fn count(field: &'static str, value: i64, least: u32, most: u32) -> Result<u32, Invalid> {
    u32::try_from(value)
        .ok()
        .filter(|value| (least..=most).contains(value))
        .ok_or_else(|| Invalid::new(field, format!("must be {least} to {most}")))
}

fn per_buyer_max(value: Option<i64>) -> Result<Option<u32>, Invalid> {
    value.map(|value| count("per_buyer_max", value, 1, CAPACITY_MAX)).transpose()
}

fn reservation_seconds(value: i64) -> Result<u32, Invalid> {
    count("reservation_seconds", value, 1, RESERVATION_SECONDS_MAX)
}

fn moment(field: &'static str, text: Option<&str>) -> Result<Option<Moment>, Invalid> {
    text.map(|text| Moment::parse(field, text)).transpose()
}

/// A sale: its id, and the terms on which it sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Its id.
    pub id: SaleId,
    /// Its terms now.
    pub terms: Terms,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft() -> SaleDraft {
        let text = r#"{"name":" concert ","capacity":10,"unit_price_minor":2500,"currency":"EUR"}"#;
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn fields_outside_their_limits_are_named() {
        let field = |change: fn(&mut SaleDraft)| {
            let mut draft = draft();
            change(&mut draft);
            draft.check().unwrap_err().field
        };
        assert_eq!(field(|d| d.name = " ".to_owned()), "name");
        assert_eq!(field(|d| d.name = "x".repeat(NAME_CHARS_MAX + 1)), "name");
        assert_eq!(field(|d| d.capacity = 0), "capacity");
        assert_eq!(field(|d| d.capacity = i64::MAX), "capacity");
        assert_eq!(field(|d| d.allowance = -1), "allowance");
        assert_eq!(field(|d| d.unit_price_minor = -1), "unit_price_minor");
        assert_eq!(field(|d| d.currency = "eur".to_owned()), "currency");
        assert_eq!(field(|d| d.per_buyer_max = Some(0)), "per_buyer_max");
        assert_eq!(field(|d| d.opens_at = Some("soon".to_owned())), "opens_at");
        assert_eq!(field(|d| d.reservation_seconds = Some(0)), "reservation_seconds");
        assert_eq!(
            field(|d| {
                d.opens_at = Some("2030-01-02T00:00:00Z".to_owned());
                d.closes_at = Some("2030-01-02T00:00:00Z".to_owned());
            }),
            "closes_at"
        );
        assert_eq!(draft().check().unwrap().name, "concert");
    }

    #[test]
    fn what_a_change_does_not_name_stays_and_null_takes_away() {
        let mut before = draft().check().unwrap();
        before.per_buyer_max = Some(4);
        let change = |text: &str| serde_json::from_str::<SaleChange>(text).unwrap();
        assert_eq!(change("{}").apply(&before).unwrap(), before);
        let after = change(r#"{"per_buyer_max":null,"capacity":12}"#).apply(&before).unwrap();
        assert_eq!(after, Terms { per_buyer_max: None, capacity: 12, ..before.clone() });
        assert_eq!(change(r#"{"capacity":0}"#).apply(&before).unwrap_err().field, "capacity");
        assert!(serde_json::from_str::<SaleChange>(r#"{"sold":0}"#).is_err());
    }
}
