//! Webhooks: what can be asked for, and what is shown.

use leasehold_kit::{
    auth::Scope::Admin,
    openapi::{
        Answer,
        Content::{Json, Nothing},
        Operation,
        schema::{
            Field, flag, integer, moment, nullable, object, one_of, or_else, text, uuid, with,
        },
    },
};
use serde_json::{Map, Value, json};

use crate::{
    domain::{Kind, REPLAY_FROM_MAX, URL_BYTES_MAX},
    http::code,
};

const fn answer(status: u16, about: &'static str, schema: &'static str) -> Answer {
    Answer { status, about, content: Json(schema), links: &[] }
}

const OF_A_WEBHOOK: &[(&str, &str, &str)] = &[
    ("readWebhook", "id", "webhook_id"),
    ("deleteWebhook", "id", "webhook_id"),
    ("listDeadLetters", "id", "webhook_id"),
];

const BASE: Operation = Operation {
    method: "get",
    path: "/v1/webhooks",
    id: "listWebhooks",
    tag: "Webhooks",
    summary: "List webhooks, newest first",
    about: "",
    scope: Some(Admin),
    query: &["Limit", "AfterSale"],
    body: None,
    answers: &[answer(200, "A page of webhooks.", "Webhooks")],
    codes: &[&code::UNAVAILABLE],
};

pub(super) const WEBHOOKS: &[Operation] = &[
    BASE,
    Operation {
        method: "post",
        id: "createWebhook",
        summary: "Have events told to an address",
        about: "Events of a sale come in order, up to a hundred in a delivery, at least once. Each delivery \
                is signed as Standard Webhooks has it; its `webhook-id` is the same when it is repeated.",
        query: &[],
        body: Some("NewWebhook"),
        answers: &[Answer {
            status: 201,
            about: "The webhook, and its secret.",
            content: Json("WebhookCreated"),
            links: OF_A_WEBHOOK,
        }],
        codes: &[&code::NOT_FOUND, &code::TOO_MANY_WEBHOOKS, &code::UNAVAILABLE],
        ..BASE
    },
    Operation {
        path: "/v1/webhooks/{id}",
        id: "readWebhook",
        summary: "Read a webhook",
        about: "Without its secret.",
        query: &[],
        answers: &[answer(200, "The webhook.", "Webhook")],
        codes: &[&code::NOT_FOUND, &code::UNAVAILABLE],
        ..BASE
    },
    Operation {
        method: "delete",
        path: "/v1/webhooks/{id}",
        id: "deleteWebhook",
        summary: "End a webhook",
        about: "A delivery that is under way may still arrive.",
        query: &[],
        answers: &[Answer { status: 204, about: "It is gone.", content: Nothing, links: &[] }],
        codes: &[&code::NOT_FOUND, &code::UNAVAILABLE, &code::OUTCOME_UNKNOWN],
        ..BASE
    },
    Operation {
        path: "/v1/webhooks/{id}/dead-letters",
        id: "listDeadLetters",
        summary: "Read what could not be delivered",
        about: "Oldest first.",
        query: &["Limit", "AfterNumber"],
        answers: &[answer(200, "A page of deliveries that were given up.", "DeadLetters")],
        codes: &[&code::NOT_FOUND, &code::UNAVAILABLE],
        ..BASE
    },
    Operation {
        method: "post",
        path: "/v1/webhooks/{id}/replay",
        id: "replayWebhook",
        summary: "Have events delivered again",
        about: "Without `from_seq`: from the oldest dead letter on, or from the sale's first event.",
        query: &[],
        body: Some("Replay"),
        answers: &[answer(202, "They will be.", "Replaying")],
        codes: &[&code::NOT_FOUND, &code::UNAVAILABLE],
        ..BASE
    },
];

pub(super) fn schemas(schemas: &mut Map<String, Value>) {
    let secret = ("secret", "What deliveries are signed with. Shown here only.", text(200));
    let created = object("A webhook that was just made.", [webhook(), vec![secret]].concat(), &[]);
    for (name, schema) in [
        ("NewWebhook", new_webhook()),
        ("Webhook", object("Where events go.", webhook(), &[])),
        ("WebhookCreated", created),
        ("Webhooks", super::views::page("webhooks", "Webhook")),
        ("DeadLetter", dead_letter()),
        ("DeadLetters", super::views::page("dead_letters", "DeadLetter")),
        ("Replay", replay()),
        ("Replaying", replaying()),
    ] {
        let _none = schemas.insert(name.to_owned(), schema);
    }
}

fn kinds() -> Value {
    let names = one_of(Kind::ALL.map(Kind::name));
    json!({ "type": "array", "items": names, "minItems": 1 })
}

fn url() -> Value {
    with(text(URL_BYTES_MAX), "examples", json!(["https://example.com/hook"]))
}

fn new_webhook() -> Value {
    let fields = vec![
        ("url", "Where events go: https, without a name or password in it.", url()),
        ("sale_id", "Of which sale; null or left out for all.", nullable(uuid())),
        ("kinds", "Which events; null or left out for all.", nullable(kinds())),
        (
            "from_start",
            "Whether it is told what happened before it was made.",
            or_else(flag(), json!(false)),
        ),
    ];
    object("A webhook to be made.", fields, &["sale_id", "kinds", "from_start"])
}

fn webhook() -> Vec<Field> {
    vec![
        ("webhook_id", "Its id.", uuid()),
        ("url", "Where events go.", text(URL_BYTES_MAX)),
        ("sale_id", "Of which sale; null for all.", nullable(uuid())),
        ("kinds", "Which events; null for all.", nullable(kinds())),
        ("active", "Whether it is told anything.", flag()),
        ("created_at", "When it was made.", moment()),
    ]
}

fn seq() -> Value {
    integer(1, REPLAY_FROM_MAX)
}

fn dead_letter() -> Value {
    let fields = vec![
        ("number", "Its place in the list.", integer(0, REPLAY_FROM_MAX)),
        ("sale_id", "Of which sale.", uuid()),
        ("first_seq", "The first event of the delivery.", seq()),
        ("last_seq", "The last one.", seq()),
        ("attempts", "How often it was tried.", integer(0, i64::from(i32::MAX))),
        ("last_error", "What came of the last attempt.", json!({ "type": "string" })),
        ("died_at", "When it was given up.", moment()),
    ];
    object("A delivery that was given up.", fields, &[])
}

fn replay() -> Value {
    let fields = vec![
        ("sale_id", "Of which sale.", uuid()),
        ("from_seq", "From which event on.", nullable(seq())),
    ];
    object("What is to be delivered again.", fields, &["from_seq"])
}

fn replaying() -> Value {
    let fields = vec![
        ("webhook_id", "To which webhook.", uuid()),
        ("sale_id", "Of which sale.", uuid()),
        ("from_seq", "From which event on.", seq()),
    ];
    object("What is delivered again.", fields, &[])
}
