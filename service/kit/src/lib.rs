//! What the services share: listening (with TLS) and draining, API keys and their limits, files that
//! change, problem documents, telemetry.
//!
//! Nothing here knows what a service does.

pub mod auth;
pub mod files;
pub mod host;
pub mod problem;
pub mod rate;
pub mod request;
pub mod serve;
pub mod telemetry;
pub mod tls;
pub mod trace;
