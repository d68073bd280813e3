//! Whatever `openapi.json` does not allow is answered with a problem document that names the field, and
//! changes nothing: every field of every body, every parameter of every path and query.

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use leasehold_stack::Answer;
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    bad_values::{Schemas, bad_ids, bad_integers},
    world::World,
};

const DESCRIPTION: &str = include_str!("../../../service/purchase/openapi.json");

/// A request with one thing wrong.
#[derive(Debug)]
struct Case {
    method: String,
    path: String,
    body: Option<String>,
    /// What the answer must name.
    field: String,
}

/// What is wrong with an answer to a bad request; `None` if it is as it must be.
fn fault(case: &Case, answer: &Answer) -> Option<String> {
    let problem = answer.json();
    let detail = problem["detail"].as_str().unwrap_or_default();
    let told = (answer.status.as_u16(), answer.code());
    let what = if told != (400, "invalid_request".to_owned()) {
        "another answer"
    } else if answer.content_type != "application/problem+json" || problem["status"] != 400 {
        "no problem document"
    } else if !detail.contains(&case.field) {
        "the field is not named"
    } else {
        return None;
    };
    let Case { method, path, body, field } = case;
    let body = body.as_deref().unwrap_or_default();
    let said = String::from_utf8_lossy(&answer.body);
    Some(format!("{what}: {method} {path:.150} {body:.150} ({field}): {} {said}", answer.status))
}

#[test]
fn an_answer_that_is_wrong_is_noticed() {
    let case = Case { method: "POST".into(), path: "/".into(), body: None, field: "buyer".into() };
    let answer = |status: u16, content_type: &str, body: Value| Answer {
        status: status.try_into().unwrap(),
        replayed: false,
        content_type: content_type.to_owned(),
        retry_after: None,
        body: body.to_string().into(),
    };
    let problem = |status: u16, code: &str, detail: &str| json!({"status": status, "code": code, "detail": detail});
    let (kind, code, detail) =
        ("application/problem+json", "invalid_request", "buyer must be given");
    let right = answer(400, kind, problem(400, code, detail));
    assert_eq!(fault(&case, &right), None);
    for wrong in [
        answer(201, "application/json", json!({"buyer": "x"})),
        answer(500, kind, problem(500, "internal", "buyer: a fault of ours")),
        answer(400, kind, problem(400, "another", detail)),
        answer(400, kind, problem(500, code, detail)),
        answer(400, "text/plain", problem(400, code, detail)),
        answer(400, kind, problem(400, code, "something must be given")),
        answer(400, kind, json!("buyer")),
    ] {
        assert!(fault(&case, &wrong).is_some(), "{wrong:?}");
    }
}

/// What stands in a sale's path, so that only what is meant is wrong.
struct Known {
    sale: Uuid,
    claim: String,
    webhook: String,
}

impl Known {
    async fn make(world: &World) -> Self {
        let (sale, keys) = (world.sale(10).await, world.shop.keys());
        let url = |path: &str| format!("{}{path}", world.replicas[0].url());
        let bought = world.buy(0, sale, "ada").await.unwrap();
        let body = json!({"url": "https://example.com/", "sale_id": sale, "kinds": ["refund_due"]});
        let hook = world.shop.post(&url("/v1/webhooks"), &keys.admin, "hook", &body).await.unwrap();
        let id = |answer: Answer, name: &str| answer.json()[name].as_str().unwrap().to_owned();
        Self { sale, claim: id(bought, "purchase_id"), webhook: id(hook, "webhook_id") }
    }

    /// A value for a parameter of a path.
    fn right(&self, path: &str, name: &str) -> String {
        match name {
            "sale_id" => self.sale.to_string(),
            "key" => "k".to_owned(),
            _ if path.contains("/webhooks/") => self.webhook.clone(),
            _ => self.claim.clone(),
        }
    }

    fn path(&self, path: &str, parameters: &[Value]) -> String {
        let names = parameters.iter().filter(|parameter| parameter["in"] == "path");
        names.fold(path.to_owned(), |filled, parameter| {
            let name = parameter["name"].as_str().unwrap();
            filled.replace(&format!("{{{name}}}"), &self.right(path, name))
        })
    }
}

/// An operation's parameters, with those that it refers to.
fn parameters(description: &Value, operation: &Value) -> Vec<Value> {
    let resolve = |parameter: &Value| match parameter["$ref"].as_str() {
        Some(reference) => {
            let name = reference.rsplit('/').next().unwrap();
            description["components"]["parameters"][name].clone()
        }
        None => parameter.clone(),
    };
    operation["parameters"].as_array().into_iter().flatten().map(resolve).collect()
}

/// What a parameter must not be, ready for an address.
fn bad_parameter(schema: &Value) -> Vec<String> {
    let mut bad: Vec<String> = match schema["type"].as_str() {
        Some("integer") => {
            let mut bad = bad_integers(schema);
            bad.extend(["", "x", "%2B5", "0x5", "%205", "%00"].map(str::to_owned));
            bad
        }
        _ if schema["format"] == "uuid" => {
            let mut bad: Vec<_> = bad_ids().iter().map(|id| id.replace('/', "%2F")).collect();
            bad.extend(["%00", "%ff"].map(str::to_owned));
            bad
        }
        _ => vec!["%00".to_owned()],
    };
    match schema["pattern"].as_str() {
        Some("^[0-9]{1,18}$") => {
            let numbers =
                ["", "x", "-1", "1.5", "%2B5", "9223372036854775807", "9223372036854775808"];
            bad.extend(numbers.map(str::to_owned));
        }
        Some("^[!-~]+$") => bad.extend(["a%20b".to_owned(), "%C3%A9".to_owned()]),
        _ => {}
    }
    if let Some(most) = schema["maxLength"].as_u64() {
        bad.push("x".repeat(usize::try_from(most).unwrap() + 1));
    }
    bad
}

fn parameter_cases(known: &Known, path: &str, method: &str, parameters: &[Value]) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |path: String, field: &str| {
        let (method, field) = (method.to_uppercase(), field.to_owned());
        // Where a body is wanted, it is not looked at: the path is read first.
        cases.push(Case { method, path, body: None, field });
    };
    let needed = parameters.iter().filter(|p| p["in"] == "query" && p["required"] == true);
    let needed: String = needed.map(|p| format!("&{}=ada", p["name"].as_str().unwrap())).collect();
    for parameter in parameters {
        let name = parameter["name"].as_str().unwrap();
        for bad in bad_parameter(&parameter["schema"]) {
            match parameter["in"].as_str().unwrap() {
                "path" => {
                    let path = path.replace(&format!("{{{name}}}"), &bad);
                    // What cannot be read as text is not named; an id is called one.
                    let field =
                        if bad == "%ff" { "path" } else { name.trim_start_matches("sale_") };
                    case(known.path(&path, parameters), field);
                }
                "query" => {
                    let others = needed.replace(&format!("&{name}=ada"), "");
                    case(format!("{}?{name}={bad}{others}", known.path(path, parameters)), name);
                }
                _ => {}
            }
        }
        if parameter["in"] == "query" && parameter["required"] == true {
            case(known.path(path, parameters), name);
        }
    }
    if parameters.iter().any(|parameter| parameter["in"] == "query") {
        case(format!("{}?surplus=1{needed}", known.path(path, parameters)), "surplus");
    }
    cases
}

fn cases(known: &Known) -> Vec<Case> {
    let description: Value = serde_json::from_str(DESCRIPTION).unwrap();
    let schemas = Schemas(&description["components"]["schemas"]);
    let mut cases = Vec::new();
    for (path, operations) in description["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let parameters = parameters(&description, operation);
            cases.extend(parameter_cases(known, path, method, &parameters));
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            if schema.is_null() {
                continue;
            }
            for bad in schemas.bad_objects(schema, &schemas.right(schema)) {
                let (method, path) = (method.to_uppercase(), known.path(path, &parameters));
                cases.push(Case { method, path, body: Some(bad.text), field: bad.field });
            }
        }
    }
    cases
}

async fn send(world: &World, case: &Case, number: usize) -> Answer {
    let request = Request::builder()
        .method(&*case.method)
        .uri(format!("{}{}", world.replicas[0].url(), case.path))
        .header("authorization", format!("Bearer {}", world.shop.keys().admin))
        .header("content-type", "application/json")
        .header("idempotency-key", format!("case-{number}"));
    let body = case.body.clone().unwrap_or_else(|| "{}".to_owned());
    world.shop.send(request.body(Full::from(Bytes::from(body))).unwrap()).await.unwrap()
}

/// Everything that there is, in short.
async fn everything(world: &World) -> Vec<String> {
    let mut connection = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    sqlx::query_scalar(
        "select 'sale ' || s::text from sales s union all select 'claim ' || c::text from claims c \
         union all select 'event ' || e::text from events e \
         union all select 'reply ' || r::text from replies r \
         union all select 'webhook ' || w::text from webhooks w order by 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn what_the_description_does_not_allow_is_refused_by_name_and_changes_nothing() {
    let world = World::start(1).await;
    let known = Known::make(&world).await;
    let (cases, before) = (cases(&known), everything(&world).await);
    assert!(cases.len() > 500 && before.len() > 5, "{} cases, {before:?}", cases.len());
    let mut found = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        found.extend(fault(case, &send(&world, case, number).await));
    }
    assert!(found.is_empty(), "{} of {}:\n{}", found.len(), cases.len(), found.join("\n"));
    assert_eq!(everything(&world).await, before);
}
