//! Who asks, how often they may, and what.

use axum::{
    extract::{Request, State},
    http::request::Parts,
    middleware::Next,
    response::Response,
};

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
struct Asked(Result<Caller, Denied>);

/// Finds out who asks, writes the key's name into the request's span, and turns away who asks too
/// often. Everybody without a key that is known counts as one, so that guessing has a limit too.
///
/// A layer for all routes but those that load balancers ask, inside of
/// [`observe`](crate::request::observe); [`check`] reads what it found.
///
/// # Errors
///
/// A problem with the code `rate_limited`.
pub async fn ask(
    State(door): State<Door>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let asked = door.keys.who(request.headers());
    let name = asked.as_ref().map_or_else(|_| ANONYMOUS.into(), |caller| caller.name.clone());
    let _span = tracing::Span::current().record("key.name", &*name);
    door.rates.count(&name).map_err(|refused| {
        metrics::counter!("leasehold_rate_limited_total", "key" => name.to_string()).increment(1);
        too_often(refused)
    })?;
    let _before = request.extensions_mut().insert(Asked(asked));
    Ok(next.run(request).await)
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
