//! Whatever else a program may send.

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Beside, acquire, path};
use crate::world::LIMIT;

#[tokio::test]
async fn what_cannot_be_is_named() {
    let beside = Beside::start().await;
    let client = beside.client();
    let long = "x".repeat(600);
    let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
    for (body, word) in [
        (json!({}), "resource or resources must be given"),
        (json!({ "resource": "" }), "must not be empty"),
        (json!({ "resource": long }), "600 bytes"),
        (json!({ "resource": "a\nb" }), "control character"),
        (json!({ "resource": "leasehold:x" }), "reserved"),
        (json!({ "resource": 7 }), "resource must be a string"),
        (json!({ "resource": "a", "resources": ["b"] }), "not both"),
        (json!({ "resources": [] }), "1 to 64"),
        (json!({ "resources": many }), "1 to 64"),
        (json!({ "resources": ["a", ""] }), "resources[1]"),
        (json!({ "resource": "a", "ttl_ms": 99 }), "ttl_ms must be 100 to 86400000"),
        (json!({ "resource": "a", "ttl_ms": 86_400_001 }), "ttl_ms must be 100 to 86400000"),
        (json!({ "resource": "a", "ttl_ms": -1 }), "ttl_ms must be 100 to 86400000"),
        (json!({ "resource": "a", "ttl_ms": 1.5 }), "ttl_ms must be an integer"),
        (json!({ "resource": "a", "ttl_ms": "1000" }), "ttl_ms must be an integer"),
        (json!({ "resource": "a", "wait_ms": 300_001 }), "wait_ms must be 0 to 300000"),
        (json!({ "resource": "a", "slots": 0 }), "slots must be 1 to 64"),
        (json!({ "resource": "a", "slots": 65 }), "slots must be 1 to 64"),
        (json!({ "resource": "a", "every_slot": true }), "every_slot needs slots"),
        (json!({ "resources": ["a"], "slots": 1 }), "go with resource"),
        (json!({ "resource": "a", "link": "x" }), "link: an id is 32"),
        (json!({ "resource": "a", "request_id": "" }), "request_id has 1 to 128"),
        (json!({ "resource": "a", "request_id": "ä" }), "request_id has 1 to 128"),
        (json!({ "resource": "a", "ttl": 1000 }), "\"ttl\" is not known here"),
        (json!([]), "must be a JSON object"),
    ] {
        let (status, problem) = client.post("/v1/leases", &body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::BAD_REQUEST, &json!("invalid_request"))
        );
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(word), "{body}: {detail}");
    }
    assert_eq!(client.get("/v1/leases").await.1["leases"], json!([]));
}

#[tokio::test]
async fn every_wrong_way_to_ask_is_answered() {
    let beside = Beside::start().await;
    let client = beside.client();
    let lease = acquire(&client, "a", json!({})).await;
    let unknown = format!("/v1/leases/{}", "0".repeat(32));
    let attach = json!({ "resource": "a", "token": "5120", "holder": "0".repeat(32) });
    let with = |field: &str, value: Value| {
        let mut body = attach.clone();
        body[field] = value;
        body.to_string()
    };
    for (method, at, body, status, code) in [
        (Method::POST, "/v1/leases".to_owned(), "{".to_owned(), 400, "invalid_request"),
        (Method::POST, "/v1/leases".to_owned(), format!("{:20000}", ""), 413, "body_too_large"),
        (Method::PUT, "/v1/leases".to_owned(), String::new(), 405, "method_not_allowed"),
        (Method::GET, "/v1/nothing".to_owned(), String::new(), 404, "not_found"),
        (Method::GET, "/v1/leases?limit=0".to_owned(), String::new(), 400, "invalid_request"),
        (Method::GET, "/v1/leases?after=x".to_owned(), String::new(), 400, "invalid_request"),
        (Method::GET, "/v1/leases?x=1".to_owned(), String::new(), 400, "invalid_request"),
        (Method::GET, "/v1/leases/x".to_owned(), String::new(), 400, "invalid_request"),
        (Method::GET, unknown.clone(), String::new(), 404, "not_found"),
        (Method::POST, format!("{unknown}/renew"), "{}".to_owned(), 404, "not_found"),
        (Method::POST, format!("{unknown}/attach"), attach.to_string(), 404, "not_found"),
        (
            Method::POST,
            format!("{unknown}/attach"),
            with("token", json!("1")),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            format!("{unknown}/attach"),
            with("token", json!(5)),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            format!("{unknown}/attach"),
            with("holder", json!("x")),
            400,
            "invalid_request",
        ),
        (
            Method::POST,
            format!("{}/renew", path(&lease)),
            r#"{"ttl_ms":1}"#.to_owned(),
            400,
            "invalid_request",
        ),
        (Method::GET, "/v1/resources/%00".to_owned(), String::new(), 400, "invalid_request"),
        (
            Method::GET,
            "/v1/elections/leasehold:x".to_owned(),
            String::new(),
            400,
            "invalid_request",
        ),
    ] {
        let (answered, problem) = client.send(method.clone(), &at, body).await;
        assert_eq!((answered.as_u16(), &problem["code"]), (status, &json!(code)), "{method} {at}");
    }
    // Behind a body that is awaited nobody sees that a program ends.
    for stream in ["/v1/link", "/v1/elections/x"] {
        let (answered, problem) = client.send(Method::GET, stream, "x").await;
        assert_eq!(answered, StatusCode::BAD_REQUEST, "{stream}: {problem}");
    }
    let plain = [("content-type", "text/plain")];
    let (status, ..) = client.send_with(Method::POST, "/v1/leases", "{}", &plain).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    // Nothing of it touched the lease.
    assert_eq!(client.get(&path(&lease)).await.1["token"], lease["token"]);
}

#[tokio::test]
async fn there_is_room_for_so_many_and_no_more() {
    let beside = Beside::start_with(&[("LEASEHOLD_LEASES_MAX", "3")]).await;
    let client = beside.client();
    let three = json!({ "resources": ["a", "b", "c"] });
    let (_, held) = client.post("/v1/leases", &three).await;
    let (status, problem) = client.post("/v1/leases", &json!({ "resource": "d" })).await;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("full")),
        "{problem}"
    );
    let _released = client.delete(&path(&held["leases"][0])).await;
    let _lease = acquire(&client, "d", json!({})).await;
    let (_, page) = client.get("/v1/leases?limit=2").await;
    let next = page["next"].as_str().unwrap();
    let (_, rest) = client.get(&format!("/v1/leases?limit=2&after={next}")).await;
    assert_eq!((rest["leases"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

#[tokio::test]
async fn without_a_quorum_programs_are_told_so() {
    let mut beside = Beside::start_with(&[("LEASEHOLD_NODE_TIMEOUT_MS", "200")]).await;
    for node in &mut beside.stack.nodes[..2] {
        node.kill().await.unwrap();
    }
    let client = beside.client();
    for body in [json!({ "resource": "a" }), json!({ "resource": "a", "wait_ms": 500 })] {
        let (status, problem) = client.post("/v1/leases", &body).await;
        assert_eq!(
            (status, &problem["code"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("unavailable")),
            "{problem}"
        );
    }
    let (_, seen) = client.get("/v1/resources/a").await;
    assert_eq!((&seen["state"], &seen["silent_nodes"]), (&json!("unknown"), &json!(2)));
    assert_eq!(client.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(client.get("/livez").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_never_ends_is_given_up() {
    let beside = Beside::start().await;
    let client = beside.client();
    let mut stream = client.half_a_request("/v1/leases").await;
    assert_eq!(stream.status().await, "HTTP/1.1 408 Request Timeout");
    assert_eq!(client.get("/v1/leases").await.1["leases"], json!([]));
}

#[tokio::test]
async fn a_deployment_is_right_or_said_to_be_wrong() {
    let beside = Beside::start().await;
    let check = async |config: &leasehold_stack::SidecarConfig| {
        let mut process = config.run("check", "check-config").unwrap();
        let status = process.wait(LIMIT).await.unwrap();
        let mut lines = Vec::new();
        while let Some(line) = process.next_line(LIMIT).await.unwrap() {
            lines.push(line);
        }
        (status.code(), lines.join("\n"))
    };
    // No keys at a port, and nodes that keep nothing on disk: it will run.
    let (code, said) = check(&beside.config).await;
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("warning  keys: none") && said.contains("all 3 answer"), "{said}");
    let open = beside.config.clone().env("LEASEHOLD_LISTEN", "0.0.0.0:1");
    let (code, said) = check(&open).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error    LEASEHOLD_LISTEN 0.0.0.0:1"), "{said}");
    let mut lonely = beside.config.clone();
    lonely.redis_urls = vec![crate::servers::NOBODY.to_owned()];
    let (code, said) = check(&lonely).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("there is no lease without 1"), "{said}");
}
