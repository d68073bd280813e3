//! What a node remembers of a resource after its leases are over.

use std::time::Duration;

use super::{
    super::{
        Binding, GrantNumber, HolderId, Moment,
        limits::{FENCE_STRETCH, fence_lifetime},
    },
    micros,
};

/// The highest number that was bound, to whom, and until when that is known.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Fence {
    pub(super) number: GrantNumber,
    pub(super) holder: HolderId,
    pub(super) expires: Moment,
}

impl Fence {
    pub(super) fn new(binding: &Binding, now: Moment) -> Self {
        let Binding { holder, ttl, number, .. } = binding;
        Self { number: *number, holder: *holder, expires: now.after(fence_lifetime(*ttl)) }
    }

    /// One that was raised from another within a stretch lives as long as that one would have.
    pub(super) fn keep_lifetime(&mut self, before: &Self, ttl: Duration) {
        let stretch = |number: GrantNumber| number.get() / micros(FENCE_STRETCH);
        let is_short = fence_lifetime(ttl) == fence_lifetime(Duration::ZERO);
        if is_short && stretch(before.number) == stretch(self.number) {
            self.expires = self.expires.min(before.expires);
        }
    }
}
