//! The API's description, OpenAPI 3.1: made from the limits that requests are checked against and from the
//! table of codes; tests hold it against the router and against what requests and views really are.

mod dapr;
mod operations;
mod requests;
mod streams;
#[cfg(test)]
mod tests;
mod views;

use std::sync::LazyLock;

use axum::http::header;
use leasehold_kit::openapi::{
    Api, ApiKeys, Writes,
    schema::{integer, nullable, or_else, with},
};
use serde_json::{Map, Value, json};

use self::requests::{id, name};
use super::{
    code,
    leases::{LIMIT, LIMIT_MAX},
};

const ABOUT: &str = "\
Leases with fencing tokens, for programs in any language: the sidecar beside a program holds leases on Redis \
or Valkey servers for it, and gives them back when the program dies.

A lease lasts as long as its program shows that it lives: bound to a link (`GET /v1/link`, a stream that the \
program keeps open), or for `ttl_ms` after it was acquired or renewed last. Do what the lease protects only \
for `valid_for_ms` after an answer, and give its `token` to what you write to: a store that has seen a larger \
token refuses. Tokens are strings, as programs that read numbers as doubles would round them.

Repeat safely: a request for a lease with a `request_id` of your own gets the same lease again, renewed, for \
as long as it is held. After a restart of the sidecar `attach` takes a lease over, with what you were told of \
it.

A sidecar without API keys asks for none: whoever reaches it may hold everything, and nobody may take leases \
away. Pages in a browser are not let in there, nor requests with a `Host` that is not this machine. With \
keys, each has a scope; a lease is its key's alone.

Errors are `application/problem+json`; programs branch on `code`. Bodies have at most 16 KiB, and fields that \
are not known are refused. Times are in milliseconds, and those that are left are rounded down. Every answer \
has an `x-request-id`: the request's own, or ours.";

/// The description, as it is committed and served.
static TEXT: LazyLock<String> = LazyLock::new(|| api().text());

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
    let schemas = [requests::all(), views::all(), streams::schemas(), dapr::schemas()];
    let named = schemas.into_iter().flatten();
    Api {
        title: "Leasehold sidecar",
        version: env!("CARGO_PKG_VERSION"),
        about: ABOUT,
        tags: operations::TAGS,
        operations: operations::all().collect(),
        codes: code::ALL,
        keys: ApiKeys {
            about: "An API key, where the sidecar has keys; one without asks for none. It has a scope: \
                    `holder` (leases on all resources, or on those with its prefixes), `admin` (everything, \
                    and taking leases away), or `metrics`. Dapr's clients send it as `dapr-api-token`.",
            are_optional: true,
        },
        uncounted: &["/livez", "/readyz", "/v1.0/healthz", "/v1.0/healthz/outbound"],
        guarded: &[&code::WEB_PAGE, &code::MISDIRECTED],
        in_path,
        writes: Writes::default(),
        parameters: parameters(),
        headers: Map::new(),
        schemas: named.map(|(name, schema)| (name.to_owned(), schema)).collect(),
    }
}

fn in_path(parameter: &str) -> Value {
    let (about, schema) = match parameter {
        "id" => ("The lease's id.", id()),
        "store" => ("The name of the lock store.", dapr::store()),
        "office" => ("The resource that is the office; a slash in it is written `%2F`.", name()),
        _ => ("The resource; a slash in its name is written `%2F`.", name()),
    };
    json!({ "name": parameter, "in": "path", "required": true, "description": about, "schema": schema })
}

fn parameters() -> Map<String, Value> {
    let query = |name: &str, about: &str, schema: Value| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": schema });
    let limit = or_else(integer(1, LIMIT_MAX), json!(LIMIT));
    let all = [
        ("Limit", query("limit", "Leases of the page.", limit)),
        ("After", query("after", "The `next` of the page before.", id())),
    ];
    all.into_iter().map(|(name, parameter)| (name.to_owned(), parameter)).collect()
}

/// The same or null, which is left out by most.
fn optional(schema: Value, example: &Value) -> Value {
    with(nullable(schema), "examples", json!([example]))
}
