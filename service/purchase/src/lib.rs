//! Sells limited stock from many stateless replicas.
//!
//! Rooms, each of which uses only those below it:
//!
//! * [`cli`]: the program: configuration, start, drain.
//! * [`http`]: the API; the only room that knows status codes.
//! * [`grant`]: gathers orders and grants them in batches under leases.
//! * [`store`]: Postgres; the only room that knows SQL.
//! * [`domain`]: what may be sold to whom; pure.

pub mod cli;
pub mod domain;
#[cfg(feature = "faults")]
mod faults;
pub mod grant;
pub mod http;
pub mod store;
