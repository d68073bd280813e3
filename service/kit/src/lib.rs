//! What the services share: listening (with TLS) and draining, API keys and their limits, files that
//! change, reading requests, problem documents and the table of their codes, describing an API, pages,
//! options and commands, telemetry.
//!
//! Nothing here knows what a service does.

pub mod auth;
pub mod body;
pub mod caller;
pub mod cli;
pub mod code;
pub mod error;
pub mod files;
pub mod front;
pub mod health;
mod host;
pub mod openapi;
pub mod pages;
pub mod problem;
pub mod rate;
pub mod request;
pub mod serve;
pub mod telemetry;
pub mod tls;
pub mod trace;
