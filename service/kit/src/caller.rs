//! Who asks, how often they may, and what.

use std::sync::Arc;

use axum::http::{HeaderMap, request::Parts};

use crate::{
    auth::{ANONYMOUS, Caller, Denied, Keys, Scope},
    code,
    problem::Problem,
    rate::{Rates, TooOften},
};

/// What is known at the door. Cloning is cheap and shares it.
#[derive(Clone, Debug)]
pub struct Door {
    /// Who may do what.
    pub keys: Keys,
    /// How often each key may ask.
    pub rates: Rates,
}

/// What a request's API key came to; not every route needs one.
#[derive(Clone)]
pub(crate) struct Asked(Result<Caller, Denied>);

impl Door {
    /// Finds out who asks.
    pub(crate) fn asked(&self, headers: &HeaderMap) -> Asked {
        Asked(self.keys.who(headers))
    }
}

impl Asked {
    /// The key's name. Everybody without a key that is known counts as one, so that guessing has a limit
    /// too.
    pub(crate) fn name(&self) -> Arc<str> {
        self.0.as_ref().map_or_else(|_| ANONYMOUS.into(), |caller| Arc::clone(&caller.name))
    }
}

/// Turns away who asks too often.
pub(crate) fn count(door: &Door, name: &Arc<str>) -> Result<(), Problem> {
    door.rates.count(name).map_err(|refused| {
        metrics::counter!("leasehold_rate_limited_total", "key" => name.to_string()).increment(1);
        too_often(refused)
    })
}

/// Who asks, if their API key allows what needs this scope. For extractors that are the proof of it.
///
/// # Errors
///
/// A problem with the code `unauthorized` or `forbidden`.
pub fn check(parts: &Parts, needed: Scope) -> Result<Caller, Problem> {
    let asked = parts.extensions.get::<Asked>().map_or(Err(Denied::Missing), |who| who.0.clone());
    let allowed = asked.and_then(|caller| caller.may(needed).map(|()| caller));
    allowed.map_err(denied)
}

fn denied(denied: Denied) -> Problem {
    match denied {
        Denied::Missing => {
            let how = "send the API key as \"Authorization: Bearer <key>\"";
            code::UNAUTHORIZED.says(how)
        }
        Denied::Unknown => code::UNAUTHORIZED.says("the API key is not known"),
        Denied::Expired => {
            let detail = "the API key has expired; ask for a new one";
            code::UNAUTHORIZED.says(detail)
        }
        Denied::Scope => code::FORBIDDEN.says("the API key does not allow this"),
    }
}

fn too_often(refused: TooOften) -> Problem {
    let detail = "this API key asks too often; nothing happened";
    code::RATE_LIMITED.says(detail).retry_after(refused.after)
}
