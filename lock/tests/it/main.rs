//! The client against in-memory nodes that misbehave on demand, under a stopped clock: one module
//! per hazard.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test that cannot go on has failed; the clock that it reads is the stopped one"
)]

mod bad_input;
mod cancellation;
mod eviction;
mod faulty_node;
mod growing_tokens;
mod handover;
mod inspection;
mod leading;
mod loss;
mod metrics;
mod peers;
mod resuming;
mod runtimes;
mod silent_nodes;
mod simulation;
#[cfg(feature = "tls")]
mod tls;
mod traps;
