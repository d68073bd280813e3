//! How far clocks may be apart, and what a node keeps for how long.

use std::time::Duration;

/// How far ahead of a node's own clock a hint may be before the node refuses it.
pub const HINT_AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// Stretches into which numbers are cut: a fence that a grant raises within one keeps the lifetime
/// that it has, since to give it anew costs a server as much as to take the lease.
///
/// Numbers are clients' clocks in microseconds, so while those go, a fence is this much older than
/// it could be. While they stand still, a fence may be forgotten that was just used: but then its
/// number is as old as the lifetime. See [`HINT_LAG_MAX`].
pub const FENCE_STRETCH: Duration = Duration::from_secs(1000);

/// How far a hint may be behind the node's own clock where the node knows no fence.
///
/// A fence that is forgotten was given its lifetime of at least two hours by a number that was at most
/// [`HINT_AHEAD_MAX`] ahead of its node's clock, and has risen by less than a [`FENCE_STRETCH`] since:
/// so its number is more than 90 minutes behind now, whatever clients' clocks did meanwhile, and a
/// hint less than 40 minutes behind is above it. Of the 50 between, ten are how far nodes' clocks may
/// differ or be set back. For a hint further behind, the node mints above all that it ever bound.
pub const HINT_LAG_MAX: Duration = Duration::from_secs(40 * 60);

/// In which strides a node notes the highest number that it may have bound: it is written ahead,
/// so that it is written rarely. A node that is admitted again mints above what others have noted,
/// so for that long it may disagree with them, which costs a round trip.
pub const HIGH_STRIDE: Duration = Duration::from_millis(10);

/// Clients that may wait for one lease at one node; further ones only poll.
pub const WAITERS_MAX: usize = 256;

/// How long a node keeps the fence of a lease of this lifetime: two hours, or 26 hours for leases of
/// 1,000 seconds and more. It may be forgotten so that memory stays bounded: order survives that
/// ([`HINT_LAG_MAX`]). While clients' clocks go, it outlives the lease by more than an hour, also if it
/// is a [`FENCE_STRETCH`] old. Two steps, so that a node need not calculate.
#[must_use]
pub fn fence_lifetime(ttl: Duration) -> Duration {
    Duration::from_secs(if ttl < Duration::from_secs(1000) { 2 } else { 26 } * 60 * 60)
}
