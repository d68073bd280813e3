//! Reservations, late payments, refunds and the waiting list, over HTTP on real servers; and each time
//! the books: counts, log, and the sale that the log rebuilds.

use hyper::StatusCode;
use leasehold_stack::{Answer, audit::violations};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{LIMIT, World};

/// Nobody tidies: what is due has to count as free all the same.
const NO_SWEEPER: (&str, &str) = ("LEASEHOLD_SWEEP_MS", "86400000");

impl World {
    pub(crate) async fn sale_with(&self, terms: Value) -> Uuid {
        let mut body = json!({
            "name": "test", "capacity": 2, "unit_price_minor": 500, "currency": "EUR",
        });
        body.as_object_mut().unwrap().extend(terms.as_object().unwrap().clone());
        let answer = self.admin("/v1/sales", &body).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{:?}", answer.json());
        answer.json()["sale_id"].as_str().unwrap().parse().unwrap()
    }

    async fn admin(&self, path: &str, body: &Value) -> Answer {
        let (url, key) = (format!("{}{path}", self.replicas[0].url()), Uuid::new_v4().to_string());
        self.shop.post(&url, &self.shop.keys().admin, &key, body).await.unwrap()
    }

    /// A request of a buyer's under a new key, at any replica.
    async fn ask(&self, path: &str, body: Value) -> Answer {
        let replica = &self.replicas[fastrand::usize(..self.replicas.len())];
        let (url, key) = (format!("{}{path}", replica.url()), Uuid::new_v4().to_string());
        self.shop.post(&url, &self.shop.keys().buyer, &key, &body).await.unwrap()
    }

    pub(crate) async fn reserve(&self, sale: Uuid, buyer: &str, quantity: u32) -> Answer {
        let body = json!({"buyer": buyer, "quantity": quantity});
        self.ask(&format!("/v1/sales/{sale}/reservations"), body).await
    }

    pub(crate) async fn wait(&self, sale: Uuid, buyer: &str, quantity: u32) -> Answer {
        let body = json!({"buyer": buyer, "quantity": quantity, "wait": true});
        self.ask(&format!("/v1/sales/{sale}/reservations"), body).await
    }

    async fn of(&self, id: &str, what: &str, body: Value) -> Answer {
        self.ask(&format!("/v1/reservations/{id}/{what}"), body).await
    }

    pub(crate) async fn change(
        &self,
        replica: usize,
        sale: Uuid,
        terms: Value,
    ) -> anyhow::Result<Answer> {
        let (url, key) =
            (format!("{}/v1/sales/{sale}", self.replicas[replica].url()), Uuid::new_v4());
        self.shop.patch(&url, &self.shop.keys().admin, &key.to_string(), &terms).await
    }

    async fn claim(&self, id: &str) -> Value {
        let url = format!("{}/v1/reservations/{id}", self.replicas[0].url());
        self.shop.get(&url).await.unwrap().json()
    }

    pub(crate) async fn assert_books(&self, sale: Uuid) {
        let found = violations(&self.books(sale).await, &[]);
        // Nobody kept a list of what these buyers were told.
        let found: Vec<_> =
            found.iter().filter(|text| !text.contains("asked for by nobody")).collect();
        assert!(found.is_empty(), "{found:?}");
    }
}

fn id(answer: &Answer) -> String {
    let body = answer.json();
    let id = body["reservation_id"].as_str().or_else(|| body["purchase_id"].as_str());
    assert!(id.is_some(), "no id: {} {body}", answer.status);
    id.unwrap().to_owned()
}

#[track_caller]
fn assert_answer(answer: &Answer, status: u16, code_or_status: &str) {
    let body = answer.json();
    let told = body["code"].as_str().or_else(|| body["status"].as_str());
    assert_eq!((answer.status.as_u16(), told), (status, Some(code_or_status)), "{body}");
}

#[tokio::test]
async fn an_expired_reservation_is_free_in_the_very_write_that_sells_it_although_nobody_tidies() {
    let world = World::start_with(2, &[NO_SWEEPER]).await;
    let sale = world.sale_with(json!({"reservation_seconds": 1})).await;
    let reserved = world.reserve(sale, "ada", 2).await;
    assert_answer(&reserved, 201, "pending");
    let begun = std::time::Instant::now();
    let bought = loop {
        let answer = world.buy(1, sale, "bob").await.unwrap();
        if answer.status == StatusCode::CREATED {
            break answer;
        }
        assert_answer(&answer, 409, "sold_out");
        assert!(begun.elapsed() < LIMIT, "never free again");
    };
    assert_answer(&bought, 201, "confirmed");
    assert_answer(
        &world.of(&id(&reserved), "confirm", json!({"buyer": "ada"})).await,
        409,
        "wrong_status",
    );
    let books = world.books(sale).await;
    let [expired, purchased] = &books.events[2..] else { panic!("{:?}", books.events) };
    assert_eq!(
        (expired.event.kind().name(), purchased.event.kind().name()),
        ("expired", "purchased")
    );
    assert_eq!(expired.at, purchased.at, "two writes");
    let deadline = world.claim(&id(&reserved)).await["expires_at"].as_str().unwrap().to_owned();
    assert!(expired.at.to_string() >= deadline, "{} before {deadline}", expired.at);
    world.assert_books(sale).await;
}

#[tokio::test]
async fn what_is_due_is_tidied_without_anybody_asking() {
    let world = World::start_with(1, &[("LEASEHOLD_SWEEP_MS", "100")]).await;
    let sale = world.sale_with(json!({"reservation_seconds": 1})).await;
    let reserved = id(&world.reserve(sale, "ada", 1).await);
    let begun = std::time::Instant::now();
    while world.claim(&reserved).await["status"] != "expired" {
        assert!(begun.elapsed() < LIMIT, "never tidied");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.books(sale).await.held, 0);
    world.assert_books(sale).await;
}

#[tokio::test]
async fn a_reservation_is_confirmed_cancelled_or_paid_too_late_and_nothing_paid_is_lost() {
    let world = World::start(2).await;
    let sale = world.sale_with(json!({"capacity": 3})).await;
    let (first, second) =
        (world.reserve(sale, "ada", 1).await, world.reserve(sale, "bob", 1).await);
    let (ada, bob) = (id(&first), id(&second));
    assert_answer(&world.of(&ada, "confirm", json!({"buyer": "eve"})).await, 403, "not_yours");
    let nobody = Uuid::from_u128(7).to_string();
    assert_answer(&world.of(&nobody, "confirm", json!({"buyer": "ada"})).await, 404, "not_found");
    let payment = |amount: i64, currency: &str| json!({"amount_minor": amount, "currency": currency, "reference": "pay-1"});
    let wrong = json!({"buyer": "ada", "payment": payment(499, "EUR")});
    assert_answer(&world.of(&ada, "confirm", wrong).await, 422, "wrong_amount");
    let dollars = json!({"buyer": "ada", "payment": payment(500, "USD")});
    assert_answer(&world.of(&ada, "confirm", dollars).await, 422, "wrong_currency");
    let paid = json!({"buyer": "ada", "payment": payment(500, "EUR")});
    assert_answer(&world.of(&ada, "confirm", paid).await, 200, "confirmed");
    assert_answer(&world.of(&ada, "cancel", json!({"buyer": "ada"})).await, 409, "wrong_status");
    assert_answer(&world.of(&bob, "cancel", json!({"buyer": "bob"})).await, 200, "cancelled");

    // Too late: granted again while something is left, otherwise the money is owed.
    let sooner = world.change(0, sale, json!({"reservation_seconds": 1})).await;
    assert_eq!(sooner.unwrap().status, StatusCode::OK);
    let late = id(&world.reserve(sale, "eve", 2).await);
    let begun = std::time::Instant::now();
    while world.claim(&late).await["status"] != "expired" {
        assert!(begun.elapsed() < LIMIT, "never expired");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(world.buy(0, sale, "joe").await.unwrap().status, StatusCode::CREATED);
    let paid = json!({"buyer": "eve", "payment": payment(1000, "EUR")});
    assert_answer(&world.of(&late, "confirm", paid).await, 200, "paid_unfulfilled");
    let books = world.books(sale).await;
    let kinds: Vec<_> =
        books.events.iter().rev().take(2).map(|event| event.event.kind().name()).collect();
    assert_eq!(kinds, ["refund_due", "paid_unfulfilled"]);
    world.assert_books(sale).await;
}

#[tokio::test]
async fn who_waits_has_a_place_leaves_it_or_is_offered_what_comes_back() {
    let world = World::start(2).await;
    let sale = world.sale_with(json!({})).await;
    let bought = world
        .ask(
            &format!("/v1/sales/{sale}/purchases"),
            json!({"buyer": "ada", "lines": [{"quantity": 1}, {"quantity": 1}]}),
        )
        .await;
    assert_answer(&bought, 201, "confirmed");
    let bob = world.wait(sale, "bob", 1).await;
    assert_answer(&bob, 202, "waiting");
    let eve = world.wait(sale, "eve", 1).await;
    assert_eq!(
        (bob.json()["position"].as_u64(), eve.json()["position"].as_u64()),
        (Some(1), Some(2))
    );
    assert_answer(&world.of(&id(&bob), "cancel", json!({"buyer": "bob"})).await, 200, "cancelled");
    assert_eq!(world.claim(&id(&eve)).await["position"], 1);
    let refund = format!("/v1/purchases/{}/refunds", id(&bought));
    assert_eq!(world.ask(&refund, json!({})).await.status, StatusCode::FORBIDDEN);
    assert_answer(&world.admin(&refund, &json!({"quantity": 3})).await, 409, "refund_too_large");
    assert_answer(&world.admin(&refund, &json!({"quantity": 1})).await, 200, "confirmed");
    assert_eq!(world.claim(&id(&eve)).await["status"], "pending");
    assert_answer(&world.buy(0, sale, "new").await.unwrap(), 409, "sold_out");
    assert_answer(&world.of(&id(&eve), "confirm", json!({"buyer": "eve"})).await, 200, "confirmed");
    world.assert_books(sale).await;
}

#[tokio::test]
async fn terms_change_while_selling_and_a_key_tells_what_it_was_answered() {
    let world = World::start(1).await;
    let sale = world.sale_with(json!({"per_buyer_max": 1})).await;
    assert_eq!(world.buy(0, sale, "ada").await.unwrap().status, StatusCode::CREATED);
    let more = world.reserve(sale, "ada", 1).await;
    assert_answer(&more, 409, "limit_reached");
    let change = async |terms: Value| world.change(0, sale, terms).await.unwrap();
    assert_eq!(change(json!({"capacity": 1, "per_buyer_max": null})).await.status, StatusCode::OK);
    assert_eq!(change(json!({"capacity": 0})).await.code(), "invalid_request");
    assert_answer(&world.buy(0, sale, "bob").await.unwrap(), 409, "sold_out");
    assert_eq!(change(json!({"allowance": 1})).await.json()["left"], 1);
    assert_eq!(world.buy(0, sale, "bob").await.unwrap().status, StatusCode::CREATED);
    let two = change(json!({"allowance": 0})).await;
    assert_eq!((two.status.as_u16(), two.code().as_str()), (409, "below_sold"));

    // Keys of these buyers are their names.
    let url = |key: &str| format!("{}/v1/sales/{sale}/requests/{key}", world.replicas[0].url());
    let told = world.shop.get(&url("bob")).await.unwrap();
    let first = world.buy(0, sale, "bob").await.unwrap();
    assert_eq!((told.status, &told.body), (StatusCode::CREATED, &first.body));
    assert_eq!(world.shop.get(&url("eve")).await.unwrap().status, StatusCode::NOT_FOUND);
    world.assert_books(sale).await;
}

#[tokio::test]
async fn a_sale_that_may_goes_on_without_leases_and_back() {
    let mut world = World::start_with(2, &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "200")]).await;
    let sale = world.sale_with(json!({"capacity": 9, "without_leases": "continue"})).await;
    let strict = world.sale_with(json!({})).await;
    assert_eq!(world.buy(0, sale, "before").await.unwrap().status, StatusCode::CREATED);
    for node in &mut world.stack.nodes {
        node.kill().await.unwrap();
    }
    for (replica, buyer) in [(0, "ada"), (1, "bob"), (0, "eve"), (1, "joe")] {
        let answer = world.buy(replica, sale, buyer).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{buyer}: {}", answer.json());
    }
    assert_answer(&world.buy(0, strict, "ada").await.unwrap(), 503, "unavailable");
    let books = world.books(sale).await;
    assert!(books.batches.iter().skip(2).all(|batch| batch.token.is_none()), "{:?}", books.batches);
    for node in &mut world.stack.nodes {
        node.restart().await.unwrap();
    }
    let begun = std::time::Instant::now();
    let mut number = 0;
    while world.books(sale).await.batches.last().unwrap().token.is_none() {
        assert!(begun.elapsed() < LIMIT, "leases are never used again");
        number += 1;
        let answer = world.buy(0, sale, &format!("after-{number}")).await.unwrap();
        assert!(matches!(answer.status.as_u16(), 201 | 409), "{}", answer.json());
        assert_ne!(answer.code(), "unavailable");
        let more = json!({"capacity": 9 + number});
        let _changed = world.change(0, sale, more).await.unwrap();
    }
    world.assert_books(sale).await;
}
