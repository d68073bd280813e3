//! Programs written for Dapr's locks find the sidecar where Dapr was.

use std::time::{Duration, Instant};

use hyper::Request;
use leasehold_stack::{Keys, Persistence, Program, Shop, Sidecar, SidecarConfig, Stack};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{
    interop::{install::SIDECAR_NODE, program::Program as Client},
    servers::{found, nodes},
    world::LIMIT,
};

const STORE: &str = "locks";

/// What the parts of Dapr's door are asked, and how it answers.
struct Door {
    sidecar: Sidecar,
    http: Shop,
    stack: Stack,
}

impl Door {
    async fn open(stores: Option<&str>) -> Self {
        let stack = nodes(3, Persistence::Durable).await;
        found(&stack).await;
        let program = Program { path: env!("CARGO_BIN_EXE_sidecar").into(), args: vec![] };
        // Patience for a slow machine.
        let mut config =
            SidecarConfig::on(&stack, program).env("LEASEHOLD_NODE_TIMEOUT_MS", "2000");
        if let Some(stores) = stores {
            config = config.env("LEASEHOLD_DAPR_STORES", stores);
        }
        let sidecar = config.env("LEASEHOLD_DAPR_APP_ID", "shop").start("sidecar").await.unwrap();
        Self { sidecar, http: Shop::new(Keys::random()), stack }
    }

    async fn post(&self, verb: &str, store: &str, body: &Value) -> (u16, Value) {
        let request = Request::post(format!("{}/v1.0-alpha1/{verb}/{store}", self.sidecar.url()))
            .header("content-type", "application/json")
            .body(body.to_string().into())
            .unwrap();
        let answer = self.http.send(request).await.unwrap();
        (answer.status.as_u16(), answer.json())
    }

    /// Whether it says that the lock is the owner's now.
    async fn lock(&self, resource: &str, owner: &str, seconds: u32) -> bool {
        let body = json!({
            "resourceId": resource, "lockOwner": owner, "expiryInSeconds": seconds,
        });
        let (status, said) = self.post("lock", STORE, &body).await;
        assert_eq!(status, 200, "{said}");
        said["success"].as_bool().unwrap()
    }

    /// The number with which it answers.
    async fn unlock(&self, resource: &str, owner: &str) -> u64 {
        let body = json!({ "resourceId": resource, "lockOwner": owner });
        let (status, said) = self.post("unlock", STORE, &body).await;
        assert_eq!(status, 200, "{said}");
        said["status"].as_u64().unwrap()
    }
}

const SUCCESS: u64 = 0;
const DOES_NOT_EXIST: u64 = 1;
const BELONGS_TO_OTHERS: u64 = 2;

/// What Dapr holds every lock component to.
#[tokio::test]
async fn the_cases_of_daprs_conformance_tests_hold() {
    let door = Door::open(Some("locks=none")).await;
    assert!(door.lock("lock1", "owner1", 60).await);
    let begun = Instant::now();
    let brief = Duration::from_secs(3);
    assert!(door.lock("lock2", "owner2", 3).await);

    // Nobody enters a second time, whoever holds it.
    assert!(!door.lock("lock1", "owner2", 60).await);
    assert!(!door.lock("lock1", "owner1", 60).await);

    assert_eq!(door.unlock("nothing", "owner1").await, DOES_NOT_EXIST);
    assert_eq!(door.unlock("lock1", "owner2").await, BELONGS_TO_OTHERS);
    assert_eq!(door.unlock("lock1", "owner1").await, SUCCESS);
    assert_eq!(door.unlock("lock1", "owner1").await, DOES_NOT_EXIST);
    assert!(door.lock("lock1", "owner2", 60).await);

    // Nobody unlocks this one: it ends by itself.
    while !door.lock("lock2", "owner3", 60).await {
        assert!(begun.elapsed() < LIMIT, "lock2 did not end within {LIMIT:?}");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= brief, "lock2 ended after {:?}", begun.elapsed());
    assert_eq!(door.unlock("lock2", "owner2").await, BELONGS_TO_OTHERS);
}

#[tokio::test]
async fn what_dapr_refuses_is_refused_with_its_codes() {
    let door = Door::open(Some("locks=none")).await;
    let malformed = |what: Value| (what, STORE, 400, "ERR_MALFORMED_REQUEST");
    let whole = json!({ "resourceId": "r", "lockOwner": "o", "expiryInSeconds": 5 });
    let with = |field: &str, value: Value| {
        let mut body = whole.clone();
        body[field] = value;
        body
    };
    let for_both = [
        malformed(with("resourceId", json!(""))),
        malformed(with("lockOwner", json!(""))),
        malformed(json!({})),
        malformed(json!("text")),
        (whole.clone(), "others", 400, "ERR_LOCK_STORE_NOT_FOUND"),
    ];
    for (body, store, status, code) in &for_both {
        for verb in ["lock", "unlock"] {
            let (got, said) = door.post(verb, store, body).await;
            assert_eq!((got, &said["errorCode"]), (*status, &json!(code)), "{verb} {body}: {said}");
            assert!(said["message"].as_str().is_some_and(|text| !text.is_empty()), "{said}");
        }
    }
    for expiry in [json!(0), json!(-1), json!("soon"), json!(1.5), json!(null)] {
        let body = with("expiryInSeconds", expiry);
        let (status, said) = door.post("lock", STORE, &body).await;
        assert_eq!(
            (status, &said["errorCode"]),
            (400, &json!("ERR_MALFORMED_REQUEST")),
            "{body}: {said}"
        );
    }
    // None of them took it.
    assert!(door.lock("r", "o", 5).await);
}

#[tokio::test]
async fn without_stores_there_is_none_to_lock_in() {
    let door = Door::open(None).await;
    let body = json!({ "resourceId": "r", "lockOwner": "o", "expiryInSeconds": 5 });
    for verb in ["lock", "unlock"] {
        let (status, said) = door.post(verb, STORE, &body).await;
        assert_eq!(status, 500, "{said}");
        assert_eq!(said["errorCode"], "ERR_LOCK_STORE_NOT_CONFIGURED");
    }
}

/// npm's `@dapr/dapr`, as it is published.
#[tokio::test]
async fn daprs_own_client_locks_and_unlocks() {
    let door = Door::open(Some("locks=none")).await;
    let urls = [door.sidecar.url().to_owned()];
    let log = door.stack.folder().join("dapr.log");
    let Some(mut client) = Client::start(&SIDECAR_NODE, "sidecar/dapr.mjs", &urls, log).await
    else {
        return;
    };
    assert_eq!(client.tell("healthy").await, "true");
    assert_eq!(client.tell("metadata").await, "shop locks=lock.redis");

    assert_eq!(client.tell("lock locks stage ada 60").await, "locked");
    assert_eq!(client.tell("lock locks stage bob 60").await, "refused");
    // One that does not use its client meets it too.
    assert!(!door.lock("stage", "bob", 60).await);
    assert_eq!(client.tell("unlock locks stage bob").await, "LockBelongsToOthers");
    assert_eq!(client.tell("unlock locks stage ada").await, "Success");
    assert_eq!(client.tell("unlock locks stage ada").await, "LockDoesNotExist");

    let begun = Instant::now();
    assert_eq!(client.tell("lock locks stage ada 1").await, "locked");
    while client.tell("lock locks stage bob 60").await == "refused" {
        assert!(begun.elapsed() < LIMIT, "ada's lock did not end within {LIMIT:?}");
        sleep(Duration::from_millis(50)).await;
    }
    assert!(begun.elapsed() >= Duration::from_secs(1), "it ended after {:?}", begun.elapsed());
    assert_eq!(client.tell("unlock locks stage ada").await, "LockBelongsToOthers");
    assert_eq!(client.tell("unlock locks stage bob").await, "Success");

    for (request, code) in [
        ("lock others stage ada 1", "ERR_LOCK_STORE_NOT_FOUND"),
        ("lock locks stage ada 0", "ERR_MALFORMED_REQUEST"),
    ] {
        let said = client.tell(request).await;
        assert!(said.starts_with("error ") && said.contains(code), "{request}: {said}");
    }
}
