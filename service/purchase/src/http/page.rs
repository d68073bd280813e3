//! Long lists in pages: `?limit=` and `?after=`.

use axum::{extract::FromRequestParts, http::request::Parts};
use leasehold_kit::{body::InQuery, problem::Problem};
use serde::Deserialize;

use super::error;
use crate::domain::{Buyer, Invalid, SaleId};

/// Items of a page, unless a request says otherwise.
pub(super) const LIMIT: i64 = 50;

/// Most items of a page.
pub(super) const LIMIT_MAX: i64 = 500;

/// What a list is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageQuery {
    limit: Option<String>,
    after: Option<String>,
    buyer: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PageQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InQuery(query) = InQuery::<Self>::from_request_parts(parts, state).await?;
        Ok(query)
    }
}

impl PageQuery {
    pub(super) fn limit(&self) -> Result<Limit, Problem> {
        let Some(text) = &self.limit else { return Ok(Limit(LIMIT)) };
        let limit = number(text).filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.map(Limit).ok_or_else(|| {
            error::invalid(&Invalid::new("limit", format!("must be 1 to {LIMIT_MAX}")))
        })
    }

    /// The sale after which the page begins.
    pub(super) fn id(&self) -> Result<Option<SaleId>, Problem> {
        let after = self.after.as_deref().map(str::parse).transpose();
        after.map_err(|_: Invalid| {
            error::invalid(&Invalid::new("after", "must be the `next` of a page before"))
        })
    }

    /// The number after which the page begins; 0 for the first.
    pub(super) fn number(&self) -> Result<i64, Problem> {
        let Some(text) = &self.after else { return Ok(0) };
        number(text).ok_or_else(|| {
            error::invalid(&Invalid::new("after", "must be the `next` of a page before"))
        })
    }

    /// The buyer whose claims are asked for.
    pub(super) fn buyer(&self) -> Result<Buyer, Problem> {
        let Some(name) = &self.buyer else {
            return Err(error::invalid(&Invalid::new("buyer", "must be given")));
        };
        Buyer::new(name).map_err(|invalid| error::invalid(&invalid))
    }
}

/// Reads 1 to 18 digits, as the API's description has it; Rust itself would take a sign too.
fn number(text: &str) -> Option<i64> {
    let is_number = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { text.parse().ok() } else { None }
}

/// How many items a page has at most.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit(i64);

/// A page, and the last of its items if there are more.
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) next: Option<T>,
}

impl Limit {
    /// One more than the page has, to see whether there are more.
    pub(super) const fn and_one(self) -> i64 {
        self.0 + 1
    }

    pub(super) fn page<T: Clone>(self, mut items: Vec<T>) -> Page<T> {
        let length = usize::try_from(self.0).unwrap_or(usize::MAX);
        let more = items.len() > length;
        items.truncate(length);
        let next = if more { items.last().cloned() } else { None };
        Page { items, next }
    }
}
