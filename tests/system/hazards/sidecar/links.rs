//! Links: what keeps a lease as long as its program lives.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Beside, PATIENCE, acquire, asking, path, places_taken, taken_by_another, token};

#[tokio::test]
async fn a_link_keeps_leases_and_frees_them_all_when_its_program_ends() {
    let beside = Beside::start().await;
    let client = beside.client();
    let (stream, link) = client.link().await;
    // Its ttl is over long before the test is, and does not count.
    let bound = json!({ "link": link, "ttl_ms": 100 });
    let mut held = Vec::new();
    for number in 0..20 {
        held.push(acquire(&client, &format!("r/{number}"), bound.clone()).await);
    }
    let later = acquire(&client, "later", json!({ "ttl_ms": PATIENCE })).await;
    let (status, now) =
        client.post(&format!("{}/renew", path(&later)), &json!({ "link": link })).await;
    assert_eq!((status, &now["link"]), (StatusCode::OK, &json!(link)));
    assert_eq!(now["expires_in_ms"], Value::Null);
    held.push(later);
    let unbound = acquire(&client, "unbound", json!({ "ttl_ms": PATIENCE * 10 })).await;
    // One that waits for something else, for the link.
    let waits = asking("unbound", json!({ "link": link, "wait_ms": 300_000 }));
    let broken = async {
        places_taken(&client, held.len() + 2).await;
        for lease in &held {
            let (status, read) = client.get(&path(lease)).await;
            assert_eq!((status, &read["link"]), (StatusCode::OK, &json!(link)), "{read}");
        }
        drop(stream);
    };
    let ((status, problem), ()) = tokio::join!(client.post("/v1/leases", &waits), broken);
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("link_broken")));
    // The nodes would keep them for minutes.
    for lease in &held {
        let next = taken_by_another(&beside, lease["resource"].as_str().unwrap()).await;
        assert!(next > token(lease));
    }
    let (status, problem) = client.get(&path(&held[0])).await;
    assert_eq!((status, &problem["code"]), (StatusCode::GONE, &json!("lease_over")));
    assert_eq!(client.get(&path(&unbound)).await.0, StatusCode::OK);
    let (status, problem) = client.post("/v1/leases", &asking("x", json!({ "link": link }))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("not_found")));
}

#[tokio::test]
async fn a_link_hears_that_a_lease_was_lost() {
    let quick = [("LEASEHOLD_LEASE_TTL_MS", "1000"), ("LEASEHOLD_NODE_TIMEOUT_MS", "400")];
    let beside = Beside::start_with(&quick).await;
    let client = beside.client();
    let (mut stream, link) = client.link().await;
    let lease = acquire(&client, "a", json!({ "link": link })).await;
    let released = acquire(&client, "b", json!({ "link": link })).await;
    // Nobody is told of what they did themselves.
    let _released = client.delete(&path(&released)).await;
    for node in &beside.stack.nodes {
        node.flush_all().await.unwrap();
    }
    let (event, said) = stream.event().await;
    assert_eq!(event, "lost");
    assert_eq!(
        [&said["id"], &said["token"], &said["resource"], &said["why"]],
        [&lease["id"], &lease["token"], &json!("a"), &json!("lost")]
    );
    let (status, _) = client.get(&path(&lease)).await;
    assert_eq!(status, StatusCode::GONE);
}

#[tokio::test]
async fn a_lease_may_leave_its_link() {
    let beside = Beside::start().await;
    let client = beside.client();
    let (stream, link) = client.link().await;
    let lease = acquire(&client, "a", json!({ "link": link, "ttl_ms": PATIENCE })).await;
    let renew = format!("{}/renew", path(&lease));
    let (_, same) = client.post(&renew, &json!({})).await;
    assert_eq!(same["link"], json!(link));
    let (status, alone) = client.post(&renew, &json!({ "link": null })).await;
    assert_eq!((status, &alone["link"]), (StatusCode::OK, &Value::Null));
    assert!(alone["expires_in_ms"].as_u64().is_some(), "{alone}");
    let bound = acquire(&client, "b", json!({ "link": link })).await;
    drop(stream);
    assert!(taken_by_another(&beside, "b").await > token(&bound));
    assert_eq!(client.get(&path(&lease)).await.0, StatusCode::OK);
}
