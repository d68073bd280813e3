//! `/v1/leases`.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
};
use leasehold::{FencingToken, RESOURCES_MAX, ReleaseOutcome, Resource, Stamp};
use leasehold_kit::{
    body::{Body, InPath, InQuery},
    problem::Problem,
};
use serde::{Deserialize, Deserializer, Serialize};

use super::{App, caller::AsHolder, code, error};
use crate::holding::{
    Binding, HoldError, LeaseId, LinkId, RequestId, TTL_MAX, TTL_MIN, Terms, View, WAIT_MAX, Want,
    What,
};

/// How long a lease lasts without a sign of life if nothing else is said.
pub(super) const TTL_MS: i64 = 10_000;

/// Most leases of a page, and how many it has if nothing else is said.
pub(super) const LIMIT_MAX: i64 = 1000;
pub(super) const LIMIT: i64 = 100;

/// What giving a lease back can come to.
pub(super) const OUTCOMES: [&str; 3] = [RELEASED, NOT_HELD, UNKNOWN];
const RELEASED: &str = "released";
const NOT_HELD: &str = "not_held";
const UNKNOWN: &str = "unknown";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Acquire {
    resource: Option<String>,
    resources: Option<Vec<String>>,
    slots: Option<i64>,
    every_slot: Option<bool>,
    ttl_ms: Option<i64>,
    wait_ms: Option<i64>,
    link: Option<String>,
    request_id: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Renew {
    ttl_ms: Option<i64>,
    /// Null is something else than nothing: the lease leaves its link.
    #[serde(default, deserialize_with = "given")]
    link: Option<Option<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Attach {
    resource: String,
    token: String,
    holder: String,
    ttl_ms: Option<i64>,
    link: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    after: Option<String>,
    limit: Option<i64>,
}

/// A lease, as a program is told of it.
#[derive(Serialize)]
pub(super) struct LeaseView {
    id: String,
    resource: String,
    /// A text, since not every language reads integers of 63 bits.
    token: String,
    holder: String,
    ttl_ms: u64,
    valid_for_ms: u64,
    expires_in_ms: Option<u64>,
    link: Option<String>,
    request_id: Option<String>,
}

#[derive(Serialize)]
pub(super) struct LeasesView {
    pub(super) leases: Vec<LeaseView>,
}

#[derive(Serialize)]
pub(super) struct PageView {
    pub(super) leases: Vec<LeaseView>,
    pub(super) next: Option<String>,
}

#[derive(Serialize)]
pub(super) struct ReleaseView {
    pub(super) outcome: &'static str,
}

impl From<&View> for LeaseView {
    fn from(view: &View) -> Self {
        Self {
            id: view.id.to_string(),
            resource: view.stamp.resource.to_string(),
            token: view.stamp.token.to_string(),
            holder: view.stamp.holder.to_string(),
            ttl_ms: millis(view.ttl),
            valid_for_ms: millis(view.valid_for),
            expires_in_ms: view.expires_in.map(millis),
            link: view.link.map(|link| link.to_string()),
            request_id: view.request.as_ref().map(ToString::to_string),
        }
    }
}

/// Rounded down: a program must not think that it has longer than it has.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Acquire {
    pub(super) fn want(self) -> Result<Want, Problem> {
        let terms = Terms { ttl: ttl(self.ttl_ms.unwrap_or(TTL_MS))?, link: link(self.link)? };
        let wait = between("wait_ms", self.wait_ms.unwrap_or(0), Duration::ZERO, WAIT_MAX)?;
        let request = self.request_id.map(|id| id.parse::<RequestId>());
        let request = request.transpose().map_err(|error| invalid(error.to_string()))?;
        let what = what(self.resource, self.resources, self.slots, self.every_slot)?;
        Ok(Want { what, terms, wait, request })
    }
}

impl Renew {
    pub(super) fn terms(self) -> Result<(Option<Duration>, Binding), Problem> {
        let link = match self.link {
            None => Binding::Same,
            Some(given) => link(given)?.map_or(Binding::None, Binding::To),
        };
        Ok((self.ttl_ms.map(ttl).transpose()?, link))
    }
}

impl Attach {
    pub(super) fn stamp(self) -> Result<(Stamp, Terms), Problem> {
        let terms = Terms { ttl: ttl(self.ttl_ms.unwrap_or(TTL_MS))?, link: link(self.link)? };
        let token = self.token.parse::<i64>().ok();
        let token = token.and_then(|token| FencingToken::try_from(token).ok());
        // Leases are handed over by the nodes alone, so every one is the first turn of its grant.
        let token = token.filter(|token| token.turn() == 0);
        let stamp = Stamp {
            resource: resource("resource", self.resource)?,
            token: token.ok_or_else(|| invalid("token is not a fencing token"))?,
            holder: self.holder.parse().map_err(|error| invalid(format!("holder: {error}")))?,
        };
        Ok((stamp, terms))
    }
}

fn what(
    one: Option<String>,
    several: Option<Vec<String>>,
    slots: Option<i64>,
    every_slot: Option<bool>,
) -> Result<What, Problem> {
    match (one, several, slots) {
        (Some(one), None, None) if every_slot.is_none() => {
            Ok(What::One(resource("resource", one)?))
        }
        (Some(one), None, Some(slots)) => {
            let name = resource("resource", one)?;
            let count = usize::try_from(slots).ok().filter(|n| (1..=RESOURCES_MAX).contains(n));
            let count =
                count.ok_or_else(|| invalid(format!("slots must be 1 to {RESOURCES_MAX}")))?;
            let every = every_slot.unwrap_or(false);
            Ok(if every { What::EverySlot(name, count) } else { What::Slot(name, count) })
        }
        (Some(_), None, None) => Err(invalid("every_slot needs slots")),
        (None, Some(several), None) if every_slot.is_none() => {
            let mut names = several
                .into_iter()
                .enumerate()
                .map(|(index, name)| resource(&format!("resources[{index}]"), name))
                .collect::<Result<Vec<_>, _>>()?;
            names.sort();
            names.dedup();
            if names.is_empty() || names.len() > RESOURCES_MAX {
                return Err(invalid(format!("resources must be 1 to {RESOURCES_MAX} names")));
            }
            Ok(What::All(names))
        }
        (None, Some(_), _) => Err(invalid("slots and every_slot go with resource, not resources")),
        (Some(_), Some(_), _) => Err(invalid("give resource or resources, not both")),
        (None, None, _) => Err(invalid("resource or resources must be given")),
    }
}

pub(super) fn resource(field: &str, name: String) -> Result<Resource, Problem> {
    Resource::new(name).map_err(|error| invalid(format!("{field}: {error}")))
}

fn ttl(ms: i64) -> Result<Duration, Problem> {
    between("ttl_ms", ms, TTL_MIN, TTL_MAX)
}

fn between(field: &str, ms: i64, min: Duration, max: Duration) -> Result<Duration, Problem> {
    let time = u64::try_from(ms).ok().map(Duration::from_millis);
    time.filter(|time| (min..=max).contains(time)).ok_or_else(|| {
        invalid(format!("{field} must be {} to {}", min.as_millis(), max.as_millis()))
    })
}

fn link(id: Option<String>) -> Result<Option<LinkId>, Problem> {
    let link = id.map(|id| id.parse::<LinkId>()).transpose();
    link.map_err(|error| invalid(format!("link: {error}")))
}

fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn lease(id: &str) -> Result<LeaseId, Problem> {
    id.parse().map_err(|error| invalid(format!("the lease's id cannot be one: {error}")))
}

fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    code::INVALID_REQUEST.says(detail)
}

/// `POST /v1/leases`: acquires one, several or a slot, waiting up to `wait_ms`.
pub(super) async fn acquire(
    State(app): State<Arc<App>>,
    who: AsHolder,
    Body(body): Body<Acquire>,
) -> Result<Response, Problem> {
    let want = body.want()?;
    who.may_hold(want.what.names())?;
    let granted = app.holdings.acquire(&who.client, &want).await;
    let granted = granted.map_err(|error| error::problem(&error))?;
    let status = if granted.is_repeated { StatusCode::OK } else { StatusCode::CREATED };
    let views: Vec<LeaseView> = granted.leases.iter().map(LeaseView::from).collect();
    match (&want.what, <[LeaseView; 1]>::try_from(views)) {
        (What::One(_) | What::Slot(..), Ok([one])) => Ok((status, Json(one)).into_response()),
        (_, Ok([one])) => Ok((status, Json(LeasesView { leases: vec![one] })).into_response()),
        (_, Err(leases)) => Ok((status, Json(LeasesView { leases })).into_response()),
    }
}

/// `GET /v1/leases`: what this client holds here, in the order of ids.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InQuery(page): InQuery<Page>,
) -> Result<Json<PageView>, Problem> {
    let after = page.after.map(|id| lease(&id)).transpose()?;
    let limit = page.limit.unwrap_or(LIMIT);
    let limit = usize::try_from(limit).ok().filter(|_| (1..=LIMIT_MAX).contains(&limit));
    let limit = limit.ok_or_else(|| invalid(format!("limit must be 1 to {LIMIT_MAX}")))?;
    let (views, next) = app.holdings.list(&who.client, after, limit).await;
    let next = next.map(|id| id.to_string());
    Ok(Json(PageView { leases: views.iter().map(LeaseView::from).collect(), next }))
}

/// `GET /v1/leases/{id}`.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(id): InPath<String>,
) -> Result<Json<LeaseView>, Problem> {
    let view = app.holdings.look(&who.client, lease(&id)?).await;
    view.map(|view| Json((&view).into())).map_err(|error| error::problem(&error))
}

/// `POST /v1/leases/{id}/renew`: the program lives; the lease lasts for `ttl_ms` from now on.
pub(super) async fn renew(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(id): InPath<String>,
    Body(body): Body<Renew>,
) -> Result<Json<LeaseView>, Problem> {
    let id = lease(&id)?;
    let (ttl, link) = body.terms()?;
    let view = app.holdings.renew(&who.client, id, ttl, link).await;
    view.map(|view| Json((&view).into())).map_err(|error| error::problem(&error))
}

/// `POST /v1/leases/{id}/attach`: takes a lease over that the sidecar before this one held.
pub(super) async fn attach(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(id): InPath<String>,
    Body(body): Body<Attach>,
) -> Result<Json<LeaseView>, Problem> {
    let id = lease(&id)?;
    let (stamp, terms) = body.stamp()?;
    who.may_hold(std::slice::from_ref(&stamp.resource))?;
    let view = app.holdings.attach(&who.client, id, &stamp, terms).await;
    view.map(|view| Json((&view).into())).map_err(|error| error::problem(&error))
}

/// `DELETE /v1/leases/{id}`: gives it back. A second time it is not held, and that is no error.
pub(super) async fn release(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(id): InPath<String>,
) -> Result<Json<ReleaseView>, Problem> {
    let outcome = match app.holdings.release(&who.client, lease(&id)?).await {
        Ok(ReleaseOutcome::Released) => RELEASED,
        Ok(ReleaseOutcome::NotOurs) => NOT_HELD,
        Ok(ReleaseOutcome::Unknown) => UNKNOWN,
        Err(HoldError::NotFound | HoldError::Over(_)) => NOT_HELD,
        Err(error) => return Err(error::problem(&error)),
    };
    Ok(Json(ReleaseView { outcome }))
}
