//! What can go wrong, on real servers and separate processes: one module per hazard.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod amnesia;
mod bad_input;
mod cluster;
mod drain;
mod examples;
mod fence;
mod holder_killed;
mod holder_paused;
mod interop;
mod leases_on_servers;
mod lost_memory;
mod majority_lost;
mod node_limits;
mod node_scripts;
mod permissions;
mod purchase_race;
mod replayed_key;
mod sentinel;
mod servers;
mod setup;
mod skipped;
mod tidy;
mod tls;
mod total_loss;
mod waiting;
mod world;
