//! What is answered.

use leasehold_kit::openapi::{
    problem,
    schema::{
        Field, integer, list_of, moment, nullable, object, one_of, reference, text, uuid, with,
    },
};
use serde_json::{Map, Value, json};

use super::requests::{buyer, currency, fixed, quantity, terms};
use crate::{
    domain::{
        CAPACITY_MAX, Kind, PRICE_MINOR_MAX, QUANTITY_MAX, REFERENCE_CHARS_MAX, Status, VERSION_MAX,
    },
    http::{code, commands::STATUSES},
};

/// More than a sale ever counts.
const MANY: i64 = VERSION_MAX;

pub(super) fn all(schemas: &mut Map<String, Value>) {
    let claims = page("claims", "Claim");
    for (name, schema) in [
        ("Terms", object("A sale's terms.", [terms(), fixed()].concat(), &[])),
        ("Sale", sale()),
        ("Sales", page("sales", "Sale")),
        ("ClaimReply", object(CLAIM, claim(), &EITHER)),
        ("Claim", object(CLAIM, [claim(), granted()].concat(), &EITHER)),
        ("Claims", claims),
        ("Command", command()),
        ("CommandAnswer", command_answer()),
        ("EventClaim", event_claim()),
        ("Event", event()),
        ("Events", page("events", "Event")),
        ("Problem", of_problems()),
    ] {
        let _none = schemas.insert(name.to_owned(), schema);
    }
}

const CLAIM: &str = "One buyer's hold on units of one sale. It has one id for life: a reservation's is its \
                     purchase's.";

/// Which of them stands there tells what it is.
const EITHER: [&str; 2] = ["purchase_id", "reservation_id"];

fn units(least: i64) -> Value {
    integer(least, 2 * i64::from(CAPACITY_MAX))
}

fn sale() -> Value {
    let states = ["announced", "open", "sold_out", "closed"];
    let own = vec![
        ("sale_id", "Its id.", uuid()),
        ("sold", "Units that are bought.", units(0)),
        ("held", "Units that are reserved.", units(0)),
        ("waiting", "Claims in the waiting list.", units(0)),
        ("left", "Units that whoever comes now may have: none while others wait.", units(0)),
        ("state", "Whether it sells. `sold_out` is for now: units may come back.", one_of(states)),
        ("version", "Number of its last event.", integer(1, MANY)),
    ];
    object("A sale.", [own, terms(), fixed()].concat(), &[])
}

fn total() -> Field {
    let most = PRICE_MINOR_MAX * i64::from(QUANTITY_MAX);
    ("total_minor", "The price of all units, in minor units.", integer(0, most))
}

fn expires() -> Field {
    ("expires_at", "Until when a pending reservation holds its units.", nullable(moment()))
}

fn paid_as() -> Field {
    let about = "What the payment is called where it was made.";
    ("payment_reference", about, nullable(text(REFERENCE_CHARS_MAX)))
}

fn claim() -> Vec<Field> {
    let place = "Place in the waiting list, from 1; null for who does not wait.";
    let ids = vec![
        ("purchase_id", "Its id, once it is bought.", uuid()),
        ("reservation_id", "Its id, as long as it is not bought.", uuid()),
        ("sale_id", "Of which sale.", uuid()),
    ];
    let own = vec![
        buyer(),
        quantity("How many units."),
        ("refunded", "How many of them were given back.", integer(0, i64::from(QUANTITY_MAX))),
        ("status", "Where it stands.", one_of(Status::ALL.map(Status::name))),
        total(),
        ("currency", "The sale's.", currency()),
        expires(),
        ("position", place, nullable(integer(1, MANY))),
        paid_as(),
    ];
    [ids, own].concat()
}

/// What is told of a claim when it is read.
fn granted() -> Vec<Field> {
    let token = json!({ "type": "string", "pattern": "^[0-9]{1,20}$" });
    let about = "The token under which it was last written: a string, as programs that read numbers as \
                 doubles would round it. Null when it was granted without a lease.";
    vec![
        ("fencing_token", about, nullable(token)),
        ("replica", "Which replica wrote it last.", json!({ "type": "string" })),
        ("created_at", "When it was made.", moment()),
    ]
}

fn command() -> Value {
    let status = "`queued` until it has run, then `done`; `expired` when it waited for too long and was not run; \
                  `failed` when a fault of ours kept it from it.";
    let answer =
        "What the request would have been answered, had it waited; null when there is none.";
    let fields = vec![
        ("command_id", "Its id.", uuid()),
        ("sale_id", "In the queue of which sale.", uuid()),
        ("status", status, one_of(STATUSES)),
        ("answer", answer, nullable(reference("CommandAnswer"))),
    ];
    object("A command in the queue of a sale.", fields, &[])
}

fn command_answer() -> Value {
    let body = json!({ "oneOf": [reference("ClaimReply"), reference("Problem")] });
    let fields =
        vec![("status", "The HTTP status.", integer(200, 599)), ("body", "The document.", body)];
    object("What a request is answered.", fields, &[])
}

fn event_claim() -> Value {
    let fields = vec![
        ("id", "Its id.", uuid()),
        buyer(),
        quantity("How many units this is about."),
        total(),
        expires(),
        paid_as(),
    ];
    object("What an event says of a claim.", fields, &[])
}

fn event() -> Value {
    let fields = vec![
        ("sale_id", "Of which sale.", uuid()),
        ("seq", "Its number: from 1 on, without a gap.", integer(1, MANY)),
        ("at", "When.", moment()),
        ("kind", "What happened.", one_of(Kind::ALL.map(Kind::name))),
        ("claim", "The claim that it happened to.", reference("EventClaim")),
        ("terms", "The sale's terms since.", reference("Terms")),
    ];
    object("What happened to a sale. It has a claim or terms.", fields, &["claim", "terms"])
}

pub(super) fn page(items: &'static str, of: &str) -> Value {
    let next = "What to give as `after` for the next page; null on the last one.";
    let list = with(list_of(of), "maxItems", json!(crate::http::page::LIMIT_MAX));
    let fields =
        vec![(items, "In order.", list), ("next", next, nullable(json!({ "type": "string" })))];
    object("A page of a list.", fields, &[])
}

fn of_problems() -> Value {
    let about = "Of a conflict: the version that the sale is at.";
    problem(code::ALL, vec![("current_version", about, integer(1, MANY))])
}
