//! Webhooks: what may be asked for, and what is shown.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Invalid, Kind, Moment, SaleId, WebhookId};

/// Longest address of a webhook, in bytes.
pub const URL_BYTES_MAX: usize = 2000;

/// Most webhooks that there may be.
pub const WEBHOOKS_MAX: i32 = 100;

/// Largest number of an event that a replay may name: beyond any log.
pub const REPLAY_FROM_MAX: i64 = 1 << 53;

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "field by field as in WebhookWanted")]
pub struct WebhookDraft {
    pub url: String,
    pub sale_id: Option<String>,
    pub kinds: Option<Vec<String>>,
    #[serde(default)]
    pub from_start: bool,
}

/// A webhook that may be made, as far as this can be told without looking at its address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookWanted {
    /// Where events go.
    pub url: String,
    /// Of which sale; `None` for all.
    pub sale: Option<SaleId>,
    /// Which events; `None` for all. Each kind once, in the order of [`Kind::ALL`].
    pub kinds: Option<Vec<Kind>>,
    /// Whether it is told what happened before it was made. Default: no.
    pub from_start: bool,
}

impl WebhookDraft {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// When one is outside its limits.
    pub fn check(self) -> Result<WebhookWanted, Invalid> {
        if self.url.len() > URL_BYTES_MAX {
            return Err(Invalid::new("url", format!("must have at most {URL_BYTES_MAX} bytes")));
        }
        let sale = self.sale_id.map(|id| id.parse()).transpose()?;
        let kinds = self.kinds.map(|names| kinds(&names)).transpose()?;
        Ok(WebhookWanted { url: self.url, sale, kinds, from_start: self.from_start })
    }
}

fn kinds(names: &[String]) -> Result<Vec<Kind>, Invalid> {
    if names.is_empty() {
        return Err(Invalid::new("kinds", "must name one kind at least; leave it out for all"));
    }
    if names.iter().any(|name| Kind::from_name(name).is_none()) {
        let known: Vec<&str> = Kind::ALL.into_iter().map(Kind::name).collect();
        return Err(Invalid::new("kinds", format!("may hold: {}", known.join(", "))));
    }
    let given = |kind: &Kind| names.iter().any(|name| name == kind.name());
    Ok(Kind::ALL.into_iter().filter(given).collect())
}

/// What is to be delivered again, as a request asks for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "field by field as in Replay")]
pub struct ReplayDraft {
    pub sale_id: String,
    pub from_seq: Option<i64>,
}

/// What is to be delivered again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Of which sale.
    pub sale: SaleId,
    /// From which event on. Default: the first of the oldest dead letter, or the sale's first.
    pub from: Option<i64>,
}

impl ReplayDraft {
    /// Checks every field.
    ///
    /// # Errors
    ///
    /// When one is outside its limits.
    pub fn check(&self) -> Result<Replay, Invalid> {
        let sale = self.sale_id.parse()?;
        if self.from_seq.is_some_and(|from| !(1..=REPLAY_FROM_MAX).contains(&from)) {
            return Err(Invalid::new("from_seq", format!("must be 1 to {REPLAY_FROM_MAX}")));
        }
        Ok(Replay { sale, from: self.from_seq })
    }
}

/// What deliveries are signed with. Shown once, when its webhook is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

const SECRET_PREFIX: &str = "whsec_";

impl Secret {
    /// The secret with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(format!("{SECRET_PREFIX}{}", STANDARD.encode(bytes)))
    }

    /// A secret as text; `None` when it is none.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let secret = Self(text.to_owned());
        secret.bytes().map(|_| secret)
    }

    /// `whsec_` and the bytes in base64, as receivers get it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The bytes, which are the key of the signature.
    #[must_use]
    pub fn bytes(&self) -> Option<Vec<u8>> {
        STANDARD.decode(self.0.strip_prefix(SECRET_PREFIX)?).ok()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A webhook, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Its name.
    pub id: WebhookId,
    /// Where events go.
    pub url: String,
    /// Of which sale; `None` for all.
    pub sale: Option<SaleId>,
    /// Which events; `None` for all.
    pub kinds: Option<Vec<Kind>>,
    /// Whether it is told anything.
    pub active: bool,
    /// When it was made.
    pub created_at: Moment,
}

/// A webhook, as a client sees it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named as in Webhook, which explains them")]
pub struct WebhookView {
    pub webhook_id: WebhookId,
    pub url: String,
    pub sale_id: Option<SaleId>,
    pub kinds: Option<Vec<&'static str>>,
    pub active: bool,
    pub created_at: Moment,
}

impl WebhookView {
    /// The webhook as it stands.
    #[must_use]
    pub fn of(webhook: &Webhook) -> Self {
        let names = |kinds: &Vec<Kind>| kinds.iter().map(|kind| kind.name()).collect();
        Self {
            webhook_id: webhook.id,
            url: webhook.url.clone(),
            sale_id: webhook.sale,
            kinds: webhook.kinds.as_ref().map(names),
            active: webhook.active,
            created_at: webhook.created_at,
        }
    }
}

/// A delivery that was given up.
#[derive(Clone, Debug, Serialize)]
pub struct DeadLetterView {
    /// Its place among the webhook's dead letters; grows.
    pub number: i64,
    /// Of which sale.
    pub sale_id: SaleId,
    /// The first event that it held.
    pub first_seq: i64,
    /// The last one.
    pub last_seq: i64,
    /// How often it was sent.
    pub attempts: i32,
    /// What came of the last attempt.
    pub last_error: String,
    /// When it was given up.
    pub died_at: Moment,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draft(kinds: &[&str]) -> WebhookDraft {
        let kinds = kinds.iter().map(|&kind| kind.to_owned()).collect();
        WebhookDraft {
            url: "https://x".to_owned(),
            sale_id: None,
            kinds: Some(kinds),
            from_start: false,
        }
    }

    #[test]
    fn kinds_are_known_and_stand_once() {
        let wanted = draft(&["refund_due", "purchased", "purchased"]).check().unwrap();
        assert_eq!(wanted.kinds, Some(vec![Kind::Purchased, Kind::RefundDue]));
        assert_eq!(draft(&[]).check().unwrap_err().field, "kinds");
        assert_eq!(draft(&["sold"]).check().unwrap_err().field, "kinds");
        let long = WebhookDraft { url: "x".repeat(URL_BYTES_MAX + 1), ..draft(&["refunded"]) };
        assert_eq!(long.check().unwrap_err().field, "url");
    }

    #[test]
    fn a_secret_reads_back_and_stays_out_of_debug_output() {
        let secret = Secret::from_bytes(&[7; 32]);
        assert_eq!(Secret::from_text(secret.reveal()), Some(secret.clone()));
        assert_eq!(secret.bytes().unwrap(), [7; 32]);
        assert_eq!(format!("{secret:?}"), "Secret(…)");
        assert_eq!(Secret::from_text("whsec_!"), None);
        assert_eq!(Secret::from_text("BwcH"), None);
    }
}
