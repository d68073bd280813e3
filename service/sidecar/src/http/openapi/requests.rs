//! The bodies of requests, with the limits that they are checked against.

use std::time::Duration;

use leasehold::{RESOURCES_MAX, model::RESOURCE_BYTES_MAX};
use leasehold_kit::openapi::schema::{
    Field, flag, integer, nullable, object, or_else, reference, with,
};
use serde_json::{Value, json};

use super::optional;
use crate::{
    holding::{REQUEST_ID_BYTES_MAX, TTL_MAX, TTL_MIN, WAIT_MAX},
    http::leases::TTL_MS,
};

/// Nothing that begins as the crate's own keys do, and no control characters.
const NAME: &str = r"^(?!leasehold:)[^\u0000-\u001f\u007f-\u009f]*$";

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let either = ["AcquireOne", "AcquireSlots", "AcquireSeveral"].map(reference);
    let acquire = json!({
        "description": "What is to be held. Several are held together or not at all.",
        "oneOf": either,
        "examples": [{ "resource": "orders/42", "ttl_ms": 30_000, "wait_ms": 5_000 }],
    });
    vec![
        ("Acquire", acquire),
        ("AcquireOne", acquire_one()),
        ("AcquireSlots", acquire_slots()),
        ("AcquireSeveral", acquire_several()),
        ("Renew", renew()),
        ("Attach", attach()),
    ]
}

/// The name of a resource. Its limit is one of bytes, which a schema can say of ASCII alone.
pub(super) fn name() -> Value {
    json!({
        "type": "string",
        "minLength": 1,
        "maxLength": RESOURCE_BYTES_MAX,
        "pattern": NAME,
        "examples": ["orders/42"],
    })
}

/// The name of a lease or a link.
pub(super) fn id() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["7c9e667974254de0944be07fc1f90ae7"] })
}

pub(super) fn token() -> Value {
    json!({ "type": "string", "pattern": "^[0-9]{4,19}$", "examples": ["1048576"] })
}

pub(super) fn holder() -> Value {
    json!({ "type": "string", "pattern": "^[0-9a-f]{32}$", "examples": ["0123456789abcdef0123456789abcdef"] })
}

pub(super) fn request_id() -> Value {
    json!({ "type": "string", "pattern": "^[!-~]+$", "minLength": 1, "maxLength": REQUEST_ID_BYTES_MAX })
}

/// Milliseconds.
pub(super) fn millis(least: Duration, most: Duration) -> Value {
    let whole = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
    integer(whole(least), whole(most))
}

pub(super) fn ttl() -> Value {
    millis(TTL_MIN, TTL_MAX)
}

fn a_name() -> Field {
    let about = "The name of what is held: at most 512 bytes of UTF-8. Programs that name the same exclude \
                 each other.";
    ("resource", about, name())
}

fn slots() -> Value {
    integer(1, i64::try_from(RESOURCES_MAX).unwrap_or(i64::MAX))
}

/// For how long something is held, how long it is waited for, and by which name.
fn terms() -> Vec<Field> {
    let ttl_about = "How long the lease lasts without a renewal; with a link, until that breaks.";
    let wait = "How long to wait while others hold it; 0 tries once.";
    let link = "The link that keeps it: the lease is given back when that breaks.";
    let request = "Your own name for this request: the same for every repetition, new for every new intent. \
                   It is free again when what it got is over.";
    vec![
        ("ttl_ms", ttl_about, or_else(nullable(ttl()), json!(TTL_MS))),
        ("wait_ms", wait, or_else(nullable(millis(Duration::ZERO, WAIT_MAX)), json!(0))),
        ("link", link, nullable(id())),
        ("request_id", request, optional(request_id(), &json!("order-42-pay"))),
    ]
}

const OPTIONAL: [&str; 5] = ["ttl_ms", "wait_ms", "link", "request_id", "every_slot"];

fn acquire_one() -> Value {
    let whole = object("One resource.", [vec![a_name()], terms()].concat(), &OPTIONAL);
    with(whole, "title", json!("one resource"))
}

fn acquire_slots() -> Value {
    let own = vec![
        a_name(),
        ("slots", "How many there are: everybody who uses them must say the same.", slots()),
        (
            "every_slot",
            "Whether to take all of them, as one who lets nobody else in.",
            or_else(nullable(flag()), json!(false)),
        ),
    ];
    let about = "One of several slots of a resource, as of a semaphore; or all of them, as a writer does \
                 whom readers share it with. The name has room for the slot's number: at most 504 bytes.";
    with(object(about, [own, terms()].concat(), &OPTIONAL), "title", json!("slots"))
}

fn acquire_several() -> Value {
    let names = json!({
        "type": "array",
        "items": name(),
        "minItems": 1,
        "maxItems": RESOURCES_MAX,
        "examples": [["accounts/1", "accounts/2"]],
    });
    let own = vec![("resources", "The names; one that stands twice counts once.", names)];
    let about = "Several resources, all or none: no two such requests wait for each other.";
    with(object(about, [own, terms()].concat(), &OPTIONAL), "title", json!("several resources"))
}

fn renew() -> Value {
    let fields = vec![
        (
            "ttl_ms",
            "How long it lasts from now on; as before, if it is not given.",
            optional(ttl(), &json!(30_000)),
        ),
        ("link", "The link that keeps it from now on; null: none does.", nullable(id())),
    ];
    object("That the program lives.", fields, &["ttl_ms", "link"])
}

fn attach() -> Value {
    let fields = vec![
        ("resource", "As it was answered.", name()),
        ("token", "As it was answered.", token()),
        ("holder", "As it was answered: a secret.", holder()),
        ("ttl_ms", "How long it lasts without a renewal.", or_else(nullable(ttl()), json!(TTL_MS))),
        ("link", "The link that keeps it.", nullable(id())),
    ];
    object("What the lease was when it was acquired.", fields, &["ttl_ms", "link"])
}
