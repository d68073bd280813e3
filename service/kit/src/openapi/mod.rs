//! An API's description, OpenAPI 3.1. What every service has (API keys, problems, request ids) is written
//! here; operations and schemas are a service's own.

mod loose;
mod operation;
mod problems;
pub mod schema;

use serde_json::{Map, Value, json};

pub use self::{
    loose::loose_ends,
    operation::{Answer, Content, Event, Operation},
    problems::problem,
};
use crate::{code::Code, request::REQUEST_ID_BYTES_MAX};

/// An API.
#[derive(Debug)]
pub struct Api {
    /// What it is called.
    pub title: &'static str,
    /// The version of what it belongs to.
    pub version: &'static str,
    /// What there is to know before the first request, as Markdown.
    pub about: &'static str,
    /// What operations are grouped by: names, and what is in them.
    pub tags: &'static [(&'static str, &'static str)],
    /// What can be asked for.
    pub operations: Vec<&'static Operation>,
    /// The service's table of codes, with all of [`COMMON`](crate::code::COMMON) in it.
    pub codes: &'static [&'static Code],
    /// What is said of API keys.
    pub keys: ApiKeys,
    /// Paths that load balancers ask: not counted, and never turned away.
    pub uncounted: &'static [&'static str],
    /// Codes that every operation with a scope can answer, beside those of its key.
    pub guarded: &'static [&'static Code],
    /// Describes a parameter in a path, from its name.
    pub in_path: fn(&str) -> Value,
    /// What all operations with a body have in common.
    pub writes: Writes,
    /// Parameters that operations share, by their names.
    pub parameters: Map<String, Value>,
    /// Headers that answers share, by their names; `RequestId` and `RetryAfter` are there without.
    pub headers: Map<String, Value>,
    /// What is sent and answered, by names; `Problem` must be among them.
    pub schemas: Map<String, Value>,
}

/// What is said of an API's keys.
#[derive(Clone, Copy, Debug)]
pub struct ApiKeys {
    /// Which scopes they have.
    pub about: &'static str,
    /// Whether the service may be run without any. Then only what needs the scope `admin` needs a key in
    /// any case.
    pub are_optional: bool,
}

/// What all operations with a body have in common.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writes {
    /// Parameters that each takes, by their names among the API's.
    pub parameters: &'static [&'static str],
    /// Headers that its answers may have, each with the name of its description among the API's.
    pub headers: &'static [(&'static str, &'static str)],
    /// Codes that each can answer, beside those of reading a body.
    pub codes: &'static [&'static Code],
}

impl Api {
    /// The description.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut paths: Map<String, Value> = Map::new();
        for operation in &self.operations {
            let item = paths.entry(operation.path).or_insert_with(|| json!({}));
            item[operation.method] = operation.written(self);
        }
        let tag = |(name, about): &(_, _)| json!({ "name": name, "description": about });
        json!({
            "openapi": "3.1.0",
            "info": {
                "title": self.title,
                "version": self.version,
                "description": self.about,
                "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
            },
            "tags": self.tags.iter().map(tag).collect::<Value>(),
            "paths": paths,
            "components": {
                "securitySchemes": { "api_key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": self.keys.about,
                } },
                "parameters": self.parameters,
                "headers": self.every_header(),
                "responses": problems::responses(self),
                "examples": problems::examples(self.codes),
                "schemas": self.schemas,
            },
        })
    }

    /// The description as it is served and committed, with a line break at its end.
    #[must_use]
    pub fn text(&self) -> String {
        // Plain values always serialise.
        let mut text = serde_json::to_string_pretty(&self.document()).unwrap_or_default();
        text.push('\n');
        text
    }

    fn every_header(&self) -> Map<String, Value> {
        let id = json!({
            "description": "The request's own `x-request-id`, or the id of its trace.",
            "required": true,
            "schema": { "type": "string", "minLength": 1, "maxLength": REQUEST_ID_BYTES_MAX },
        });
        let after = json!({
            "description": "In how many seconds to try again.",
            "schema": { "type": "integer", "minimum": 1 },
        });
        let ours = [("RequestId", id), ("RetryAfter", after)];
        let ours = ours.map(|(name, header)| (name.to_owned(), header));
        ours.into_iter().chain(self.headers.clone()).collect()
    }
}
