//! An operation, and how it is written down.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Api,
    problems::{beside, named},
    schema::reference,
};
use crate::{
    auth::Scope,
    code::{self, Code, Common, StatusCode},
};

/// What a client can ask for. With a body, it changes something.
///
/// One that has answers of its own for errors reads its body itself, too: the codes of reading bodies are
/// then among its own, if it has them.
#[derive(Debug)]
pub struct Operation {
    /// In small letters.
    pub method: &'static str,
    /// With its parameters' names in braces.
    pub path: &'static str,
    /// Its name in programs that are generated.
    pub id: &'static str,
    /// Which of the API's tags it has.
    pub tag: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// What else there is to say; may be empty.
    pub about: &'static str,
    /// What its API key must allow, if it needs one.
    pub scope: Option<Scope>,
    /// Its parameters outside of the path, by their names among the API's.
    pub query: &'static [&'static str],
    /// The name of its body's schema.
    pub body: Option<&'static str>,
    /// What it is answered when all is well: one of these. One with the status of an error is how the
    /// operation says no in words of its own, where problems are not what its clients know.
    pub answers: &'static [Answer],
    /// Codes of its own, beside those of every operation of its kind.
    pub codes: &'static [&'static Code],
}

/// What it is answered when all is well.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// What it says.
    pub about: &'static str,
    /// What its body is.
    pub content: Content,
    /// Operations that go on from here: their ids, their path parameter, and the answer's field that
    /// it is taken from.
    pub links: &'static [(&'static str, &'static str, &'static str)],
}

/// What the body of an answer is.
#[derive(Debug)]
pub enum Content {
    /// JSON of the schema of this name.
    Json(&'static str),
    /// One of several schemas.
    Either(&'static [&'static str]),
    /// A text.
    Text,
    /// No body at all.
    Nothing,
    /// Server-sent events.
    Events,
    /// Server-sent events of these names.
    Stream(&'static [Event]),
    /// The API's description itself.
    Description,
}

/// A server-sent event.
#[derive(Clone, Copy, Debug)]
pub struct Event {
    /// Its name.
    pub name: &'static str,
    /// When it comes.
    pub about: &'static str,
    /// The name of its data's schema; the data are JSON.
    pub schema: &'static str,
}

/// Never turned away either: it is when there is too much to do that somebody looks.
const METRICS: &str = "/metrics";

impl Operation {
    /// The operation as OpenAPI has it.
    pub(super) fn written(&self, api: &Api) -> Value {
        let mut written = json!({
            "operationId": self.id,
            "tags": [self.tag],
            "summary": self.summary,
            "description": self.described(api),
            "security": self.security(api),
            "parameters": self.parameters(api),
            "responses": self.responses(api),
        });
        if let Some(name) = self.body {
            let media = json!({ "schema": reference(name) });
            written["requestBody"] =
                json!({ "required": true, "content": { "application/json": media } });
        }
        written
    }

    /// Whether it can be had without a key where the service has none.
    fn may_go_without(&self, api: &Api) -> bool {
        api.keys.are_optional && self.scope != Some(Scope::Admin)
    }

    fn security(&self, api: &Api) -> Value {
        let Some(scope) = self.scope else { return json!([]) };
        let key = json!({ "api_key": [scope.to_string()] });
        if self.may_go_without(api) { json!([key, {}]) } else { json!([key]) }
    }

    fn described(&self, api: &Api) -> String {
        let scope = self.scope.map_or_else(String::new, |scope| match scope {
            Scope::Admin => "Needs an API key of the scope `admin`.".to_owned(),
            other if self.may_go_without(api) => {
                format!("Needs an API key of the scope `{other}` or `admin`, where there are keys.")
            }
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

    fn parameters(&self, api: &Api) -> Value {
        let in_path = self.path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
        let of_a_write = if self.writes() { api.writes.parameters } else { &[] };
        let named = self.query.iter().chain(of_a_write);
        let named = named.map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
        in_path.map(api.in_path).chain(named).collect()
    }

    /// Codes that the kit answers with before the service sees the request, or if it fails.
    fn common_codes(&self, api: &Api) -> Vec<Common> {
        let mut codes = vec![code::INVALID_REQUEST, code::INTERNAL];
        if !api.uncounted.contains(&self.path) {
            codes.push(code::RATE_LIMITED);
            if self.path != METRICS {
                codes.push(code::OVERLOADED);
            }
        }
        if self.scope.is_some() {
            codes.extend([code::UNAUTHORIZED, code::FORBIDDEN]);
        }
        if self.writes() && !self.answers.iter().any(Answer::is_error) {
            codes.extend([code::BODY_TIMEOUT, code::BODY_TOO_LARGE, code::UNSUPPORTED_MEDIA_TYPE]);
        }
        codes
    }

    /// Every code that it can answer.
    fn every_code(&self, api: &Api) -> Vec<&'static Code> {
        let common = self.common_codes(api);
        let meant = |common: &Common| api.codes.iter().find(|code| code.name == common.name);
        let mut codes: Vec<_> = common.iter().filter_map(meant).copied().collect();
        if self.writes() {
            codes.extend(api.writes.codes);
        }
        if self.scope.is_some() {
            codes.extend(api.guarded);
        }
        codes.extend(self.codes);
        codes
    }

    /// What it can answer when not all is well: of each status, the codes.
    pub(super) fn problems(&self, api: &Api) -> BTreeMap<StatusCode, Vec<&'static Code>> {
        let mut by_status: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for code in self.every_code(api) {
            by_status.entry(code.status).or_default().push(code);
        }
        by_status
    }

    fn responses(&self, api: &Api) -> Value {
        let further = if self.writes() { api.writes.headers } else { &[] };
        let mut responses = Map::new();
        for answer in self.answers {
            let _none = responses.insert(answer.status.to_string(), answer.written(further));
        }
        for (status, codes) in self.problems(api) {
            let written = match responses.remove(status.as_str()) {
                Some(own) => beside(own, status, &codes),
                None => json!({ "$ref": format!("#/components/responses/{}", named(&codes)) }),
            };
            let _none = responses.insert(status.as_str().to_owned(), written);
        }
        Value::Object(responses)
    }
}

impl Answer {
    const fn is_error(&self) -> bool {
        self.status >= 400
    }

    fn written(&self, further: &[(&str, &str)]) -> Value {
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
            Content::Stream(events) => ("text/event-stream", stream(events, string)),
        };
        let mut headers = json!({ "x-request-id": { "$ref": "#/components/headers/RequestId" } });
        for (header, name) in further {
            headers[*header] = json!({ "$ref": format!("#/components/headers/{name}") });
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

/// A stream as text, which OpenAPI 3.1 knows no other word for; what its events are stands in an extension.
fn stream(events: &[Event], mut media: Value) -> Value {
    let events = events.iter().map(|event| {
        let described = json!({ "description": event.about, "data": reference(event.schema) });
        (event.name.to_owned(), described)
    });
    media["x-events"] = Value::Object(events.collect());
    media
}
