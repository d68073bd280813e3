//! Decides: quorum, tokens, validity, lifecycle. No async, no clock, no I/O.
//!
//! Everything here is a value or a function of its arguments, so it can be walked through
//! exhaustively; `now` is always an argument.

pub mod admission;
mod holder;
mod inspection;
mod ledger;
mod lifecycle;
mod limits;
mod moment;
mod queue;
mod request;
mod resource;
mod round;
mod stamp;
mod timing;
mod token;
mod vote;

pub use holder::HolderId;
pub use inspection::{Hold, Seen, evictable, most_named};
pub use ledger::Ledger;
pub use lifecycle::{Lifecycle, Loss, Next, Renewal};
pub use limits::{
    FENCE_STRETCH, HIGH_STRIDE, HINT_AHEAD_MAX, HINT_LAG_MAX, WAITERS_MAX, fence_lifetime,
};
pub use moment::Moment;
pub use request::{
    Admission, Binding, ClientId, GrantRequest, Handover, Question, Reply, Standing,
};
pub use resource::{RESOURCE_BYTES_MAX, Resource, ResourceError};
pub use round::{Answer, GaveUp, Round, Step, Tally};
pub use stamp::Stamp;
pub use timing::{TTL_MAX, TTL_MIN, Timing, TimingError};
pub use token::{FencingToken, GRANT_NUMBER_MAX, GrantNumber, TURNS_PER_GRANT, TokenError};
pub use vote::{Ballot, Verdict, Vote, quorum};
