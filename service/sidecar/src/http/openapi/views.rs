//! What is answered.

use std::time::Duration;

use leasehold_kit::openapi::{
    problem,
    schema::{Field, flag, integer, list_of, nullable, object, one_of, with},
};
use serde_json::{Value, json};

use super::requests::{holder, id, millis, name, request_id, token, ttl};
use crate::{
    holding::TTL_MAX,
    http::{
        code,
        leases::{LIMIT_MAX, OUTCOMES},
        resources::STATES,
    },
};

/// Longer than a lease is valid for without a renewal of the sidecar.
const LONG: Duration = TTL_MAX;

/// More than nodes ever are.
const NODES: i64 = 1000;

pub(super) fn all() -> Vec<(&'static str, Value)> {
    let of_leases = vec![("leases", "In the order of their resources' names.", list_of("Lease"))];
    vec![
        ("Lease", lease()),
        ("Leases", object("Leases that are held together.", of_leases, &[])),
        ("Page", page()),
        ("Released", released()),
        ("Resource", resource()),
        ("Evicted", evicted()),
        ("Problem", problem(code::ALL, Vec::new())),
    ]
}

/// Which resource it is, and the token.
pub(super) fn stamp() -> Vec<Field> {
    vec![
        ("resource", "The name of what is held.", name()),
        ("token", "The fencing token: larger than that of every holder before.", token()),
    ]
}

pub(super) fn secret() -> Field {
    ("holder", "A secret: who knows it with the rest can say that the lease is theirs.", holder())
}

fn lease() -> Value {
    let valid = "For how long the program may act on it, counted from before the request was answered: \
                 whatever happens to the sidecar meanwhile.";
    let expires = "When it is given back unless it is renewed; null while a link keeps it.";
    let own = vec![
        secret(),
        ("ttl_ms", "How long it lasts without a renewal.", ttl()),
        ("valid_for_ms", valid, millis(Duration::ZERO, LONG)),
        ("expires_in_ms", expires, nullable(millis(Duration::ZERO, TTL_MAX))),
        ("link", "The link that keeps it.", nullable(id())),
        (
            "request_id",
            "The name of the request that it was asked for with.",
            nullable(request_id()),
        ),
    ];
    let whole = vec![("id", "Its id: what it is renewed and released by.", id())];
    with(
        object("A lease.", [whole, stamp(), own].concat(), &[]),
        "examples",
        json!([{
            "id": "7c9e667974254de0944be07fc1f90ae7",
            "resource": "orders/42",
            "token": "1048576",
            "holder": "0123456789abcdef0123456789abcdef",
            "ttl_ms": 30_000,
            "valid_for_ms": 9_871,
            "expires_in_ms": 29_998,
            "link": null,
            "request_id": null,
        }]),
    )
}

fn page() -> Value {
    let next = "What to give as `after` for the next page; null on the last one.";
    let list = with(list_of("Lease"), "maxItems", json!(LIMIT_MAX));
    let fields = vec![("leases", "In the order of ids.", list), ("next", next, nullable(id()))];
    object("A page of a client's leases.", fields, &[])
}

fn released() -> Value {
    let about = "`released`; `not_held` when it was over already, or there never was one; `unknown` when too \
                 few nodes answered: they keep it until their time is over at most.";
    object("What giving a lease back came to.", vec![("outcome", about, one_of(OUTCOMES))], &[])
}

fn resource() -> Value {
    let state = "What a quorum of nodes says; `unknown` when too few answer.";
    let fields = vec![
        ("resource", "Its name.", name()),
        ("state", state, one_of(STATES)),
        ("is_held_here", "Whether it is held through this sidecar, by whomever.", flag()),
        ("token", "The holder's token, where a quorum knows it.", nullable(token())),
        (
            "free_in_ms",
            "When it is free unless its holder renews it.",
            nullable(integer(0, i64::MAX)),
        ),
        ("silent_nodes", "How many nodes did not answer.", integer(0, NODES)),
    ];
    object("Who has a resource. Never with the holder's secret.", fields, &[])
}

fn evicted() -> Value {
    let newer = "A token above it: show it to the protected store, which refuses whoever had the lease from \
                 then on. Null when there was none to be had.";
    let fields = vec![
        ("resource", "Its name.", name()),
        ("was_held", "Whether somebody had it.", flag()),
        ("token", "The token of whoever had it, where a quorum knows it.", nullable(token())),
        ("newer_token", newer, nullable(token())),
    ];
    object("What taking a lease away came to.", fields, &[])
}
