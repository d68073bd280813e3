//! The second door: Dapr's lock routes, as Dapr's clients know them.
//!
//! A lock lasts for whole seconds, is not renewed, and has no token: who wants those uses `/v1/leases`.

pub(super) mod wire;

use std::{
    collections::HashMap,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use leasehold::{AcquireError, ReleaseOutcome, Resource};
use leasehold_kit::body::InPath;
use serde_json::{Value, json};

use self::wire::{Fields, Refused};
use super::{App, caller::AsHolder};
use crate::holding::{HoldError, LeaseId, Terms, Want, What};

/// What stands between the parts of a key. No part may have it.
const SEPARATOR: &str = "||";

/// What Dapr puts before the names of locks of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Prefix {
    /// The name of the app, if it has one.
    App,
    /// The name of the store.
    Store,
    None,
    /// This text.
    Text(String),
}

/// A store of locks, written `name` or `name=prefix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockStore {
    name: String,
    prefix: Prefix,
}

/// What Dapr's door knows.
#[derive(Debug, Default)]
pub struct Dapr {
    stores: Vec<LockStore>,
    app: String,
    locks: Mutex<HashMap<Resource, Locked>>,
}

#[derive(Debug, Clone)]
struct Locked {
    owner: String,
    lease: LeaseId,
}

impl FromStr for LockStore {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, prefix) = text.split_once('=').unwrap_or((text, "appid"));
        let usable = |part: &str| {
            !part.is_empty() && !part.contains(SEPARATOR) && !part.chars().any(char::is_control)
        };
        if !usable(name) || !usable(prefix) {
            return Err("a store is written name or name=prefix, where prefix is appid, name, none or a text without ||".to_owned());
        }
        let prefix = match prefix.to_lowercase().as_str() {
            "appid" => Prefix::App,
            "name" => Prefix::Store,
            "none" => Prefix::None,
            other => Prefix::Text(other.to_owned()),
        };
        Ok(Self { name: name.to_owned(), prefix })
    }
}

impl LockStore {
    /// The name of a lock's resource: the key that Dapr's own component would use.
    fn resource(&self, app: &str, id: &str) -> Result<Resource, String> {
        if id.contains(SEPARATOR) {
            return Err(format!("input key/keyPrefix '{id}' can't contain '{SEPARATOR}'"));
        }
        let name = match &self.prefix {
            Prefix::App if !app.is_empty() => format!("lock||{app}||{id}"),
            Prefix::App | Prefix::None => format!("lock||{id}"),
            Prefix::Store => format!("lock||{}||{id}", self.name),
            Prefix::Text(text) => format!("lock||{text}||{id}"),
        };
        Resource::new(name).map_err(|error| error.to_string())
    }
}

impl Dapr {
    /// These stores, for an app of this name; without stores the door is there, and says so.
    #[must_use]
    pub fn new(stores: Vec<LockStore>, app: &str) -> Self {
        Self { stores, app: app.to_owned(), locks: Mutex::default() }
    }

    fn resource(&self, store: &str, id: &str, code: &'static str) -> Result<Resource, Refused> {
        if self.stores.is_empty() {
            let message = "lock store is not configured";
            return Err(Refused::failed("ERR_LOCK_STORE_NOT_CONFIGURED", message.to_owned()));
        }
        let Some(found) = self.stores.iter().find(|known| known.name == store) else {
            let message = format!("lock store {store} not found");
            return Err(Refused::malformed("ERR_LOCK_STORE_NOT_FOUND", message));
        };
        found.resource(&self.app, id).map_err(|message| Refused::failed(code, message))
    }
}

/// `POST /v1.0-alpha1/lock/{store}`.
pub(super) async fn lock(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(store): InPath<String>,
    fields: Fields,
) -> Result<Response, Response> {
    let failed = |message| Refused::failed("ERR_TRY_LOCK", message).into_response();
    let ttl = fields.expiry().map_err(IntoResponse::into_response)?;
    let resource = app.dapr.resource(&store, &fields.resource, "ERR_TRY_LOCK");
    let resource = resource.map_err(IntoResponse::into_response)?;
    who.may_hold(std::slice::from_ref(&resource)).map_err(IntoResponse::into_response)?;
    let want = Want {
        what: What::One(resource.clone()),
        terms: Terms { ttl, link: None },
        wait: Duration::ZERO,
        request: None,
    };
    let success = match app.holdings.acquire(&who.client, &want).await {
        Ok(granted) => {
            for lease in &granted.leases {
                note(&app, &resource, Locked { owner: fields.owner.clone(), lease: lease.id });
            }
            true
        }
        Err(HoldError::Acquire(AcquireError::Contended { .. })) => false,
        Err(error) => return Err(failed(error.to_string())),
    };
    Ok(Json(json!({ "success": success })).into_response())
}

fn note(app: &App, resource: &Resource, locked: Locked) {
    let mut locks = app.dapr.locks.lock().unwrap_or_else(PoisonError::into_inner);
    // Those that expired are still here: no more of them than of those that are held, and some.
    if locks.len() > 2 * app.holdings.held() + 64 {
        locks.retain(|_, locked| app.holdings.holds(locked.lease));
    }
    let _before = locks.insert(resource.clone(), locked);
}

/// What Dapr's clients are told of an unlock.
#[derive(Clone, Copy)]
enum Unlocked {
    Success = 0,
    DoesNotExist = 1,
    BelongsToOthers = 2,
    InternalError = 3,
}

/// `POST /v1.0-alpha1/unlock/{store}`.
pub(super) async fn unlock(
    State(app): State<Arc<App>>,
    who: AsHolder,
    InPath(store): InPath<String>,
    fields: Fields,
) -> Result<Response, Response> {
    let resource = app.dapr.resource(&store, &fields.resource, "ERR_UNLOCK");
    let resource = resource.map_err(IntoResponse::into_response)?;
    who.may_hold(std::slice::from_ref(&resource)).map_err(IntoResponse::into_response)?;
    let locked = {
        let locks = app.dapr.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.get(&resource).filter(|locked| app.holdings.holds(locked.lease)).cloned()
    };
    let status = match locked {
        Some(locked) if locked.owner == fields.owner => {
            match app.holdings.release(&who.client, locked.lease).await {
                Ok(ReleaseOutcome::Released) => Unlocked::Success,
                Ok(ReleaseOutcome::Unknown) => Unlocked::InternalError,
                Ok(ReleaseOutcome::NotOurs) | Err(HoldError::Over(_)) => Unlocked::DoesNotExist,
                // Another key's, under the same owner's name.
                Err(_) => Unlocked::BelongsToOthers,
            }
        }
        Some(_) => Unlocked::BelongsToOthers,
        // Whoever has it took it elsewhere.
        None => match app.holdings.is_free(&resource).await {
            Some(true) => Unlocked::DoesNotExist,
            Some(false) => Unlocked::BelongsToOthers,
            None => Unlocked::InternalError,
        },
    };
    Ok(Json(json!({ "status": status as u8 })).into_response())
}

/// `GET /v1.0/metadata`: what Dapr's clients ask first.
pub(super) async fn metadata(State(app): State<Arc<App>>) -> Json<Value> {
    let components = app.dapr.stores.iter().map(|store| {
        json!({ "name": store.name, "type": "lock.redis", "version": "v1", "capabilities": [] })
    });
    Json(json!({
        "id": app.dapr.app,
        "runtimeVersion": concat!("leasehold-", env!("CARGO_PKG_VERSION")),
        "components": components.collect::<Vec<_>>(),
        "extended": {},
    }))
}

/// `GET /v1.0/healthz` and `/v1.0/healthz/outbound`.
pub(super) async fn health() -> StatusCode {
    StatusCode::NO_CONTENT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_daprs_own_component() {
        let of = |store: &str, app: &str| {
            let store: LockStore = store.parse().unwrap();
            store.resource(app, "k").unwrap().to_string()
        };
        assert_eq!(of("s", "shop"), "lock||shop||k");
        assert_eq!(of("s", ""), "lock||k");
        assert_eq!(of("s=APPID", "shop"), "lock||shop||k");
        assert_eq!(of("s=name", "shop"), "lock||s||k");
        assert_eq!(of("s=none", "shop"), "lock||k");
        assert_eq!(of("s=Other", "shop"), "lock||other||k");
        assert!("s".parse::<LockStore>().unwrap().resource("", "a||b").is_err());
        for wrong in ["", "=a", "s=", "s=a||b"] {
            assert!(wrong.parse::<LockStore>().is_err(), "{wrong}");
        }
    }
}
