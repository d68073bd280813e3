//! What one node remembers, and how it answers: the rules that the Lua scripts state for Redis,
//! as a value. The in-memory node runs it; tests hold the scripts against it.

use std::{collections::HashMap, time::Duration};

use super::{
    Binding, CommitReply, GrantNumber, GrantReply, GrantRequest, HolderId, Moment, ReleaseReply,
    RenewReply, Resource,
};

/// How far ahead of a node's own clock a hint may be before the node refuses it.
pub const HINT_AHEAD_MAX: Duration = Duration::from_secs(10 * 60);

/// How long a node remembers a fence at least after its last grant, commit or renewal.
///
/// A fence may be forgotten so that memory stays bounded. Numbers keep growing then as long as the
/// next client's clock is past the last number minted: that number was at most [`HINT_AHEAD_MAX`]
/// ahead of the clock of the node that minted it, and an hour has passed, so clocks of clients may
/// lag the clocks of nodes by up to 50 minutes. While a fence is remembered, no clock takes part.
pub const FENCE_LIFETIME_MIN: Duration = Duration::from_secs(60 * 60);

/// How long a node keeps the fence of a lease of this lifetime.
#[must_use]
pub fn fence_lifetime(ttl: Duration) -> Duration {
    FENCE_LIFETIME_MIN.saturating_add(ttl)
}

#[derive(Clone, Debug)]
struct Held {
    holder: HolderId,
    expires: Moment,
}

#[derive(Clone, Debug)]
struct Fence {
    number: GrantNumber,
    holder: HolderId,
    expires: Moment,
}

/// Leases and fences of one node.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    leases: HashMap<Resource, Held>,
    fences: HashMap<Resource, Fence>,
}

impl Ledger {
    /// A node that remembers nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Grants if the lease is free here or already this holder's. `node_clock` is the node's own
    /// wall clock in microseconds since 1970.
    pub fn grant(
        &mut self,
        request: &GrantRequest,
        now: Moment,
        node_clock: GrantNumber,
    ) -> GrantReply {
        self.expire(now);
        if let Some(held) = self.leases.get(&request.resource) {
            let fence = self.fences.get(&request.resource);
            return match fence {
                Some(fence) if held.holder == request.holder && fence.holder == request.holder => {
                    GrantReply::Granted(fence.number)
                }
                _ => GrantReply::Held {
                    ttl_left: Some(held.expires - now),
                    fence: fence.map(|fence| fence.number),
                },
            };
        }
        let next = self.fences.get(&request.resource).map_or(GrantNumber::ONE, |f| f.number.next());
        let ahead = request.hint.get().saturating_sub(node_clock.get());
        if request.hint > next && u128::from(ahead) > HINT_AHEAD_MAX.as_micros() {
            return GrantReply::HintAhead { node_clock };
        }
        let number = next.max(request.hint);
        self.arm(&request.bind(number), now);
        GrantReply::Granted(number)
    }

    /// Binds a number while the lease is ours and the fence allows it; the lease runs anew.
    pub fn commit(&mut self, binding: &Binding, now: Moment) -> CommitReply {
        self.expire(now);
        let free = self.fences.get(&binding.resource).is_none_or(|fence| {
            fence.number < binding.number
                || (fence.number == binding.number && fence.holder == binding.holder)
        });
        if !free || !self.is_ours(&binding.resource, binding.holder) {
            return CommitReply::Refused;
        }
        self.arm(binding, now);
        CommitReply::Committed
    }

    /// Lets the lease run anew while it is ours and the fence is exactly our number.
    pub fn renew(&mut self, binding: &Binding, now: Moment) -> RenewReply {
        self.expire(now);
        let bound = self
            .fences
            .get(&binding.resource)
            .is_some_and(|fence| fence.number == binding.number && fence.holder == binding.holder);
        if !bound || !self.is_ours(&binding.resource, binding.holder) {
            return RenewReply::Refused;
        }
        self.arm(binding, now);
        RenewReply::Renewed
    }

    /// Frees the lease if it is ours; the fence stays.
    pub fn release(&mut self, resource: &Resource, holder: HolderId, now: Moment) -> ReleaseReply {
        self.expire(now);
        if !self.is_ours(resource, holder) {
            return ReleaseReply::NotOurs;
        }
        let _held = self.leases.remove(resource);
        ReleaseReply::Released
    }

    fn is_ours(&self, resource: &Resource, holder: HolderId) -> bool {
        self.leases.get(resource).is_some_and(|held| held.holder == holder)
    }

    fn arm(&mut self, binding: &Binding, now: Moment) {
        let Binding { resource, holder, ttl, number } = binding;
        let held = Held { holder: *holder, expires: now.after(*ttl) };
        let _before = self.leases.insert(resource.clone(), held);
        let expires = now.after(fence_lifetime(*ttl));
        let fence = Fence { number: *number, holder: *holder, expires };
        let _before = self.fences.insert(resource.clone(), fence);
    }

    fn expire(&mut self, now: Moment) {
        self.leases.retain(|_, held| held.expires > now);
        self.fences.retain(|_, fence| fence.expires > now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(10);
    const CLOCK: u64 = 1_000_000_000_000;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn number(n: u64) -> GrantNumber {
        GrantNumber::new(n).unwrap()
    }

    fn request(holder: u128, hint: u64) -> GrantRequest {
        GrantRequest {
            resource: Resource::new("r").unwrap(),
            holder: HolderId::from_random(holder),
            ttl: TTL,
            hint: number(hint),
        }
    }

    #[test]
    fn a_grant_follows_the_hint_or_the_fence_whichever_is_larger() {
        let mut node = Ledger::new();
        assert_eq!(
            node.grant(&request(1, 50), at(0), number(CLOCK)),
            GrantReply::Granted(number(50))
        );
        // A repeat of the same attempt gets the same number.
        assert_eq!(
            node.grant(&request(1, 60), at(1), number(CLOCK)),
            GrantReply::Granted(number(50))
        );
        let held =
            GrantReply::Held { ttl_left: Some(Duration::from_secs(8)), fence: Some(number(50)) };
        assert_eq!(node.grant(&request(2, 70), at(2), number(CLOCK)), held);
        // After expiry the number grows whatever the hint says.
        assert_eq!(
            node.grant(&request(2, 7), at(10), number(CLOCK)),
            GrantReply::Granted(number(51))
        );
    }

    #[test]
    fn a_hint_far_ahead_of_the_nodes_clock_is_refused_and_changes_nothing() {
        let mut node = Ledger::new();
        let limit = CLOCK + u64::try_from(HINT_AHEAD_MAX.as_micros()).unwrap();
        let refused = node.grant(&request(1, limit + 1), at(0), number(CLOCK));
        assert_eq!(refused, GrantReply::HintAhead { node_clock: number(CLOCK) });
        assert_eq!(
            node.grant(&request(2, limit), at(0), number(CLOCK)),
            GrantReply::Granted(number(limit))
        );
    }

    #[test]
    fn only_the_holder_with_its_number_commits_and_renews_and_nothing_is_resurrected() {
        let mut node = Ledger::new();
        let attempt = request(1, 5);
        let _ = node.grant(&attempt, at(0), number(CLOCK));
        assert_eq!(node.commit(&request(2, 5).bind(number(9)), at(1)), CommitReply::Refused);
        assert_eq!(node.commit(&attempt.bind(number(4)), at(1)), CommitReply::Refused);
        assert_eq!(node.commit(&attempt.bind(number(9)), at(1)), CommitReply::Committed);
        assert_eq!(node.renew(&attempt.bind(number(5)), at(2)), RenewReply::Refused);
        assert_eq!(node.renew(&attempt.bind(number(9)), at(2)), RenewReply::Renewed);
        // Ran out at 12: neither verb brings it back.
        assert_eq!(node.renew(&attempt.bind(number(9)), at(12)), RenewReply::Refused);
        assert_eq!(node.commit(&attempt.bind(number(9)), at(12)), CommitReply::Refused);
        assert_eq!(node.release(&attempt.resource, attempt.holder, at(12)), ReleaseReply::NotOurs);
    }

    #[test]
    fn only_the_holder_releases_and_the_fence_outlives_the_lease() {
        let mut node = Ledger::new();
        let attempt = request(1, 5);
        let _ = node.grant(&attempt, at(0), number(CLOCK));
        let stranger = HolderId::from_random(2);
        assert_eq!(node.release(&attempt.resource, stranger, at(1)), ReleaseReply::NotOurs);
        assert_eq!(node.release(&attempt.resource, attempt.holder, at(1)), ReleaseReply::Released);
        assert_eq!(
            node.grant(&request(2, 1), at(1), number(CLOCK)),
            GrantReply::Granted(number(6))
        );
        // An hour after its last use the fence is forgotten, and the hint takes over.
        let later = at(2).after(fence_lifetime(TTL));
        assert_eq!(
            node.grant(&request(3, 40), later, number(CLOCK)),
            GrantReply::Granted(number(40))
        );
    }
}
