//! What is answered when not all is well.

use serde_json::{Map, Value, json};

use super::{
    Api,
    schema::{Field, integer, object, one_of, reference},
};
use crate::code::{Code, StatusCode};

/// The schema of problems, which an API has under the name `Problem`; further fields are optional.
#[must_use]
pub fn problem(codes: &[&'static Code], further: Vec<Field>) -> Value {
    let optional: Vec<&str> = further.iter().map(|(name, ..)| *name).collect();
    let string = json!({ "type": "string" });
    let own = vec![
        ("title", "The status in words.", string.clone()),
        ("status", "The status.", integer(400, 599)),
        ("code", "What programs branch on: stable.", one_of(codes.iter().map(|code| code.name))),
        ("detail", "What is wrong, for people.", string),
    ];
    object("Why a request was not done (RFC 9457).", [own, further].concat(), &optional)
}

/// The name of an answer with these codes, which operations share.
pub(super) fn named(codes: &[&Code]) -> String {
    codes.iter().map(|code| code.name).collect::<Vec<_>>().join(".")
}

/// The answers that operations share.
pub(super) fn responses(api: &Api) -> Value {
    let sets = api.operations.iter().flat_map(|operation| operation.problems(api));
    Value::Object(sets.map(|(status, codes)| (named(&codes), problems(status, &codes))).collect())
}

/// An answer in the operation's own words, with the problems that come with the same status.
pub(super) fn beside(mut own: Value, status: StatusCode, codes: &[&Code]) -> Value {
    let problems = problems(status, codes);
    let about = [&own, &problems].map(|one| one["description"].as_str().unwrap_or_default());
    own["description"] = json!(about.join("\n\n"));
    for part in ["headers", "content"] {
        for (name, value) in problems[part].as_object().into_iter().flatten() {
            own[part][name] = value.clone();
        }
    }
    own
}

/// A problem of every code.
pub(super) fn examples(codes: &[&Code]) -> Value {
    let examples = codes.iter().map(|code| {
        let value = json!({
            "title": code.status.canonical_reason().unwrap_or("error"),
            "status": code.status.as_u16(),
            "code": code.name,
            "detail": code.example,
        });
        (code.name.to_owned(), json!({ "summary": code.meaning, "value": value }))
    });
    Value::Object(examples.collect())
}

/// The answer of a status: what its codes mean, and what each looks like.
fn problems(status: StatusCode, codes: &[&Code]) -> Value {
    let meanings: Vec<_> =
        codes.iter().map(|code| format!("`{}`: {}.", code.name, code.meaning)).collect();
    let examples = codes.iter().map(|code| {
        (code.name.to_owned(), json!({ "$ref": format!("#/components/examples/{}", code.name) }))
    });
    let mut headers = json!({ "x-request-id": { "$ref": "#/components/headers/RequestId" } });
    let says_when = codes.iter().any(|code| code.meaning.contains("`Retry-After`"));
    let passes = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&status);
    match status {
        StatusCode::UNAUTHORIZED => {
            headers["WWW-Authenticate"] =
                json!({ "description": "How to authenticate.", "schema": { "type": "string" } });
        }
        _ if passes || says_when => {
            headers["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
        }
        _ => {}
    }
    let content = json!({ "schema": reference("Problem"), "examples": Map::from_iter(examples) });
    json!({
        "description": meanings.join("\n\n"),
        "headers": headers,
        "content": { "application/problem+json": content },
    })
}
