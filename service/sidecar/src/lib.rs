//! The sidecar: leases with fencing tokens over loopback HTTP, for programs in any language.
//!
//! It holds leases for the programs beside it, each only as long as its program shows that it lives: by an
//! open stream (a link), or by asking for more time.

pub mod cli;
pub mod holding;
pub mod http;
