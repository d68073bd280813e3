//! The sidecar, as programs beside it use it: on real nodes, over real connections.

mod access;
mod elections;
mod input;
mod leases;
mod links;
mod program;
mod restart;

use std::time::Instant;

use hyper::{Method, StatusCode};
use leasehold::Resource;
use leasehold_stack::{Persistence, Program, Sidecar, SidecarConfig, Stack};
use serde_json::{Value, json};

pub(super) use self::program::Client;
use self::program::LOOK;
use crate::{
    servers::{self, nodes},
    world::LIMIT,
};

/// Longer than any test: what is free before this was given back.
pub(super) const FOR_EVER: u64 = 3_600_000;

/// Longer than a test waits for anything.
pub(super) const PATIENCE: u64 = 60_000;

/// Three lease nodes that vote, and a sidecar.
pub(super) struct Beside {
    pub(super) sidecar: Sidecar,
    pub(super) config: SidecarConfig,
    pub(super) stack: Stack,
}

impl Beside {
    pub(super) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(super) async fn start_with(env: &[(&str, &str)]) -> Self {
        let stack = nodes(3, Persistence::None).await;
        let mut config = config(&stack);
        for (key, value) in env {
            config = config.env(key, *value);
        }
        servers::found(&stack).await;
        Self { sidecar: config.start("sidecar").await.unwrap(), config, stack }
    }

    /// A program without a key.
    pub(super) fn client(&self) -> Client {
        Client::of(self.sidecar.url(), None)
    }
}

/// Waits until so many leases are held, waited for or stood for.
pub(super) async fn places_taken(client: &Client, count: usize) {
    let begun = Instant::now();
    loop {
        let (_, _, text) = client.send_with(Method::GET, "/metrics", "", &[]).await;
        let text = String::from_utf8_lossy(&text).into_owned();
        if text.lines().any(|line| line == format!("sidecar_places_taken {count}")) {
            return;
        }
        assert!(begun.elapsed() < LIMIT, "{count} places are not taken: {text}");
        tokio::time::sleep(LOOK).await;
    }
}

/// Sidecars on a stack. Nodes keep leases for longer than any test takes.
pub(super) fn config(stack: &Stack) -> SidecarConfig {
    let program = Program { path: env!("CARGO_BIN_EXE_sidecar").into(), args: vec![] };
    SidecarConfig::on(stack, program)
        .env("LEASEHOLD_LEASE_TTL_MS", "120000")
        // Patience for a slow machine.
        .env("LEASEHOLD_NODE_TIMEOUT_MS", "2000")
        .env("LEASEHOLD_LOG", "info,leasehold=debug,leasehold_sidecar=debug")
}

/// Acquires a lease on a resource, and more as the body says.
pub(super) async fn acquire(client: &Client, resource: &str, more: Value) -> Value {
    let (status, answer) = client.post("/v1/leases", &asking(resource, more)).await;
    assert_eq!(status, StatusCode::CREATED, "{answer}");
    answer
}

/// A request for a resource, with everything else that the body says.
pub(super) fn asking(resource: &str, more: Value) -> Value {
    let mut body = json!({ "resource": resource });
    let Value::Object(more) = more else { unreachable!("a request is an object") };
    body.as_object_mut().unwrap().extend(more);
    body
}

pub(super) fn path(lease: &Value) -> String {
    format!("/v1/leases/{}", lease["id"].as_str().unwrap())
}

pub(super) fn token(lease: &Value) -> i64 {
    lease["token"].as_str().unwrap().parse().unwrap()
}

/// Acquires a resource with a client of its own, waiting for it, and says with which token.
pub(super) async fn taken_by_another(beside: &Beside, resource: &str) -> i64 {
    let leases = servers::client(&beside.stack);
    let lease = leases.acquire(&Resource::new(resource).unwrap(), servers::PATIENCE).await.unwrap();
    lease.token().as_i64()
}
