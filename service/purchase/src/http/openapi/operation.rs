//! An operation, and how it is written down.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use leasehold_kit::auth::Scope;
use serde_json::{Map, Value, json};

use super::schema::{reference, uuid};
use crate::http::code;
use leasehold_kit::code::Code;

/// What a client can ask for.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    /// Its name in programs that are generated.
    pub(super) id: &'static str,
    pub(super) tag: &'static str,
    pub(super) summary: &'static str,
    pub(super) about: &'static str,
    /// What its API key must allow, if it needs one.
    pub(super) scope: Option<Scope>,
    pub(super) query: &'static [&'static str],
    /// The schema of its body.
    pub(super) body: Option<&'static str>,
    pub(super) answers: &'static [Answer],
    /// Codes of its own, beside those of every operation of its kind.
    pub(super) codes: &'static [&'static Code],
}

/// What it is answered when all is well.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) about: &'static str,
    pub(super) content: Content,
    /// Operations that go on from here: their ids, their path parameter, and the answer's field that
    /// it is taken from.
    pub(super) links: &'static [(&'static str, &'static str, &'static str)],
}

pub(super) enum Content {
    /// JSON of this schema.
    Json(&'static str),
    /// One of several schemas.
    Either(&'static [&'static str]),
    Text,
    /// No body at all.
    Nothing,
    Events,
    Description,
}

/// What a load balancer asks: not counted, and never turned away.
const UNCOUNTED: [&str; 2] = ["/livez", "/readyz"];

impl Operation {
    /// The operation as OpenAPI has it.
    pub(super) fn written(&self) -> Value {
        let mut written = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.described(),
            "security": self.scope.map_or_else(|| json!([]), |scope| json!([{ "api_key": [scope.to_string()] }])),
            "parameters": self.parameters(),
            "responses": self.responses(),
        });
        if let Some(name) = self.body {
            let media = json!({ "schema": reference(name) });
            written["requestBody"] =
                json!({ "required": true, "content": { "application/json": media } });
        }
        written
    }

    fn described(&self) -> String {
        let scope = self.scope.map_or_else(String::new, |scope| match scope {
            Scope::Admin => "Needs an API key of the scope `admin`.".to_owned(),
            other => format!("Needs an API key of the scope `{other}` or `admin`."),
        });
        [self.about, &scope]
            .iter()
            .filter(|text| !text.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    fn writes(&self) -> bool {
        self.body.is_some()
    }

    fn parameters(&self) -> Value {
        let in_path = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let path = in_path.map(|name| match name {
            "key" => json!({ "$ref": "#/components/parameters/Key" }),
            id => {
                let of = if id == "sale_id" { "The sale's id." } else { "Its id." };
                json!({ "name": id, "in": "path", "required": true, "description": of, "schema": uuid() })
            }
        });
        let named = self.query.iter().copied().chain(self.writes().then_some("IdempotencyKey"));
        let named = named.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
        path.chain(named).collect()
    }

    /// Every code that it can answer.
    fn every_code(&self) -> Vec<&'static Code> {
        let mut codes = vec![&code::INVALID_REQUEST, &code::INTERNAL];
        if !UNCOUNTED.contains(&self.path) {
            codes.push(&code::RATE_LIMITED);
            if self.path != "/metrics" {
                codes.push(&code::OVERLOADED);
            }
        }
        if self.scope.is_some() {
            codes.extend([&code::UNAUTHORIZED, &code::FORBIDDEN]);
        }
        if self.writes() {
            codes.extend([
                &code::IDEMPOTENCY_KEY_MISSING,
                &code::BODY_TIMEOUT,
                &code::BODY_TOO_LARGE,
                &code::UNSUPPORTED_MEDIA_TYPE,
                &code::IDEMPOTENCY_KEY_REUSED,
                &code::OUTCOME_UNKNOWN,
            ]);
        }
        codes.extend(self.codes);
        codes
    }

    /// What it can answer when not all is well: of each status, the codes.
    fn problems(&self) -> BTreeMap<StatusCode, Vec<&'static Code>> {
        let mut by_status: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for code in self.every_code() {
            by_status.entry(code.status).or_default().push(code);
        }
        by_status
    }

    fn responses(&self) -> Value {
        let mut responses = Map::new();
        for answer in self.answers {
            let _none = responses.insert(answer.status.to_string(), answer.written(self.writes()));
        }
        for (status, codes) in self.problems() {
            let shared = json!({ "$ref": format!("#/components/responses/{}", named(&codes)) });
            let _none = responses.insert(status.as_str().to_owned(), shared);
        }
        Value::Object(responses)
    }
}

impl Answer {
    fn written(&self, of_a_write: bool) -> Value {
        let json = |schema: Value| ("application/json", json!({ "schema": schema }));
        let string = json!({ "schema": { "type": "string" } });
        let (media, content) = match self.content {
            Content::Json(name) => json(reference(name)),
            Content::Either(names) => {
                let names: Vec<_> = names.iter().map(|name| reference(name)).collect();
                json(json!({ "anyOf": names }))
            }
            Content::Description => json(json!({ "type": "object" })),
            Content::Nothing => ("", Value::Null),
            Content::Text => ("text/plain", string),
            Content::Events => ("text/event-stream", string),
        };
        let mut headers = json!({ "x-request-id": { "$ref": "#/components/headers/RequestId" } });
        if of_a_write {
            headers["idempotency-replayed"] = json!({ "$ref": "#/components/headers/Replayed" });
        }
        let mut written = json!({ "description": self.about, "headers": headers });
        if !content.is_null() {
            written["content"] = json!({ media: content });
        }
        if !self.links.is_empty() {
            let links = self.links.iter().map(|(to, parameter, field)| {
                let from = format!("$response.body#/{field}");
                let link = json!({ "operationId": to, "parameters": { *parameter: from } });
                ((*to).to_owned(), link)
            });
            written["links"] = Value::Object(links.collect());
        }
        written
    }
}

/// The name of an answer with these codes, which operations share.
fn named(codes: &[&Code]) -> String {
    codes.iter().map(|code| code.name).collect::<Vec<_>>().join(".")
}

/// The answers that operations share.
pub(super) fn responses<'a>(operations: impl Iterator<Item = &'a Operation>) -> Value {
    let sets = operations.flat_map(Operation::problems);
    Value::Object(sets.map(|(status, codes)| (named(&codes), problems(status, &codes))).collect())
}

/// A problem of every code.
pub(super) fn examples() -> Value {
    let examples = code::ALL.iter().map(|code| {
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
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
            headers["Retry-After"] = json!({ "$ref": "#/components/headers/RetryAfter" });
        }
        StatusCode::UNAUTHORIZED => {
            headers["WWW-Authenticate"] =
                json!({ "description": "How to authenticate.", "schema": { "type": "string" } });
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
