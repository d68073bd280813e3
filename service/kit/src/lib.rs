//! What the services share: listening and draining, API keys, problem documents, telemetry.
//!
//! Nothing here knows what a service does.

pub mod auth;
pub mod problem;
pub mod serve;
pub mod telemetry;
