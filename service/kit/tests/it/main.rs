//! A listener on real sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod server;
mod slow;
mod tls;
