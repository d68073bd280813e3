//! Who asks, and what they may.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::{FromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, header, request::Parts, uri::Authority},
    middleware::Next,
    response::Response,
};
use leasehold::Resource;
use leasehold_kit::{
    auth::{Key, Scope},
    caller::check,
    problem::Problem,
};
use time::OffsetDateTime;

use super::{App, code};
use crate::holding::Client;

/// Where Dapr's clients put their key.
const DAPR_TOKEN: &str = "dapr-api-token";

/// Whoever holds leases.
pub(super) struct AsHolder {
    pub(super) client: Client,
    /// `None` where no keys are asked for.
    key: Option<Key>,
}

/// Proof that the request's API key allows everything, and its name.
pub(super) struct AsAdmin(pub(super) Arc<str>);

/// Proof that the request may read metrics.
pub(super) struct AsMetrics;

/// How often it is looked whether a key is still known, for what its holder has open.
const LOOK_EVERY: Duration = Duration::from_secs(1);

impl AsHolder {
    /// Ends when the key is not known any more, or its end has come; never where no keys are asked for.
    pub(super) fn turned_away(self, app: &App) -> impl Future<Output = ()> + Send + use<> {
        let door = self.key.zip(app.door.clone());
        async move {
            let Some((key, door)) = door else { return std::future::pending().await };
            loop {
                tokio::time::sleep(LOOK_EVERY).await;
                let list = door.keys.list();
                let known = list.keys().iter().find(|other| *other == &key);
                if known.is_none_or(|key| key.has_expired(OffsetDateTime::now_utc())) {
                    return;
                }
            }
        }
    }

    /// Checks that the key is for these resources.
    pub(super) fn may_hold(&self, names: &[Resource]) -> Result<(), Problem> {
        let Some(key) = &self.key else { return Ok(()) };
        match names.iter().find(|name| !key.covers(name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(code::FORBIDDEN.says(format!("the API key is not for the resource {name}")))
            }
        }
    }
}

impl FromRequestParts<Arc<App>> for AsHolder {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let Some(door) = &app.door else {
            return Ok(Self { client: Client::anonymous(), key: None });
        };
        let caller = check(parts, Scope::Holder)?;
        let list = door.keys.list();
        let key = list.keys().iter().find(|key| *key.name() == caller.name).cloned();
        // Taken off the list at this very moment.
        let key = key.ok_or_else(|| code::UNAUTHORIZED.says("the API key is not known"))?;
        Ok(Self { client: Client::of(key.name(), &list), key: Some(key) })
    }
}

impl FromRequestParts<Arc<App>> for AsAdmin {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if app.door.is_none() {
            let detail = "this needs a key of the scope admin, and this sidecar was given no keys";
            return Err(code::FORBIDDEN.says(detail));
        }
        check(parts, Scope::Admin).map(|caller| Self(caller.name))
    }
}

impl FromRequestParts<Arc<App>> for AsMetrics {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        if app.door.is_some() {
            let _who = check(parts, Scope::Metrics)?;
        }
        Ok(Self)
    }
}

/// Without keys whoever reaches this sidecar may hold everything. A page in a browser on this machine may
/// reach it too, by a name that leads here or by a request that asks nobody: neither is let in.
pub(super) async fn keep_pages_out(
    State(app): State<Arc<App>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    if app.door.is_none() {
        // An image of a page's has no origin, but the browser says where it is shown.
        let site = request.headers().get("sec-fetch-site");
        let is_pages = site.is_some_and(|site| site.as_bytes() != b"none");
        if is_pages || request.headers().contains_key(header::ORIGIN) {
            return Err(code::WEB_PAGE.says(code::WEB_PAGE.example));
        }
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        // HTTP/1.0 has none, and a socket's clients may send an empty one.
        let host = host.unwrap_or_default();
        if app.is_at_a_port && !host.is_empty() && !is_this_machine(host) {
            let shown: String = host.chars().take(64).collect();
            return Err(code::MISDIRECTED.says(format!("the Host {shown} is not this machine")));
        }
    }
    Ok(next.run(request).await)
}

fn is_this_machine(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // A name may end with the dot of the root.
    let name = authority.host().trim_start_matches('[').trim_end_matches([']', '.']);
    let address = name.parse::<std::net::IpAddr>();
    name.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}

/// Takes Dapr's header for a key as what it is, on every route.
pub(super) fn read_dapr_token(headers: &mut HeaderMap) {
    let token = headers.get(DAPR_TOKEN).and_then(|token| token.to_str().ok());
    let bearer = token.and_then(|token| HeaderValue::from_str(&format!("Bearer {token}")).ok());
    if let Some(mut bearer) = bearer
        && !headers.contains_key(header::AUTHORIZATION)
    {
        bearer.set_sensitive(true);
        let _none = headers.insert(header::AUTHORIZATION, bearer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are() {
        for ours in [
            "localhost",
            "LOCALHOST:3501",
            "127.0.0.1",
            "127.9.9.9:1",
            "localhost.",
            "[::1]",
            "[::1]:3501",
        ] {
            assert!(is_this_machine(ours), "{ours}");
        }
        for other in
            ["", "evil.example", "localhost.evil.example", "10.0.0.1", "[::2]", "0.0.0.0", "a b"]
        {
            assert!(!is_this_machine(other), "{other}");
        }
    }
}
