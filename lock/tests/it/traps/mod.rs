//! The mistakes that other libraries made, one test each, named as the claim that they broke.
//!
//! Two more need a server, so they are in `tests/system`: a server that has forgotten its scripts, and
//! a key of another kind (a Redisson hash). How side keys share a cluster's slot is beside the rule, in
//! `src/node/redis/calls.rs`.

mod attempts;
mod holding;
mod nodes;
mod tokens;
