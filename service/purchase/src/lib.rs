//! Sells limited stock from many stateless replicas.
//!
//! Rooms, each of which uses only those below it:
//!
//! * [`cli`]: the program: configuration, start, drain.
//! * [`http`]: the API; the only room that knows status codes.
//! * [`grant`]: grants requests, each by its sale's strategy.
//! * [`webhook`]: tells others what is in the log, beside `grant`.
//! * `queue`: commands in order, on the lease nodes; the only room that knows Redis.
//! * [`live`]: counts what buyers are told, and shows how replicas and sales do.
//! * [`store`]: Postgres; the only room that knows SQL.
//! * [`domain`]: what may be sold to whom; pure.

pub mod cli;
pub mod domain;
#[cfg(feature = "faults")]
mod faults;
pub mod grant;
pub mod http;
pub mod live;
mod queue;
pub mod store;
pub mod webhook;

#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub use queue::fuzzing;
