//! How far clocks may be apart, and what a node keeps for how long.

use std::time::Duration;

/// How far ahead of a node's own clock a hint may be before the node refuses it.
pub const HINT_AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a node remembers a fence at least after its last grant, commit or renewal.
///
/// It may be forgotten so that memory stays bounded. Order survives that without trusting a
/// client's clock: see [`HINT_LAG_MAX`].
pub const FENCE_LIFETIME_MIN: Duration = Duration::from_secs(60 * 60);

/// How far a hint may be behind the node's own clock where the node knows no fence.
///
/// A forgotten number was minted at least [`FENCE_LIFETIME_MIN`] ago, at most [`HINT_AHEAD_MAX`] ahead
/// of its node's clock: so it is 50 minutes behind now, and a hint less than 40 minutes behind is
/// above it. The ten between are how far nodes' clocks may differ or be set back. For a hint further
/// behind, the node mints above all that it ever bound.
pub const HINT_LAG_MAX: Duration = Duration::from_secs(40 * 60);

/// In which strides a node notes the highest number that it may have bound: it is written ahead,
/// so that it is written rarely. A node that is admitted again mints above what others have noted,
/// so for that long it may disagree with them, which costs a round trip.
pub const HIGH_STRIDE: Duration = Duration::from_millis(10);

/// Clients that may wait for one lease at one node; further ones only poll.
pub const WAITERS_MAX: usize = 256;

/// How long a node keeps the fence of a lease of this lifetime: two hours, or 26 hours for leases of
/// 1,000 seconds and more. Always [`FENCE_LIFETIME_MIN`] longer than the lease; two steps, so that a
/// node need not calculate.
#[must_use]
pub fn fence_lifetime(ttl: Duration) -> Duration {
    Duration::from_secs(if ttl < Duration::from_secs(1000) { 2 } else { 26 } * 60 * 60)
}
