//! What is held: how it is seen, bound and kept.

use super::{
    super::{Binding, GrantNumber, Moment, Reply, Resource, Seen},
    Ledger,
};

impl Ledger {
    /// What this node has of a resource.
    #[must_use]
    pub fn look(&self, resource: &Resource, now: Moment) -> Seen {
        let Some(held) = self.leases.get(resource).filter(|held| held.expires > now) else {
            return Seen::Free;
        };
        let ttl_left = Some(held.expires - now);
        let fence = self.fences.get(resource).filter(|fence| fence.expires > now);
        match fence {
            Some(fence) if fence.holder == held.holder => {
                Seen::Ours { holder: held.holder, number: fence.number, ttl_left }
            }
            Some(_) | None => Seen::Foreign { ttl_left },
        }
    }

    /// Binds a number while the lease is ours and the fence allows it; the lease runs anew.
    pub(super) fn commit(
        &mut self,
        binding: &Binding,
        now: Moment,
        node_clock: GrantNumber,
    ) -> Reply {
        if !self.is_member() {
            return Reply::NotMember;
        }
        let allowed = self.fences.get(&binding.resource).is_none_or(|fence| {
            fence.number < binding.number
                || (fence.number == binding.number && fence.holder == binding.holder)
        });
        if !allowed || !self.is_ours(&binding.resource, binding.holder) {
            return Reply::Refused;
        }
        if let Some(member) = &mut self.member
            && binding.number.get() > member.high
        {
            member.raise(binding.number.get(), binding.ttl, node_clock);
        }
        self.arm(binding, now);
        Reply::Bound
    }

    /// Lets the lease run anew while it is ours and the fence is exactly our number.
    pub(super) fn renew(
        &mut self,
        binding: &Binding,
        now: Moment,
        node_clock: GrantNumber,
    ) -> Reply {
        if !self.is_member() {
            return Reply::NotMember;
        }
        let bound = self
            .fences
            .get(&binding.resource)
            .is_some_and(|fence| fence.number == binding.number && fence.holder == binding.holder);
        if !bound || !self.is_ours(&binding.resource, binding.holder) {
            return Reply::Refused;
        }
        // Who resumed it may give it longer than who was granted it, and a node that forgets stays out
        // for as long as any lease may last.
        if let Some(member) = &mut self.member
            && binding.ttl > member.ttl_max
        {
            member.raise(binding.number.get(), binding.ttl, node_clock);
        }
        self.arm(binding, now);
        Reply::Bound
    }
}
