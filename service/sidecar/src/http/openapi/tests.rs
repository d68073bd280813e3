use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use axum::{body::Body, http::Request};
use leasehold::{FencingToken, HolderId, LeaseConfig, Leases, Resource, Stamp};
use leasehold_kit::{
    auth::{KeyDigest, Keys},
    caller::Door,
    health::Readiness,
    openapi::loose_ends,
    rate::Rates,
    telemetry,
};
use serde::de::DeserializeOwned;
use tower::ServiceExt as _;

use super::*;
use crate::{
    holding::{Holdings, LeaseId, OnStop, TTL_MAX, View},
    http::{
        App, Dapr, front,
        leases::{Acquire, Attach, LeaseView, LeasesView, PageView, ReleaseView, Renew},
        resources::{EvictedView, ResourceView},
    },
};

const HOW: &str = "cargo run -p leasehold-sidecar -- openapi > service/sidecar/openapi.json";

/// Routes that are not for programs, as far as they are served: pages, and what pages need.
const PAGES: [&str; 3] = ["/", "/docs", "/assets/"];

#[test]
fn the_description_is_committed_as_it_is() {
    let committed: Value =
        serde_json::from_str(include_str!("../../../openapi.json")).unwrap_or_default();
    // Not as text: features of other packages change the order of its lines.
    assert!(
        committed == api().document(),
        "openapi.json is not what the code says; write it anew: {HOW}"
    );
}

#[test]
fn every_reference_and_link_leads_somewhere() {
    assert_eq!(loose_ends(&api().document()), Vec::<String>::new());
}

/// Methods and paths of the router, read from its source: the router itself does not tell them.
fn routes() -> BTreeSet<String> {
    let source = include_str!("../mod.rs");
    let mut found = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap();
        let mut depth = 1;
        let within = |c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        };
        let methods = route.split(within).next().unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if methods.contains(&format!("{method}(")) {
                let _new = found.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

#[test]
fn every_route_is_described() {
    let described: BTreeSet<_> =
        operations::all().map(|one| format!("{} {}", one.method, one.path)).collect();
    assert_eq!(described.len(), operations::all().count(), "operations of the same route");
    let is_page = |route: &String| {
        let path = route.trim_start_matches("get ");
        PAGES.iter().any(|page| path == *page || page.len() > 1 && path.starts_with(page))
    };
    let routes: BTreeSet<_> = routes().into_iter().filter(|route| !is_page(route)).collect();
    assert_eq!(routes, described);
}

/// A sidecar whose nodes are away, with keys.
fn app() -> App {
    let leases = Leases::connect(&["redis://127.0.0.1:1"], LeaseConfig::default()).unwrap();
    let digest = hex::encode(KeyDigest::of("office").to_bytes());
    let list = format!("office:admin:{digest}").parse().unwrap();
    App {
        holdings: Holdings::new(leases, Duration::from_secs(10), 1, OnStop::Release),
        is_at_a_port: true,
        door: Some(Door { keys: Keys::new(list), rates: Rates::per_second(1000) }),
        dapr: Dapr::default(),
        readiness: Readiness::default(),
        draining: Arc::new(AtomicBool::new(true)),
        metrics: telemetry::metrics().unwrap(),
    }
}

#[tokio::test]
async fn every_operation_is_served_and_asks_for_a_key_where_it_says_so() {
    let front = front(app(), 10);
    for operation in operations::all() {
        let path = operation.path.replace(['{', '}'], "");
        let request = Request::builder()
            .method(&*operation.method.to_uppercase())
            .uri(&path)
            .header("host", "localhost");
        let request = request.body(Body::empty()).unwrap();
        let answer = front.clone().oneshot(request).await.unwrap();
        let status = match operation.scope {
            Some(_) => 401,
            // It is draining.
            None if path == "/readyz" => 503,
            None => operation.answers[0].status,
        };
        assert_eq!(answer.status().as_u16(), status, "{} {path}", operation.method);
    }
}

fn schema(name: &str) -> Value {
    api().document()["components"]["schemas"][name].clone()
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The fields that a type knows are those of these schemas.
fn reads<T: DeserializeOwned>(schemas: &[&str]) {
    let refused = serde_json::from_value::<T>(json!({ "?": 0 })).err().unwrap().to_string();
    let known: BTreeSet<_> = refused.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    let described = schemas.iter().flat_map(|name| properties(&schema(name))).collect();
    assert_eq!(known, described, "{schemas:?}: {refused}");
}

#[test]
fn bodies_are_described_as_they_are_read() {
    reads::<Acquire>(&["AcquireOne", "AcquireSlots", "AcquireSeveral"]);
    reads::<Renew>(&["Renew"]);
    reads::<Attach>(&["Attach"]);
    // Everything but what names the lease may be left out.
    let least = json!({ "resource": "a", "token": "1024", "holder": "0" });
    assert_eq!(names(&schema("Attach")["required"]), properties(&json!({ "properties": least })));
    assert!(serde_json::from_value::<Attach>(least).is_ok());
    assert!(serde_json::from_value::<Renew>(json!({})).is_ok());
}

#[test]
fn a_body_of_each_kind_is_taken_with_nothing_but_what_it_must_have() {
    for (name, body) in [
        ("AcquireOne", json!({ "resource": "a" })),
        ("AcquireSlots", json!({ "resource": "a", "slots": 64 })),
        ("AcquireSeveral", json!({ "resources": ["a"] })),
    ] {
        let required = names(&schema(name)["required"]);
        assert_eq!(required, properties(&json!({ "properties": body })), "{name}");
        let read: Acquire = serde_json::from_value(body).unwrap();
        assert!(read.want().is_ok(), "{name}");
    }
}

/// What is shown has the fields of its schema, all of them.
fn shows(name: &str, view: &impl serde::Serialize) {
    let schema = schema(name);
    let shown = serde_json::to_value(view).unwrap();
    assert_eq!(properties(&json!({ "properties": shown })), properties(&schema), "{name}");
    assert_eq!(names(&schema["required"]), properties(&schema), "{name}");
}

#[test]
fn answers_are_described_as_they_are_shown() {
    let stamp = Stamp {
        resource: Resource::new("a").unwrap(),
        token: FencingToken::try_from(5000).unwrap(),
        holder: HolderId::from_random(7),
    };
    let view = || {
        LeaseView::from(&View {
            id: LeaseId::of(&[0; 32], &stamp),
            stamp: stamp.clone(),
            ttl: TTL_MAX,
            valid_for: Duration::ZERO,
            expires_in: None,
            link: None,
            request: None,
        })
    };
    shows("Lease", &view());
    shows("Leases", &LeasesView { leases: vec![view()] });
    shows("Page", &PageView { leases: vec![view()], next: None });
    shows("Released", &ReleaseView { outcome: "" });
    shows("Resource", &ResourceView::default());
    shows("Evicted", &EvictedView::default());
}

#[test]
fn seconds_as_a_text_are_those_that_a_lease_may_last() {
    assert!(dapr::SECONDS.contains("|86400)"));
    assert_eq!(TTL_MAX.as_secs(), 86_400);
}
