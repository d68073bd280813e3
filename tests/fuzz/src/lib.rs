//! What must hold of whatever reads outside input, for any bytes.
//!
//! Each target is a function of bytes that panics when something does not hold. The fuzzer in
//! `libfuzzer/` looks for bytes that reach new code; those that it found are in `corpus/`, and are fed to
//! the same functions by an ordinary test.

#![expect(
    clippy::missing_panics_doc,
    reason = "to panic is how a target says that something does not hold"
)]

mod http;
mod keys;
mod names;
mod nodes;
mod purchase;
mod sidecar;
mod webhooks;

pub use self::{
    keys::key_lists,
    names::names,
    nodes::{node_addresses, node_words},
    purchase::{purchase_heads, purchase_requests, queue_entries},
    sidecar::sidecar_requests,
    webhooks::webhook_addresses,
};

/// Takes any bytes, and panics when something does not hold.
pub type Target = fn(&[u8]);

/// All targets, each named as its folder in `corpus/`.
pub const TARGETS: [(&str, Target); 9] = [
    ("key_lists", key_lists),
    ("names", names),
    ("node_addresses", node_addresses),
    ("node_words", node_words),
    ("purchase_heads", purchase_heads),
    ("purchase_requests", purchase_requests),
    ("queue_entries", queue_entries),
    ("sidecar_requests", sidecar_requests),
    ("webhook_addresses", webhook_addresses),
];
