//! What can go wrong, on real servers and separate processes: one module per hazard.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod drain;
mod fence;
mod holder_killed;
mod holder_paused;
mod leases_on_servers;
mod majority_lost;
mod node_scripts;
mod purchase_race;
mod replayed_key;
mod tidy;
mod world;
