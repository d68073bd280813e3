//! Webhooks: every event arrives, in order and signed, whatever the receiver or a replica does.

use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use leasehold_stack::Answer;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    receiver::{Does, Receiver},
    world::{LIMIT, World, until},
};

/// Quick, and to receivers on this machine, which may be busy: who hangs is given up after a while.
pub(crate) const QUICK: [(&str, &str); 4] = [
    ("LEASEHOLD_WEBHOOK_PRIVATE", "true"),
    ("LEASEHOLD_WEBHOOK_POLL_MS", "20"),
    ("LEASEHOLD_WEBHOOK_BACKOFF_MS", "10"),
    ("LEASEHOLD_WEBHOOK_TIMEOUT_MS", "5000"),
];

/// A webhook as it was made.
pub(crate) struct Made {
    pub(crate) id: Uuid,
    pub(crate) secret: String,
}

async fn post(world: &World, path: &str, key: &str, body: &Value) -> Answer {
    let url = format!("{}{path}", world.replicas[0].url());
    world.shop.post(&url, &world.shop.keys().admin, key, body).await.unwrap()
}

async fn get(world: &World, path: &str) -> Answer {
    let url = format!("{}{path}", world.replicas[0].url());
    world.shop.get_as(&url, &world.shop.keys().admin).await.unwrap()
}

pub(crate) async fn make(world: &World, body: &Value) -> Made {
    let answer = post(world, "/v1/webhooks", &Uuid::new_v4().to_string(), body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let made = answer.json();
    Made {
        id: made["webhook_id"].as_str().unwrap().parse().unwrap(),
        secret: made["secret"].as_str().unwrap().to_owned(),
    }
}

pub(crate) async fn buy(world: &World, replica: usize, sale: Uuid, buyer: &str) {
    let answer = world.buy(replica, sale, buyer).await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

/// Waits until a webhook has this many dead letters, and returns them.
pub(crate) async fn dead_letters(world: &World, webhook: Uuid, count: usize) -> Vec<Value> {
    let begun = Instant::now();
    loop {
        let answer = get(world, &format!("/v1/webhooks/{webhook}/dead-letters")).await;
        let letters = answer.json()["dead_letters"].as_array().unwrap().clone();
        if letters.len() == count {
            return letters;
        }
        assert!(begun.elapsed() < LIMIT, "{answer:?}");
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn every_event_arrives_in_order_and_signed() {
    let world = World::start_with(2, &QUICK).await;
    let sale = world.sale(300).await;
    let (all, later) =
        (Receiver::start(&[], Does::Take).await, Receiver::start(&[], Does::Take).await);
    buy(&world, 0, sale, "before").await;
    let body = json!({"url": all.url("/hook?a=b"), "sale_id": sale, "from_start": true});
    let made = make(&world, &body).await;
    // Of all sales, but only what happens from now on, and only this kind.
    let purchases = make(&world, &json!({"url": later.url("/"), "kinds": ["purchased"]})).await;
    let other = world.sale(1).await;
    let buyers: Vec<String> = (0..120).map(|number| format!("buyer-{number}")).collect();
    let buying = buyers.iter().enumerate();
    let buying = buying.map(|(number, buyer)| buy(&world, number % 2, sale, buyer));
    futures_util::future::join_all(buying).await;
    buy(&world, 1, other, "late").await;

    all.has_taken(&(1..=122).collect::<Vec<_>>()).await;
    for got in all.got() {
        got.verify(&made.secret);
        assert_eq!(got.path, "/hook");
        assert!(got.seqs().len() <= 100);
        assert_eq!(got.json()["sale_id"], sale.to_string());
        assert_eq!(got.json()["webhook_id"], made.id.to_string());
    }
    let first = &all.got()[0].json()["events"];
    assert_eq!(first[0]["kind"], "sale_created");
    assert_eq!(first[1]["claim"]["buyer"], "before");

    until("the purchases did not arrive", || later.taken().len() == 121).await;
    let of = |sale: Uuid| {
        let got =
            later.got().into_iter().filter(move |got| got.json()["sale_id"] == sale.to_string());
        got.flat_map(|got| got.seqs()).collect::<Vec<_>>()
    };
    assert_eq!(of(sale), (3..=122).collect::<Vec<_>>());
    assert_eq!(of(other), [2]);
    later.got().iter().for_each(|got| got.verify(&purchases.secret));
}

#[tokio::test]
async fn what_a_failing_receiver_did_not_take_comes_again_under_the_same_id() {
    let world = World::start_with(1, &QUICK).await;
    let sale = world.sale(3).await;
    let failing = [Does::Answer(500), Does::Hang, Does::Close, Does::Answer(302)];
    let failing = Receiver::start(&failing, Does::Take).await;
    let hanging = Receiver::start(&[], Does::Hang).await;
    make(&world, &json!({"url": hanging.url("/"), "from_start": true})).await;
    until("nothing came to the one that hangs", || !hanging.got().is_empty()).await;
    let made = make(&world, &json!({"url": failing.url("/"), "from_start": true})).await;
    until("nothing came", || !failing.got().is_empty()).await;
    // Events that come while one is sent again do not change what is sent.
    buy(&world, 0, sale, "ada").await;
    failing.has_taken(&[1, 2]).await;
    let got = failing.got();
    // Each way to fail, once; a redirect is one of them.
    assert_eq!(got.len(), 6, "{got:?}");
    for again in &got[1..5] {
        assert_eq!((&again.id, &again.body), (&got[0].id, &got[0].body));
        again.verify(&made.secret);
    }
    assert_ne!(got[5].id, got[0].id);
    assert!(hanging.taken().is_empty());
}

#[tokio::test]
async fn a_replica_that_is_killed_while_it_delivers_loses_nothing() {
    // Longer than the test: only its death ends the delivery.
    let patient = [QUICK[0], QUICK[1], QUICK[2], ("LEASEHOLD_WEBHOOK_TIMEOUT_MS", "20000")];
    let mut world = World::start_with(1, &patient).await;
    let sale = world.sale(10).await;
    let receiver = Receiver::start(&[Does::Take, Does::Hang], Does::Take).await;
    let made = make(&world, &json!({"url": receiver.url("/"), "from_start": true})).await;
    receiver.has_taken(&[1]).await;
    buy(&world, 0, sale, "ada").await;
    until("the second did not come", || receiver.got().len() == 2).await;
    buy(&world, 0, sale, "bob").await;
    world.replicas.push(world.config.start("replica-2").await.unwrap());
    world.replicas[0].process().kill().await.unwrap();
    buy(&world, 1, sale, "eve").await;
    receiver.has_taken(&[1, 2, 3, 4]).await;
    let got = receiver.got();
    assert_eq!(got[1].id, got[2].id, "the same events came under another id");
    got.iter().for_each(|got| got.verify(&made.secret));
}

#[tokio::test]
async fn a_replica_that_was_stopped_does_not_set_progress_back() {
    let patient = [QUICK[0], QUICK[1], QUICK[2], ("LEASEHOLD_WEBHOOK_TIMEOUT_MS", "20000")];
    let mut world = World::start_with(1, &patient).await;
    let sale = world.sale(10).await;
    let receiver = Receiver::start(&[Does::Hang], Does::Take).await;
    make(&world, &json!({"url": receiver.url("/"), "from_start": true})).await;
    until("the first did not come", || receiver.got().len() == 1).await;
    world.replicas.push(world.config.start("replica-2").await.unwrap());
    world.replicas[0].process().pause().unwrap();
    buy(&world, 1, sale, "ada").await;
    receiver.has_taken(&[1, 2]).await;
    world.replicas[0].process().resume().unwrap();
    // It is awake again, and sells; what it had in hand is not its own any more.
    buy(&world, 0, sale, "bob").await;
    receiver.has_taken(&[1, 2, 3]).await;
}

#[tokio::test]
async fn what_is_never_taken_is_put_aside_and_can_be_had_again() {
    let few = [QUICK[0], QUICK[1], QUICK[2], ("LEASEHOLD_WEBHOOK_ATTEMPTS", "2")];
    let world = World::start_with(1, &few).await;
    let sale = world.sale(3).await;
    let receiver = Receiver::start(&[], Does::Answer(503)).await;
    let made = make(&world, &json!({"url": receiver.url("/"), "from_start": true})).await;
    let letters = dead_letters(&world, made.id, 1).await;
    assert_eq!(letters[0]["sale_id"], sale.to_string());
    assert_eq!((&letters[0]["first_seq"], &letters[0]["last_seq"]), (&json!(1), &json!(1)));
    assert_eq!(letters[0]["attempts"], 2);
    assert_eq!(letters[0]["last_error"], "the receiver answered 503");
    assert_eq!(receiver.got().len(), 2);
    // Later events go on.
    receiver.turn_to(Does::Take);
    buy(&world, 0, sale, "ada").await;
    receiver.has_taken(&[2]).await;
    let path = format!("/v1/webhooks/{}/replay", made.id);
    let answer = post(&world, &path, "again", &json!({"sale_id": sale})).await;
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{answer:?}");
    assert_eq!(answer.json()["from_seq"], 1);
    receiver.has_taken(&[2, 1, 2]).await;
    dead_letters(&world, made.id, 0).await;
    // The same request is the same replay.
    let repeated = post(&world, &path, "again", &json!({"sale_id": sale})).await;
    assert!(repeated.replayed && repeated.body == answer.body, "{repeated:?}");
    let other = json!({"sale_id": sale, "from_seq": 2});
    assert_eq!(post(&world, &path, "again", &other).await.code(), "idempotency_key_reused");
    assert_eq!(post(&world, &path, "from 2".replace(' ', "-").as_str(), &other).await.status, 202);
    receiver.has_taken(&[2, 1, 2, 2]).await;
    let counted = "leasehold_webhook_deliveries_total{outcome=\"dead\"}";
    assert_eq!(world.counter(0, counted).await, 1);
}

#[tokio::test]
async fn a_webhook_that_led_to_this_machine_is_not_delivered_to_once_that_is_not_allowed() {
    let once = [QUICK[0], QUICK[1], QUICK[2], ("LEASEHOLD_WEBHOOK_ATTEMPTS", "1")];
    let mut world = World::start_with(1, &once).await;
    let receiver = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = receiver.local_addr().unwrap().port();
    let url = format!("https://localhost:{port}/");
    let made = make(&world, &json!({"url": url, "from_start": true})).await;
    world.replicas[0].stop().await.unwrap();
    world.config.env.push(("LEASEHOLD_WEBHOOK_PRIVATE".to_owned(), "false".to_owned()));
    world.replicas[0] = world.config.start("strict").await.unwrap();
    world.sale(1).await;
    let letters = dead_letters(&world, made.id, 1).await;
    let why = letters[0]["last_error"].as_str().unwrap();
    assert!(why.contains("public"), "{why}");
    let connected = tokio::time::timeout(std::time::Duration::ZERO, receiver.accept()).await;
    assert!(connected.is_err(), "somebody connected");
}

async fn refusals(world: &World, sale: Uuid) {
    let url = "https://example.com/hook";
    let long = format!("https://example.com/{}", "x".repeat(2000));
    let cases = [
        (400, json!({})),
        (400, json!({"url": 7})),
        (400, json!({"url": "example.com"})),
        (400, json!({"url": "http://example.com"})),
        (400, json!({"url": "http://127.0.0.1:1/"})),
        (400, json!({"url": "http://localhost/"})),
        (400, json!({"url": "https://localhost:8443/hook"})),
        (400, json!({"url": "https://127.1/"})),
        (400, json!({"url": "https://0x7f000001/"})),
        (400, json!({"url": "https://169.254.169.254/"})),
        (400, json!({"url": "https://a:b@example.com"})),
        (400, json!({"url": long})),
        (400, json!({"url": url, "extra": 1})),
        (400, json!({"url": url, "kinds": []})),
        (400, json!({"url": url, "kinds": ["sold"]})),
        (400, json!({"url": url, "sale_id": "x"})),
        (400, json!({"url": url, "from_start": 1})),
        (404, json!({"url": url, "sale_id": Uuid::from_u128(7)})),
    ];
    for (status, body) in cases {
        let answer = post(world, "/v1/webhooks", "k", &body).await;
        assert_eq!(answer.status, status, "{body} {answer:?}");
        assert_eq!(answer.content_type, "application/problem+json");
    }
    let nobody = format!("/v1/webhooks/{}", Uuid::from_u128(7));
    for path in [nobody.clone(), format!("{nobody}/dead-letters")] {
        assert_eq!(get(world, &path).await.status, 404, "{path}");
    }
    let replay = format!("{nobody}/replay");
    assert_eq!(post(world, &replay, "k", &json!({"sale_id": sale})).await.status, 404);
    for body in [json!({}), json!({"sale_id": "x"}), json!({"sale_id": sale, "from_seq": 0})] {
        assert_eq!(post(world, &replay, "k", &body).await.status, 400, "{body}");
    }
    assert_eq!(get(world, "/v1/webhooks/x").await.status, 400);
}

async fn delete(world: &World, id: Uuid) -> StatusCode {
    let request = Request::builder()
        .method("DELETE")
        .uri(format!("{}/v1/webhooks/{id}", world.replicas[0].url()))
        .header("authorization", format!("Bearer {}", world.shop.keys().admin))
        .body(Full::<Bytes>::default());
    world.shop.send(request.unwrap()).await.unwrap().status
}

#[tokio::test]
async fn wrong_requests_change_nothing_and_the_secret_is_shown_once() {
    let world = World::start(1).await;
    let sale = world.sale(1).await;
    refusals(&world, sale).await;
    assert_eq!(get(&world, "/v1/webhooks").await.json(), json!({"webhooks": [], "next": null}));

    let body = json!({"url": "https://example.com/hook", "sale_id": sale});
    let made = post(&world, "/v1/webhooks", "k", &body).await;
    let again = post(&world, "/v1/webhooks", "k", &body).await;
    assert_eq!((made.status, again.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert!(again.replayed && again.body == made.body, "{again:?}");
    let other = json!({"url": "https://example.com/hook"});
    assert_eq!(post(&world, "/v1/webhooks", "k", &other).await.code(), "idempotency_key_reused");

    let secret = made.json()["secret"].as_str().unwrap().to_owned();
    let id: Uuid = made.json()["webhook_id"].as_str().unwrap().parse().unwrap();
    let shown = get(&world, &format!("/v1/webhooks/{id}")).await;
    let listed = get(&world, "/v1/webhooks?limit=1").await;
    assert_eq!(listed.json()["webhooks"], json!([shown.json()]));
    let stored = get(&world, &format!("/v1/sales/{}/requests/k", Uuid::nil())).await;
    for answer in [shown, listed, stored] {
        assert!(!String::from_utf8_lossy(&answer.body).contains("whsec_"), "{answer:?}");
    }
    let url = format!("{}/v1/webhooks", world.replicas[0].url());
    assert_eq!(world.shop.get(&url).await.unwrap().code(), "forbidden");
    let buyer = &world.shop.keys().buyer;
    assert_eq!(world.shop.post(&url, buyer, "b", &other).await.unwrap().code(), "forbidden");

    for number in 1..100 {
        assert_eq!(post(&world, "/v1/webhooks", &format!("w{number}"), &other).await.status, 201);
    }
    assert_eq!(post(&world, "/v1/webhooks", "w100", &other).await.code(), "too_many_webhooks");
    assert_eq!(delete(&world, id).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(&world, id).await, StatusCode::NOT_FOUND);
    assert_eq!(post(&world, "/v1/webhooks", "w100", &other).await.status, 201);
    world.replicas[0].stop().await.unwrap();
    let log = std::fs::read_to_string(world.replicas[0].log_path()).unwrap();
    assert!(!log.contains(&secret) && !log.contains("whsec_"));
}
