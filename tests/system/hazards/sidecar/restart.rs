//! What a program still has when its sidecar ends.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Beside, PATIENCE, acquire, asking, path, places_taken, taken_by_another, token};

fn attaching(lease: &Value) -> Value {
    json!({
        "resource": lease["resource"], "token": lease["token"], "holder": lease["holder"],
        "ttl_ms": PATIENCE,
    })
}

#[tokio::test]
async fn a_lease_outlives_a_sidecar_that_is_killed() {
    let mut beside = Beside::start().await;
    let (client, first) = (beside.client(), beside.sidecar);
    let lease = acquire(&client, "a", json!({ "ttl_ms": PATIENCE })).await;
    first.process().kill().await.unwrap();

    beside.sidecar = beside.config.start("second").await.unwrap();
    let client = beside.client();
    assert_eq!(client.get(&path(&lease)).await.0, StatusCode::NOT_FOUND);
    let attach = format!("{}/attach", path(&lease));
    // The name of another lease.
    let mut wrong = attaching(&lease);
    wrong["resource"] = json!("b");
    assert_eq!(client.post(&attach, &wrong).await.0, StatusCode::NOT_FOUND);

    let (status, attached) = client.post(&attach, &attaching(&lease)).await;
    assert_eq!(status, StatusCode::OK, "{attached}");
    for field in ["id", "resource", "token", "holder"] {
        assert_eq!(attached[field], lease[field], "{field}");
    }
    // A second time it is a renewal.
    assert_eq!(client.post(&attach, &attaching(&lease)).await.0, StatusCode::OK);
    let (status, _) = client.post("/v1/leases", &json!({ "resource": "a" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert_eq!(client.delete(&path(&lease)).await.1["outcome"], "released");
    assert!(taken_by_another(&beside, "a").await > token(&lease));
    // Here it is known how it ended; a third sidecar only sees that it did.
    assert_eq!(client.post(&attach, &attaching(&lease)).await.0, StatusCode::GONE);
    let third = beside.config.start("third").await.unwrap();
    beside.sidecar = third;
    let (status, problem) = beside.client().post(&attach, &attaching(&lease)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("not_held")));
}

#[tokio::test]
async fn a_sidecar_that_stops_gives_back_what_it_holds_and_ends_its_streams() {
    let beside = Beside::start().await;
    let client = beside.client();
    let (mut stream, link) = client.link().await;
    let bound = acquire(&client, "bound", json!({ "link": link })).await;
    let free = acquire(&client, "free", json!({ "ttl_ms": PATIENCE * 10 })).await;
    let waits = asking("free", json!({ "wait_ms": 300_000 }));
    let stop = async {
        places_taken(&client, 3).await;
        beside.sidecar.stop().await.unwrap();
    };
    let ((status, problem), ()) = tokio::join!(client.post("/v1/leases", &waits), stop);
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("draining")),
        "{problem}"
    );
    assert_eq!(stream.next().await, None);
    for lease in [bound, free] {
        let next = taken_by_another(&beside, lease["resource"].as_str().unwrap()).await;
        assert!(next > token(&lease));
    }
}

#[tokio::test]
async fn a_sidecar_that_is_replaced_can_leave_leases_to_the_next() {
    let mut beside = Beside::start_with(&[("LEASEHOLD_ON_STOP", "keep")]).await;
    let client = beside.client();
    let (stream, link) = client.link().await;
    let alone = acquire(&client, "alone", json!({ "ttl_ms": PATIENCE })).await;
    let linked = acquire(&client, "linked", json!({ "link": link })).await;
    beside.sidecar.stop().await.unwrap();
    drop(stream);
    beside.sidecar = beside.config.start("second").await.unwrap();
    let client = beside.client();
    let (stream, link) = client.link().await;
    for lease in [&alone, &linked] {
        let mut bound = attaching(lease);
        bound["link"] = json!(link);
        let (status, attached) = client.post(&format!("{}/attach", path(lease)), &bound).await;
        assert_eq!((status, &attached["token"]), (StatusCode::OK, &lease["token"]), "{attached}");
    }
    drop(stream);
    for lease in [alone, linked] {
        let next = taken_by_another(&beside, lease["resource"].as_str().unwrap()).await;
        assert!(next > token(&lease));
    }
}

#[tokio::test]
async fn whoever_passed_a_lease_on_cannot_have_it_back() {
    let mut beside = Beside::start().await;
    let client = beside.client();
    let before = acquire(&client, "a", json!({ "ttl_ms": PATIENCE })).await;
    let waits = asking("a", json!({ "ttl_ms": PATIENCE, "wait_ms": PATIENCE }));
    let release = async {
        places_taken(&client, 2).await;
        client.delete(&path(&before)).await
    };
    let ((status, now), _) = tokio::join!(client.post("/v1/leases", &waits), release);
    assert_eq!(status, StatusCode::CREATED, "{now}");
    assert!(token(&now) > token(&before));
    // Who knows a holder can release its lease: each has one of its own.
    assert_ne!(now["holder"], before["holder"]);
    beside.sidecar.process().kill().await.unwrap();
    beside.sidecar = beside.config.start("second").await.unwrap();
    let client = beside.client();
    let attach = |lease: &Value| (format!("{}/attach", path(lease)), attaching(lease));
    let (at, body) = attach(&before);
    let (status, problem) = client.post(&at, &body).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("not_held")));
    let (at, body) = attach(&now);
    let (status, attached) = client.post(&at, &body).await;
    assert_eq!((status, &attached["token"]), (StatusCode::OK, &now["token"]), "{attached}");
}
