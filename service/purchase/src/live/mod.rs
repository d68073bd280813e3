//! What happens, as it happens: each replica notes once a second how it fares, and whoever watches is
//! told twice a second how all of them and the sales do.

mod hub;
mod pulse;
mod snapshot;
mod tally;

pub use hub::{Hub, Watching};
pub use pulse::{BEAT, beat};
pub use snapshot::Snapshot;
pub use tally::{Stats, Tally, Told};
