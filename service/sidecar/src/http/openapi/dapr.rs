//! Dapr's lock routes: its own words for requests, answers and errors.

use leasehold::model::RESOURCE_BYTES_MAX;
use leasehold_kit::{
    auth::Scope::Holder,
    openapi::{
        Answer,
        Content::{Json, Nothing},
        Operation,
        schema::{Field, flag, integer, list_of, object, text, with},
    },
};
use serde_json::{Value, json};

use super::operations::answer;
use crate::{holding::TTL_MAX, http::code};

/// What Dapr says no with: its clients do not know problem documents.
const MALFORMED: Answer =
    answer(400, "The body cannot be read, or there is no such lock store.", Json("DaprError"));
const FAILED: Answer =
    answer(500, "No lock store is set up, or the lock cannot be asked for.", Json("DaprError"));

pub(super) const DAPR: &[Operation] = &[
    Operation {
        method: "post",
        path: "/v1.0-alpha1/lock/{store}",
        id: "daprLock",
        tag: "Dapr",
        summary: "Take a lock, as Dapr has it",
        about: "It is tried once, is not renewed, and has no token: who wants those uses `/v1/leases`. Any \
                content type will do.",
        scope: Some(Holder),
        query: &[],
        body: Some("DaprLock"),
        answers: &[answer(200, "Whether it is taken.", Json("DaprLocked")), MALFORMED, FAILED],
        codes: READING,
    },
    Operation {
        method: "post",
        path: "/v1.0-alpha1/unlock/{store}",
        id: "daprUnlock",
        tag: "Dapr",
        summary: "Give a lock back, as Dapr has it",
        about: "Any content type will do.",
        scope: Some(Holder),
        query: &[],
        body: Some("DaprUnlock"),
        answers: &[answer(200, "What it came to.", Json("DaprUnlocked")), MALFORMED, FAILED],
        codes: READING,
    },
    Operation {
        method: "get",
        path: "/v1.0/metadata",
        id: "daprMetadata",
        tag: "Dapr",
        summary: "Read what Dapr's clients ask first",
        about: "",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(200, "The app, and the lock stores.", Json("DaprMetadata"))],
        codes: &[&code::WEB_PAGE, &code::MISDIRECTED],
    },
    Operation {
        method: "get",
        path: "/v1.0/healthz",
        id: "daprHealth",
        tag: "Dapr",
        summary: "Ask whether the process answers, as Dapr's clients do",
        about: "",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(204, "It does.", Nothing)],
        codes: &[],
    },
    Operation {
        method: "get",
        path: "/v1.0/healthz/outbound",
        id: "daprOutboundHealth",
        tag: "Dapr",
        summary: "Ask whether the process answers, as Dapr's clients do before they begin",
        about: "",
        scope: None,
        query: &[],
        body: None,
        answers: &[answer(204, "It does.", Nothing)],
        codes: &[],
    },
];

/// Their bodies may have any content type.
const READING: &[&leasehold_kit::code::Code] = &[&code::BODY_TIMEOUT, &code::BODY_TOO_LARGE];

/// 1 to 86400 as a text.
pub(super) const SECONDS: &str =
    "^([1-9][0-9]{0,3}|[1-7][0-9]{4}|8[0-5][0-9]{3}|86[0-3][0-9]{2}|86400)$";

pub(super) fn store() -> Value {
    with(text(256), "examples", json!(["lockstore"]))
}

/// Whose lock.
fn of_lock() -> Vec<Field> {
    let resource = with(text(RESOURCE_BYTES_MAX), "examples", json!(["order-42"]));
    vec![
        ("resourceId", "The lock; `resource_id` will do. Without `||`.", resource),
        (
            "lockOwner",
            "Who wants or has it; `lock_owner` will do.",
            json!({ "type": "string", "minLength": 1, "examples": ["shop-1"] }),
        ),
    ]
}

pub(super) fn schemas() -> Vec<(&'static str, Value)> {
    let most = i64::try_from(TTL_MAX.as_secs()).unwrap_or(i64::MAX);
    let expiry = "For how long, in seconds; a string of digits will do, and so will \
                  `expiry_in_seconds`.";
    let expiry = json!({
        "description": expiry,
        "oneOf": [integer(1, most), { "type": "string", "pattern": SECONDS }],
        "examples": [60],
    });
    let lock = [of_lock(), vec![("expiryInSeconds", "", Value::Null)]].concat();
    let mut lock = open(object("A lock to be taken.", lock, &[]));
    lock["properties"]["expiryInSeconds"] = expiry;
    let status = "0: it was given back. 1: there was no such lock. 2: it is another owner's. 3: too few \
                  nodes answered.";
    let error = vec![
        ("errorCode", "What programs branch on.", text(64)),
        ("message", "What is wrong, for people.", json!({ "type": "string" })),
    ];
    vec![
        ("DaprLock", lock),
        ("DaprUnlock", open(object("A lock to be given back.", of_lock(), &[]))),
        (
            "DaprLocked",
            object("What it came to.", vec![("success", "Whether it is taken.", flag())], &[]),
        ),
        ("DaprUnlocked", object("What it came to.", vec![("status", status, integer(0, 3))], &[])),
        ("DaprError", object("An error as Dapr has it.", error, &[])),
        ("DaprMetadata", metadata()),
        ("DaprComponent", component()),
    ]
}

/// With other fields, too, which are ignored.
fn open(object: Value) -> Value {
    with(object, "additionalProperties", json!(true))
}

fn metadata() -> Value {
    let string = json!({ "type": "string" });
    let fields = vec![
        ("id", "The app's id.", string.clone()),
        ("runtimeVersion", "What this is.", string),
        ("components", "The lock stores.", list_of("DaprComponent")),
        ("extended", "Nothing.", json!({ "type": "object" })),
    ];
    object("What Dapr's clients ask first.", fields, &[])
}

fn component() -> Value {
    let string = json!({ "type": "string" });
    let fields = vec![
        ("name", "Its name.", string.clone()),
        ("type", "What Dapr would call it.", string.clone()),
        ("version", "Of its interface.", string.clone()),
        ("capabilities", "None.", json!({ "type": "array", "items": string })),
    ];
    object("A lock store.", fields, &[])
}
