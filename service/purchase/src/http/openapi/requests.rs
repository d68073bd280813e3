//! The bodies of requests, with the limits that the rules check.

use leasehold_kit::openapi::schema::{
    Field, flag, integer, list_of, moment, nullable, object, one_of, or_else, reference, text, with,
};
use serde_json::{Map, Value, json};

use crate::domain::{
    BUYER_CHARS_MAX, CAPACITY_MAX, LINES_MAX, NAME_CHARS_MAX, PRICE_MINOR_MAX, QUANTITY_MAX,
    REFERENCE_CHARS_MAX, RESERVATION_SECONDS, RESERVATION_SECONDS_MAX, Strategy, VERSION_MAX,
    WithoutLeases,
};

pub(super) fn all(schemas: &mut Map<String, Value>) {
    for (name, schema) in [
        ("NewSale", new_sale()),
        ("SaleChange", sale_change()),
        ("Line", line()),
        ("Payment", payment()),
        ("NewPurchase", new_purchase()),
        ("NewReservation", new_reservation()),
        ("Confirmation", confirmation()),
        ("Cancellation", cancellation()),
        ("Refund", refund()),
    ] {
        let _none = schemas.insert(name.to_owned(), schema);
    }
}

pub(super) fn buyer() -> Field {
    let about = "Who buys: your own name for a customer, without control characters.";
    ("buyer", about, with(text(BUYER_CHARS_MAX), "examples", json!(["ada"])))
}

pub(super) fn quantity(about: &'static str) -> Field {
    ("quantity", about, integer(1, i64::from(QUANTITY_MAX)))
}

pub(super) fn without_leases() -> Field {
    let about = "What happens while no quorum of lease nodes answers: `refuse` says 503, `continue` sells \
                 on, slower and as right.";
    let names = [WithoutLeases::Refuse, WithoutLeases::Continue].map(WithoutLeases::name);
    ("without_leases", about, one_of(names))
}

/// What may change about a sale, as a draft and a view have it.
pub(super) fn terms() -> Vec<Field> {
    // Blank names are refused.
    let name = with(
        text(NAME_CHARS_MAX),
        "pattern",
        json!(
            r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u001f\u007f-\u009f\s][^\u0000-\u001f\u007f-\u009f]*$"
        ),
    );
    let most = i64::from(CAPACITY_MAX);
    vec![
        ("name", "What people call it.", with(name, "examples", json!(["Opening night"]))),
        ("capacity", "How many units there are.", with(integer(1, most), "examples", json!([100]))),
        ("allowance", "How many more may be sold than there are.", integer(0, most)),
        (
            "per_buyer_max",
            "How many units one buyer may have; null for no limit.",
            nullable(integer(1, most)),
        ),
        ("opens_at", "When selling begins; null for at once.", nullable(moment())),
        (
            "closes_at",
            "When selling ends, later than `opens_at`; null for never.",
            nullable(moment()),
        ),
        (
            "reservation_seconds",
            "For how long units are reserved.",
            integer(1, i64::from(RESERVATION_SECONDS_MAX)),
        ),
        without_leases(),
    ]
}

/// What never changes about a sale.
pub(super) fn fixed() -> Vec<Field> {
    vec![
        (
            "unit_price_minor",
            "Price of one unit, in minor units (cents, say). Never changes.",
            with(integer(0, PRICE_MINOR_MAX), "examples", json!([2500])),
        ),
        ("currency", "ISO 4217. Never changes.", currency()),
        (
            "strategy",
            "How units are granted: in batches under a lease, one by one under a lock on the sale's row, \
             or from what nobody locked and again when that has changed, be it the sale's row or its \
             events. What may be sold is the same. Never changes.",
            one_of(Strategy::ALL.map(Strategy::name)),
        ),
    ]
}

fn new_sale() -> Value {
    let mut fields = [terms(), fixed()].concat();
    for (name, _, schema) in &mut fields {
        let default = match *name {
            "allowance" => json!(0),
            "per_buyer_max" | "opens_at" | "closes_at" => json!(null),
            "reservation_seconds" => {
                *schema = nullable(schema.take());
                json!(RESERVATION_SECONDS)
            }
            "without_leases" => json!(WithoutLeases::default().name()),
            "strategy" => json!(Strategy::default().name()),
            _ => continue,
        };
        *schema = or_else(schema.take(), default);
    }
    let optional = [
        "allowance",
        "per_buyer_max",
        "opens_at",
        "closes_at",
        "reservation_seconds",
        "without_leases",
        "strategy",
    ];
    object("What is to be sold, and on which terms.", fields, &optional)
}

fn sale_change() -> Value {
    let nullable_already = ["per_buyer_max", "opens_at", "closes_at"];
    let mut fields = terms();
    for (name, _, schema) in &mut fields {
        if *name == "without_leases" {
            schema["type"] = json!(["string", "null"]);
            schema["enum"] = json!(["refuse", "continue", null]);
        } else if !nullable_already.contains(name) {
            *schema = nullable(schema.take());
        }
    }
    fields.push((
        "expected_version",
        "Nothing changes unless the sale is at this `version`; null or left out for any.",
        nullable(integer(1, VERSION_MAX)),
    ));
    let optional: Vec<_> = fields.iter().map(|(name, ..)| *name).collect();
    let about = "What is to change. A field that is not given stays; null takes `per_buyer_max`, `opens_at` \
                 or `closes_at` away, and says nothing elsewhere. Capacity and allowance must cover what is \
                 sold and reserved.";
    object(about, fields, &optional)
}

fn line() -> Value {
    object(
        "A part of an order. Lines are granted together or not at all.",
        vec![quantity("How many units.")],
        &[],
    )
}

fn payment() -> Value {
    let most = PRICE_MINOR_MAX * i64::from(QUANTITY_MAX);
    let fields = vec![
        ("amount_minor", "What was paid: the price of all units.", integer(0, most)),
        ("currency", "The sale's.", currency()),
        ("reference", "What it is called where it was made.", nullable(text(REFERENCE_CHARS_MAX))),
    ];
    object("A payment that was made elsewhere, before the request.", fields, &["reference"])
}

fn paid() -> Field {
    ("payment", "The payment, if it was made already.", nullable(reference("Payment")))
}

/// How much is wanted, and the rule that one of two says so.
fn wanted() -> Vec<Field> {
    let (name, about, units) = quantity("How many units; excludes `lines`. Without both it is 1.");
    let lines = with(with(list_of("Line"), "minItems", json!(1)), "maxItems", json!(LINES_MAX));
    let about_lines =
        "The order in parts that are summed, to 1000 units at most; excludes `quantity`.";
    vec![
        (name, about, nullable(units)),
        ("lines", about_lines, nullable(lines)),
        (
            "partial",
            "Whether fewer units will do, when fewer are left.",
            or_else(flag(), json!(false)),
        ),
    ]
}

/// That two fields do not go together, each with a value of this schema.
fn apart([first, second]: [(&str, Value); 2]) -> Value {
    let properties =
        Map::from_iter([&first, &second].map(|(name, of)| ((*name).to_owned(), of.clone())));
    json!({ "not": { "required": [first.0, second.0], "properties": properties } })
}

fn units_once() -> Value {
    apart([("quantity", json!({ "type": "integer" })), ("lines", json!({ "type": "array" }))])
}

fn new_purchase() -> Value {
    let fields = [vec![buyer()], wanted(), vec![paid()]].concat();
    let about = "An order. `partial` excludes `payment`: how much it will cost is not known yet.";
    let whole = object(about, fields, &["quantity", "lines", "partial", "payment"]);
    let rule =
        apart([("partial", json!({ "const": true })), ("payment", json!({ "type": "object" }))]);
    with(whole, "allOf", json!([units_once(), rule]))
}

fn new_reservation() -> Value {
    let waits = ("wait", "Whether to wait when too little is left.", or_else(flag(), json!(false)));
    let fields = [vec![buyer()], wanted(), vec![waits]].concat();
    let about = "A reservation. `partial` excludes `wait`: one takes fewer or waits for all.";
    let whole = object(about, fields, &["quantity", "lines", "partial", "wait"]);
    let rule = apart([("partial", json!({ "const": true })), ("wait", json!({ "const": true }))]);
    with(whole, "allOf", json!([units_once(), rule]))
}

fn confirmation() -> Value {
    object("The purchase of what is reserved.", vec![buyer(), paid()], &["payment"])
}

fn cancellation() -> Value {
    object("Whose reservation is given up.", vec![buyer()], &[])
}

fn refund() -> Value {
    let (name, about, units) =
        quantity("How many units; null for all that are left of the purchase.");
    object("What is given back.", vec![(name, about, nullable(units))], &["quantity"])
}

pub(super) fn currency() -> Value {
    json!({ "type": "string", "pattern": "^[A-Z]{3}$", "examples": ["EUR"] })
}
