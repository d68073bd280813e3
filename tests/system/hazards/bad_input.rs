//! Everything that a client can get wrong is a problem document with a stable code, and changes
//! nothing.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use leasehold_stack::{Answer, Keys};
use uuid::Uuid;

use crate::world::World;

const SALE: &str = r#"{"name":"x","capacity":1,"unit_price_minor":1,"currency":"EUR"}"#;
const BUY: &str = r#"{"buyer":"ada","quantity":1}"#;
const NOBODY: Uuid = Uuid::from_u128(7);

/// A request, and what is to be answered.
struct Case {
    status: u16,
    code: &'static str,
    method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Case {
    /// A POST that is right but for what the case changes.
    fn post(status: u16, code: &'static str, path: &str, api_key: &str, body: &str) -> Self {
        let headers = vec![
            ("authorization", format!("Bearer {api_key}")),
            ("content-type", "application/json".to_owned()),
            ("idempotency-key", "k".to_owned()),
        ];
        Self { status, code, method: "POST", path: path.to_owned(), headers, body: body.to_owned() }
    }

    fn get(status: u16, code: &'static str, path: &str, api_key: &str) -> Self {
        let headers = vec![("authorization", format!("Bearer {api_key}"))];
        Self { status, code, method: "GET", path: path.to_owned(), headers, body: String::new() }
    }

    fn without(mut self, header: &str) -> Self {
        self.headers.retain(|(name, _)| *name != header);
        self
    }

    fn with(self, header: &'static str, value: &str) -> Self {
        let mut without = self.without(header);
        without.headers.push((header, value.to_owned()));
        without
    }
}

fn api_keys(purchases: &str, keys: &Keys) -> Vec<Case> {
    vec![
        Case::post(401, "unauthorized", "/v1/sales", "wrong", SALE),
        Case::post(401, "unauthorized", "/v1/sales", &keys.admin, SALE).without("authorization"),
        Case::post(401, "unauthorized", "/v1/sales", "", SALE).with("authorization", "Basic eDp5"),
        Case::post(403, "forbidden", "/v1/sales", &keys.buyer, SALE),
        Case::post(401, "unauthorized", purchases, "", BUY),
        Case::post(401, "unauthorized", purchases, &"x".repeat(1000), BUY),
        Case::get(401, "unauthorized", &format!("/v1/purchases/{NOBODY}"), "wrong"),
        Case::get(401, "unauthorized", "/metrics", "").without("authorization"),
        Case::get(403, "forbidden", "/metrics", &keys.buyer),
    ]
}

fn idempotency_keys(purchases: &str, keys: &Keys) -> Vec<Case> {
    let buy = |code| Case::post(400, code, purchases, &keys.buyer, BUY);
    vec![
        Case::post(400, "idempotency_key_missing", "/v1/sales", &keys.admin, SALE)
            .without("idempotency-key"),
        buy("idempotency_key_missing").without("idempotency-key"),
        buy("invalid_request").with("idempotency-key", ""),
        buy("invalid_request").with("idempotency-key", "a b"),
        buy("invalid_request").with("idempotency-key", &"x".repeat(256)),
    ]
}

fn bodies(purchases: &str, keys: &Keys) -> Vec<Case> {
    let buy = |status, code, body: &str| Case::post(status, code, purchases, &keys.buyer, body);
    let mut cases = vec![
        buy(415, "unsupported_media_type", BUY).with("content-type", "text/plain"),
        buy(413, "body_too_large", &format!(r#"{{"buyer":"{}"}}"#, "x".repeat(20_000))),
        buy(409, "sold_out", r#"{"buyer":"ada","quantity":11}"#),
    ];
    let unreadable = [
        "",
        "{",
        "[]",
        r#"["ada",1]"#,
        r#"{"quantity":1}"#,
        r#"{"buyer":"ada","extra":1}"#,
        r#"{"buyer":"ada","buyer":"bob"}"#,
        r#"{"buyer":"ada","lines":[{"quantity":1,"quantity":2}]}"#,
        r#"{"buyer":""}"#,
        r#"{"buyer":"a\u0000b"}"#,
        r#"{"buyer":"ada","quantity":0}"#,
        r#"{"buyer":"ada","quantity":-1}"#,
        r#"{"buyer":"ada","quantity":1.5}"#,
        r#"{"buyer":"ada","quantity":1001}"#,
        r#"{"buyer":"ada","quantity":99999999999999999999}"#,
    ];
    cases.extend(unreadable.map(|body| buy(400, "invalid_request", body)));
    let sales = [
        SALE.replace("EUR", "eur"),
        SALE.replace("capacity\":1", "capacity\":0"),
        SALE.replace("capacity\":1", "capacity\":100000001"),
        SALE.replace("minor\":1", "minor\":-1"),
        SALE.replace("\"x\"", "\" \""),
        SALE.replace("\"x\"", &format!("\"{}\"", "x".repeat(201))),
        SALE.replace("\"x\"", "7"),
    ];
    cases.extend(
        sales.map(|body| Case::post(400, "invalid_request", "/v1/sales", &keys.admin, &body)),
    );
    cases
}

fn paths(purchases: &str, keys: &Keys) -> Vec<Case> {
    let Keys { buyer, .. } = keys;
    vec![
        Case::post(400, "invalid_request", "/v1/sales/not-a-uuid/purchases", buyer, BUY),
        Case::post(400, "invalid_request", "/v1/sales/%ff/purchases", buyer, BUY),
        Case::post(404, "not_found", &format!("/v1/sales/{NOBODY}/purchases"), buyer, BUY),
        Case::get(400, "invalid_request", "/v1/sales/7", buyer),
        Case::get(404, "not_found", &format!("/v1/sales/{NOBODY}"), buyer),
        Case::get(400, "invalid_request", "/v1/purchases/7", buyer),
        Case::get(404, "not_found", &format!("/v1/purchases/{NOBODY}"), buyer),
        Case::get(400, "invalid_request", "/v1/sales/%ff/requests/k", buyer),
        Case::get(400, "invalid_request", &format!("/v1/sales/{NOBODY}/requests/%ff"), buyer),
        Case::get(400, "invalid_request", "/assets/%ff", buyer),
        Case::get(404, "not_found", &format!("/v1/sales/{NOBODY}/claims?buyer=ada"), buyer),
        Case::get(404, "not_found", &format!("/v1/sales/{NOBODY}/events"), &keys.admin),
        Case::get(404, "not_found", &format!("/v1/sales/{NOBODY}/waiting-list"), &keys.admin),
        Case::get(404, "not_found", "/v2", buyer),
        Case::get(405, "method_not_allowed", purchases, buyer),
        Case::post(405, "method_not_allowed", "/livez", buyer, ""),
    ]
}

async fn send(world: &World, case: &Case) -> Answer {
    let url = format!("{}{}", world.replicas[0].url(), case.path);
    let mut request = Request::builder().method(case.method).uri(url);
    for (name, value) in &case.headers {
        request = request.header(*name, value);
    }
    let body = Full::from(Bytes::from(case.body.clone()));
    world.shop.send(request.body(body).unwrap()).await.unwrap()
}

#[tokio::test]
async fn bad_input_is_answered_with_a_stable_code_and_changes_nothing() {
    let world = World::start(1).await;
    let sale = world.sale(10).await;
    let (keys, purchases) = (world.shop.keys(), format!("/v1/sales/{sale}/purchases"));
    let mut cases = api_keys(&purchases, keys);
    cases.extend(idempotency_keys(&purchases, keys));
    cases.extend(bodies(&purchases, keys));
    cases.extend(paths(&purchases, keys));
    for case in cases {
        let what = format!("{} {} {:?} {:.80}", case.method, case.path, case.headers, case.body);
        let answer = send(&world, &case).await;
        let told = (answer.status.as_u16(), answer.code());
        assert_eq!(told, (case.status, case.code.to_owned()), "{what}: {answer:?}");
        assert_eq!(answer.content_type, "application/problem+json", "{what}");
        let problem = answer.json();
        assert_eq!(problem["status"], case.status, "{what}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{what}");
    }
    let books = world.books(sale).await;
    assert_eq!((books.sold, books.version, books.replies.len()), (0, 1, 0));
}
