//! Acquiring, renewing, giving back.

use std::time::Instant;

use hyper::StatusCode;
use serde_json::json;

use super::{
    Beside, FOR_EVER, PATIENCE, acquire, asking, path, places_taken, program::LOOK,
    taken_by_another, token,
};
use crate::world::LIMIT;

#[tokio::test]
async fn a_lease_is_held_with_a_token_that_grows_and_given_back_once() {
    let beside = Beside::start().await;
    let client = beside.client();
    let first = acquire(&client, "orders/1", json!({ "ttl_ms": FOR_EVER })).await;
    assert_eq!(first["holder"].as_str().unwrap().len(), 32);
    // What may be done is what is left on the nodes, not what was asked for.
    assert!(first["valid_for_ms"].as_u64().unwrap() <= 120_000, "{first}");
    assert_eq!(first["ttl_ms"], FOR_EVER);

    let (status, problem) = client.post("/v1/leases", &json!({ "resource": "orders/1" })).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("held")));
    let (status, problem) =
        client.post("/v1/leases", &asking("orders/1", json!({ "wait_ms": 50 }))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::GATEWAY_TIMEOUT, &json!("wait_over")));

    let (_, read) = client.get(&path(&first)).await;
    assert_eq!((&read["id"], &read["token"]), (&first["id"], &first["token"]));
    let (_, listed) = client.get("/v1/leases").await;
    assert_eq!(listed["leases"].as_array().unwrap().len(), 1);

    let released = json!({ "outcome": "released" });
    assert_eq!(client.delete(&path(&first)).await, (StatusCode::OK, released));
    let again = json!({ "outcome": "not_held" });
    assert_eq!(client.delete(&path(&first)).await, (StatusCode::OK, again));
    for (status, problem) in [
        client.get(&path(&first)).await,
        client.post(&format!("{}/renew", path(&first)), &json!({})).await,
    ] {
        assert_eq!((status, &problem["code"]), (StatusCode::GONE, &json!("lease_over")));
    }
    let second = acquire(&client, "orders/1", json!({})).await;
    assert!(token(&second) > token(&first));
}

#[tokio::test]
async fn nothing_is_renewed_for_a_program_that_shows_no_life() {
    let beside = Beside::start().await;
    let client = beside.client();
    let silent = acquire(&client, "a", json!({ "ttl_ms": 300 })).await;
    // The nodes would keep it for minutes.
    let next = taken_by_another(&beside, "a").await;
    assert!(next > token(&silent));
    let (status, problem) = client.post(&format!("{}/renew", path(&silent)), &json!({})).await;
    assert_eq!((status, &problem["code"]), (StatusCode::GONE, &json!("lease_over")), "{problem}");
}

#[tokio::test]
async fn a_renewal_counts_from_when_it_is_asked_for_and_two_at_once_are_two() {
    let beside = Beside::start().await;
    let client = beside.client();
    let lease = acquire(&client, "a", json!({ "ttl_ms": PATIENCE })).await;
    let renew = format!("{}/renew", path(&lease));
    let (longer, longest) = (json!({ "ttl_ms": PATIENCE * 2 }), json!({ "ttl_ms": FOR_EVER }));
    let ((status, one), (other_status, other)) =
        tokio::join!(client.post(&renew, &longer), client.post(&renew, &longest));
    assert_eq!([status, other_status], [StatusCode::OK; 2], "{one} {other}");
    assert!(one["expires_in_ms"].as_u64().unwrap() > PATIENCE);
    assert!(other["expires_in_ms"].as_u64().unwrap() > PATIENCE * 2);
    assert_eq!([&one["token"], &other["token"]], [&lease["token"]; 2]);
    // Without a word about the time it is the last one again.
    let (_, same) = client.post(&renew, &json!({})).await;
    let (_, now) = client.get(&path(&lease)).await;
    assert_eq!(same["ttl_ms"], now["ttl_ms"]);
}

#[tokio::test]
async fn a_request_that_is_repeated_gets_the_same_lease() {
    let beside = Beside::start().await;
    let client = beside.client();
    let named =
        asking("a", json!({ "request_id": "r-1", "ttl_ms": PATIENCE, "wait_ms": PATIENCE }));
    let blocking = acquire(&client, "a", json!({ "ttl_ms": FOR_EVER })).await;
    // Both wait; the second for what becomes of the first.
    let both = async {
        tokio::join!(client.post("/v1/leases", &named), client.post("/v1/leases", &named))
    };
    let release = async {
        // The one that waits for the other has no place of its own.
        places_taken(&client, 2).await;
        client.delete(&path(&blocking)).await
    };
    let (((one_status, one), (other_status, other)), _) = tokio::join!(both, release);
    let mut statuses = [one_status, other_status];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::OK, StatusCode::CREATED], "{one} {other}");
    assert_eq!([&one["id"], &one["token"]], [&other["id"], &other["token"]]);

    let (status, problem) =
        client.post("/v1/leases", &asking("b", json!({ "request_id": "r-1" }))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(problem["code"], "request_id_reused");

    // Once it is over, the name is free.
    let _released = client.delete(&path(&one)).await;
    let (status, next) = client.post("/v1/leases", &named).await;
    assert_eq!(status, StatusCode::CREATED, "{next}");
    assert!(token(&next) > token(&one));
    let _released = client.delete(&path(&next)).await;
    let other = acquire(&client, "b", json!({ "request_id": "r-1" })).await;
    assert_eq!(other["request_id"], "r-1");
}

#[tokio::test]
async fn repetitions_that_are_given_up_leave_the_lease_to_the_next() {
    let beside = Beside::start().await;
    let client = beside.client();
    let all = json!({ "slots": 16, "every_slot": true, "request_id": "r", "ttl_ms": FOR_EVER });
    let named = asking("pool", all);
    let (_, first) = client.post("/v1/leases", &named).await;
    for _ in 0..20 {
        // Each goes away at another moment of its repetition.
        drop(client.begin("/v1/leases", &named).await);
        let (status, again) = client.post("/v1/leases", &named).await;
        assert_eq!(status, StatusCode::OK, "{again}");
        assert_eq!(again["leases"][0]["id"], first["leases"][0]["id"]);
    }
}

#[tokio::test]
async fn whoever_goes_away_while_it_waits_leaves_no_lease_behind() {
    let beside = Beside::start().await;
    let client = beside.client();
    let blocking = acquire(&client, "a", json!({ "ttl_ms": FOR_EVER })).await;
    let wants = asking("a", json!({ "wait_ms": 300_000, "ttl_ms": FOR_EVER }));
    let named = asking("a", json!({ "wait_ms": 300_000, "ttl_ms": FOR_EVER, "request_id": "r" }));
    let waiting =
        (client.begin("/v1/leases", &wants).await, client.begin("/v1/leases", &named).await);
    places_taken(&client, 3).await;
    drop(waiting);
    let _released = client.delete(&path(&blocking)).await;
    let next = taken_by_another(&beside, "a").await;
    assert!(next > token(&blocking));
    let begun = Instant::now();
    loop {
        let (_, listed) = client.get("/v1/leases").await;
        if listed["leases"] == json!([]) {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "{listed}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test]
async fn several_are_held_together_and_slots_up_to_their_number() {
    let beside = Beside::start().await;
    let client = beside.client();
    let both = json!({ "resources": ["b", "a", "b"], "ttl_ms": FOR_EVER });
    let (status, held) = client.post("/v1/leases", &both).await;
    assert_eq!(status, StatusCode::CREATED, "{held}");
    let names: Vec<_> = held["leases"].as_array().unwrap().iter().map(|l| &l["resource"]).collect();
    assert_eq!(names, ["a", "b"]);
    // All or none: c is free, and stays so.
    let (status, _) = client.post("/v1/leases", &json!({ "resources": ["c", "a"] })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let c = acquire(&client, "c", json!({})).await;
    assert_eq!(c["resource"], "c");
    // Each is its own from then on.
    let a = held["leases"][0].clone();
    let _released = client.delete(&path(&a)).await;
    assert!(token(&acquire(&client, "a", json!({})).await) > token(&a));

    let slot = json!({ "slots": 2, "ttl_ms": FOR_EVER });
    let (one, two) = (
        acquire(&client, "pool", slot.clone()).await,
        acquire(&client, "pool", slot.clone()).await,
    );
    assert_ne!(one["resource"], two["resource"]);
    let (status, _) = client.post("/v1/leases", &asking("pool", slot)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    // A writer waits for every reader.
    let every = json!({ "slots": 2, "every_slot": true, "wait_ms": PATIENCE });
    let every = asking("pool", every);
    let writer = client.post("/v1/leases", &every);
    let readers_leave = async {
        let _one = client.delete(&path(&one)).await;
        client.delete(&path(&two)).await
    };
    let ((status, every), _) = tokio::join!(writer, readers_leave);
    assert_eq!(status, StatusCode::CREATED, "{every}");
    assert_eq!(every["leases"].as_array().unwrap().len(), 2);
}
