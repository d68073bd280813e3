//! The API's description, OpenAPI 3.1: made from the limits that the rules check and from the table of
//! codes; tests hold it against the router and against what requests and views really are.

mod further;
mod operations;
mod requests;
#[cfg(test)]
mod tests;
mod views;
mod webhooks;

use std::sync::LazyLock;

use axum::http::header;
use leasehold_kit::openapi::{
    Api, ApiKeys, Writes,
    schema::{or_else, text, uuid, with},
};
use serde_json::{Map, Value, json};

use super::{
    code,
    page::{LIMIT, LIMIT_MAX},
};
use crate::domain::{BUYER_CHARS_MAX, KEY_BYTES_MAX};

const ABOUT: &str = "\
Sells limited stock from many replicas, and never sells a unit twice.

Repeat safely: every POST and PATCH needs an `Idempotency-Key`, your own name for what you intend. The same \
request with the same key gets the first answer again, byte for byte, with `idempotency-replayed: true`; \
another request with that key is refused. A refusal stores nothing: the same key may be tried again. Keys are \
a sale's own.

Unknown means unknown: 504 `outcome_unknown`, and a connection that breaks, say that it may have happened or \
not. Send the same request with the same key until there is an answer, or read \
`/v1/sales/{sale_id}/requests/{key}`. Every other error but 500 says that nothing happened.

Errors are `application/problem+json`; programs branch on `code`. Bodies have at most 16 KiB, and fields that \
are not known are refused. Times are RFC 3339 in UTC with milliseconds; money is in minor units. Every answer \
has an `x-request-id`: the request's own, or ours.";

/// The description, as it is committed and served.
static TEXT: LazyLock<String> = LazyLock::new(|| api().text());

/// Whoever changes something says by a key of their own what they mean to do.
const WRITES: Writes = Writes {
    parameters: &["IdempotencyKey"],
    headers: &[("idempotency-replayed", "Replayed")],
    codes: &[&code::IDEMPOTENCY_KEY_MISSING, &code::IDEMPOTENCY_KEY_REUSED, &code::OUTCOME_UNKNOWN],
};

/// The API's description as JSON, with a line break at its end.
#[must_use]
pub fn description() -> &'static str {
    &TEXT
}

/// The table of error codes, as Markdown.
#[must_use]
pub fn table_of_codes() -> String {
    code::table()
}

/// `GET /v1/openapi.json`.
pub(super) async fn serve() -> ([(header::HeaderName, &'static str); 1], &'static str) {
    ([(header::CONTENT_TYPE, "application/json")], description())
}

fn api() -> Api {
    let mut schemas = Map::new();
    requests::all(&mut schemas);
    views::all(&mut schemas);
    webhooks::schemas(&mut schemas);
    Api {
        title: "Leasehold purchases",
        version: env!("CARGO_PKG_VERSION"),
        about: ABOUT,
        tags: operations::TAGS,
        operations: operations::all().collect(),
        codes: code::ALL,
        keys: ApiKeys {
            about: "An API key. It has a scope: `buyer`, `admin` (everything), or `metrics`.",
            are_optional: false,
        },
        uncounted: &["/livez", "/readyz"],
        guarded: &[],
        in_path,
        writes: WRITES,
        parameters: parameters(),
        headers: headers(),
        schemas,
    }
}

fn in_path(name: &str) -> Value {
    let about = match name {
        "key" => return json!({ "$ref": "#/components/parameters/Key" }),
        "sale_id" => "The sale's id.",
        _ => "Its id.",
    };
    json!({ "name": name, "in": "path", "required": true, "description": about, "schema": uuid() })
}

fn parameters() -> Map<String, Value> {
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema });
    let limit = json!({ "type": "integer", "minimum": 1, "maximum": LIMIT_MAX });
    let number = json!({ "type": "string", "pattern": "^[0-9]{1,18}$" });
    let of_before = "The `next` of the page before.";
    let buyer = query("buyer", "Whose.", text(BUYER_CHARS_MAX));
    let key = json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": KEY_BYTES_MAX });
    let about_key = "Your own name for what you intend: visible ASCII, new for every new intent, the same for \
                     every repetition. It may stand in quotation marks, which do not count.";
    let prefer = json!({
        "name": "Prefer",
        "in": "header",
        "required": false,
        "description": "`respond-async`: not to wait for what the command comes to, where it stands in a queue.",
        "schema": { "type": "string", "examples": ["respond-async"] },
    });
    let in_path = json!({
        "name": "key",
        "in": "path",
        "required": true,
        "description": "The `Idempotency-Key` of the request.",
        "schema": key,
    });
    let in_header = json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": true,
        "description": about_key,
        "schema": key,
    });
    let all = [
        ("Limit", query("limit", "Items of the page.", or_else(limit, json!(LIMIT)))),
        ("AfterSale", query("after", of_before, uuid())),
        ("AfterNumber", query("after", of_before, number)),
        ("Buyer", with(buyer, "required", json!(true))),
        ("Prefer", prefer),
        ("Key", in_path),
        ("IdempotencyKey", in_header),
    ];
    all.into_iter().map(|(name, parameter)| (name.to_owned(), parameter)).collect()
}

fn headers() -> Map<String, Value> {
    let replayed = json!({
        "description": "The answer is the first one again.",
        "schema": { "type": "string", "enum": ["true"] },
    });
    Map::from_iter([("Replayed".to_owned(), replayed)])
}
