//! What one node remembers, and how it answers: the rules that the Lua scripts state for Redis,
//! as a value. The in-memory node runs it, the model checker drives it, and tests hold the scripts
//! against it.

use std::{collections::BTreeMap, time::Duration};

use super::{
    Admission, Binding, ClientId, GRANT_NUMBER_MAX, GrantNumber, GrantRequest, HolderId, Moment,
    Question, Reply, Resource, Standing,
    limits::{HIGH_STRIDE, HINT_AHEAD_MAX, HINT_LAG_MAX, WAITERS_MAX, fence_lifetime},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    holder: HolderId,
    expires: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Fence {
    number: GrantNumber,
    holder: HolderId,
    expires: Moment,
}

/// What makes a node a member: it is gone when the node's data is, and names the run of the
/// process that was admitted, so that data of an earlier run does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Member {
    run: u32,
    /// No number that was ever bound here is higher.
    high: u64,
    /// Numbers of forgotten fences are not higher than this, or than any clock of that time.
    floor: u64,
    ttl_max: Duration,
}

/// Leases and fences of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    leases: BTreeMap<Resource, Held>,
    fences: BTreeMap<Resource, Fence>,
    waiting: BTreeMap<Resource, Vec<ClientId>>,
    member: Option<Member>,
    /// Which run of the server's process this is.
    run: u32,
    /// Whether this run has compared the member record's run with its own. A Redis server knows
    /// this by having the script in its cache, which ends with the process.
    compared: bool,
    /// How often this run has lost its data.
    flushes: u32,
    /// Since when this node surely has granted nothing, if it is known to be no member.
    outside_since: Option<Moment>,
    /// When this run began, unless something has removed data since.
    untouched_since: Option<Moment>,
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl Ledger {
    /// A node that remembers nothing and votes: nobody has ever used it.
    #[must_use]
    pub fn new() -> Self {
        let member = Member { run: 0, high: 0, floor: 0, ttl_max: Duration::ZERO };
        Self { member: Some(member), ..Self::unfounded(Moment::default()) }
    }

    /// A node that remembers nothing, and does not know whether it ever did: a server that began
    /// to run at `now` without data.
    #[must_use]
    pub const fn unfounded(now: Moment) -> Self {
        Self {
            leases: BTreeMap::new(),
            fences: BTreeMap::new(),
            waiting: BTreeMap::new(),
            member: None,
            run: 0,
            compared: false,
            flushes: 0,
            outside_since: None,
            untouched_since: Some(now),
        }
    }

    /// The process ends and begins anew with the data that it kept (or, for an earlier copy of
    /// `self`, had kept then).
    pub fn restart(&mut self, now: Moment, run: u32) {
        self.run = run;
        self.compared = false;
        self.flushes = 0;
        self.outside_since = None;
        self.untouched_since = Some(now);
    }

    /// All data is gone (`FLUSHALL`); the process goes on.
    pub fn forget(&mut self) {
        let Self { run, compared, flushes, .. } = *self;
        let flushes = flushes.wrapping_add(1);
        *self = Self { run, compared, flushes, ..Self::unfounded(Moment::default()) };
        self.untouched_since = None;
    }

    /// The lease is gone from this node before its time, as when the node's clock jumps.
    pub fn lapse(&mut self, resource: &Resource) {
        let _held = self.leases.remove(resource);
    }

    /// Answers one question. `node_clock` is the node's own wall clock in microseconds since 1970.
    pub fn answer(&mut self, question: &Question, now: Moment, node_clock: GrantNumber) -> Reply {
        self.expire(now);
        match question {
            Question::Grant(request) => self.grant(request, now, node_clock),
            Question::Commit(binding) => self.commit(binding, now, node_clock),
            Question::Renew(binding) => self.renew(binding, now),
            Question::Release { resource, holder } => self.release(resource, *holder),
            Question::Enlist { resource, client } => {
                self.enlist(resource, *client);
                Reply::Enlisted
            }
            Question::Stand => Reply::Standing(self.stand(now)),
            Question::Admit(admission) => self.admit(*admission, now),
        }
    }

    /// Grants if the lease is free here or already this holder's.
    fn grant(&mut self, request: &GrantRequest, now: Moment, node_clock: GrantNumber) -> Reply {
        if !self.is_member() {
            return Reply::NotMember;
        }
        let fence = self.fences.get(&request.resource).map(|fence| (fence.number, fence.holder));
        if let Some(held) = self.leases.get(&request.resource) {
            if let Some((number, bound_to)) = fence
                && held.holder == request.holder
                && bound_to == request.holder
            {
                return Reply::Granted(number);
            }
            let ttl_left = Some(held.expires - now);
            if let Some(client) = request.waiter {
                self.enlist(&request.resource, client);
            }
            return Reply::Held { ttl_left, fence: fence.map(|(number, _)| number) };
        }
        let Some(member) = &mut self.member else { return Reply::NotMember };
        let hint = request.hint.get();
        let above = match fence {
            // A fence that an earlier run kept may be older than the floor.
            Some((number, _)) => number.get().max(member.floor),
            None if micros(HINT_LAG_MAX) <= node_clock.get().saturating_sub(hint) => member.high,
            None => member.floor,
        };
        let number = hint.max(above.saturating_add(1)).min(GRANT_NUMBER_MAX);
        if number > member.high || request.ttl > member.ttl_max {
            let ahead = hint.saturating_sub(node_clock.get());
            if hint > above.saturating_add(1) && ahead > micros(HINT_AHEAD_MAX) {
                return Reply::HintAhead { node_clock };
            }
            member.raise(number, request.ttl, node_clock);
        }
        let Ok(number) = GrantNumber::new(number) else { return Reply::NotMember };
        self.arm(&request.bind(number), now);
        Reply::Granted(number)
    }

    /// Binds a number while the lease is ours and the fence allows it; the lease runs anew.
    fn commit(&mut self, binding: &Binding, now: Moment, node_clock: GrantNumber) -> Reply {
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
    fn renew(&mut self, binding: &Binding, now: Moment) -> Reply {
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
        self.arm(binding, now);
        Reply::Bound
    }

    /// Frees the lease if it is ours; the fence stays.
    fn release(&mut self, resource: &Resource, holder: HolderId) -> Reply {
        if !self.is_ours(resource, holder) {
            return Reply::NotOurs;
        }
        let _held = self.leases.remove(resource);
        Reply::Released { woke: self.waiting.contains_key(resource) }
    }

    /// The client to be told that this lease is free: the one that has waited longest.
    pub fn next_waiter(&mut self, resource: &Resource) -> Option<ClientId> {
        let waiting = self.waiting.get_mut(resource)?;
        let next = (!waiting.is_empty()).then(|| waiting.remove(0));
        if waiting.is_empty() {
            let _none_left = self.waiting.remove(resource);
        }
        next
    }

    fn enlist(&mut self, resource: &Resource, client: ClientId) {
        let waiting = self.waiting.entry(resource.clone()).or_default();
        if !waiting.contains(&client) && waiting.len() < WAITERS_MAX {
            waiting.push(client);
        }
    }

    fn stand(&mut self, now: Moment) -> Standing {
        if self.is_member()
            && let Some(Member { high, ttl_max, .. }) = self.member
        {
            let high = GrantNumber::new(high.max(1)).unwrap_or(GrantNumber::ONE);
            return Standing::Member { high, ttl_max };
        }
        let since = self.untouched_since.unwrap_or(now);
        let since = *self.outside_since.get_or_insert(since);
        // An admission is for one outage: one run of the process, and one loss of its data.
        let outage = u64::from(self.run) << 32 | u64::from(self.flushes);
        Standing::Outside { out_for: now - since, outage }
    }

    fn admit(&mut self, admission: Admission, now: Moment) -> Reply {
        let Admission { floor, ttl_max, quarantine, outage } = admission;
        let standing @ Standing::Outside { out_for, outage: this } = self.stand(now) else {
            return Reply::Admitted;
        };
        // What was decided for an earlier outage knows nothing of what came after it.
        if this != outage || out_for < quarantine {
            return Reply::Standing(standing);
        }
        let (high, floor) = (floor.get(), floor.get());
        self.member = Some(Member { run: self.run, high, floor, ttl_max });
        self.outside_since = None;
        Reply::Admitted
    }

    fn is_member(&mut self) -> bool {
        if !self.compared {
            self.compared = true;
            self.member = self.member.take().filter(|member| member.run == self.run);
        }
        self.member.is_some()
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

impl Member {
    fn raise(&mut self, number: u64, ttl: Duration, node_clock: GrantNumber) {
        if number > self.high {
            let ahead = number.max(node_clock.get()).saturating_add(micros(HIGH_STRIDE));
            self.high = ahead.min(GRANT_NUMBER_MAX);
            // Further ahead than a forgotten number may be: the floor remembers it.
            if number.saturating_sub(node_clock.get()) > micros(HINT_AHEAD_MAX) {
                self.floor = self.high;
            }
        }
        self.ttl_max = self.ttl_max.max(ttl);
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{borrow::Borrow, sync::Arc};

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
            waiter: None,
        }
    }

    /// A node whose clock shows `CLOCK` when its monotonic clock shows 0.
    struct Node(Ledger);

    impl Node {
        fn ask(&mut self, question: impl Borrow<Question>, seconds: u64) -> Reply {
            self.0.answer(question.borrow(), at(seconds), number(CLOCK + seconds * 1_000_000))
        }

        fn grant(&mut self, holder: u128, hint: u64, seconds: u64) -> Reply {
            self.ask(Question::Grant(Arc::new(request(holder, hint))), seconds)
        }
    }

    #[test]
    fn a_grant_follows_the_hint_or_the_fence_whichever_is_larger() {
        let mut node = Node(Ledger::new());
        assert_eq!(node.grant(1, CLOCK, 0), Reply::Granted(number(CLOCK)));
        // A repeat of the same attempt gets the same number.
        assert_eq!(node.grant(1, CLOCK + 10, 1), Reply::Granted(number(CLOCK)));
        let left = Some(Duration::from_secs(8));
        let held = Reply::Held { ttl_left: left, fence: Some(number(CLOCK)) };
        assert_eq!(node.grant(2, CLOCK + 20, 2), held);
        // After expiry the number grows whatever the hint says.
        assert_eq!(node.grant(2, 7, 10), Reply::Granted(number(CLOCK + 1)));
    }

    #[test]
    fn a_hint_far_ahead_of_the_nodes_clock_is_refused_and_changes_nothing() {
        let mut node = Node(Ledger::new());
        let limit = CLOCK + micros(HINT_AHEAD_MAX);
        let refused = node.grant(1, limit + 1, 0);
        assert_eq!(refused, Reply::HintAhead { node_clock: number(CLOCK) });
        assert_eq!(node.grant(2, limit, 0), Reply::Granted(number(limit)));
    }

    #[test]
    fn only_the_holder_with_its_number_commits_and_renews_and_nothing_is_resurrected() {
        let mut node = Node(Ledger::new());
        let attempt = request(1, 5);
        let commit = |holder, n| Question::Commit(request(holder, 5).bind(number(n)));
        let renew = |n| Question::Renew(request(1, 5).bind(number(n)));
        let _granted = node.grant(1, CLOCK, 0);
        assert_eq!(node.ask(commit(2, CLOCK + 9), 1), Reply::Refused);
        assert_eq!(node.ask(commit(1, CLOCK - 1), 1), Reply::Refused);
        assert_eq!(node.ask(commit(1, CLOCK + 9), 1), Reply::Bound);
        assert_eq!(node.ask(renew(CLOCK), 2), Reply::Refused);
        assert_eq!(node.ask(renew(CLOCK + 9), 2), Reply::Bound);
        // Ran out at 12: neither verb brings it back.
        assert_eq!(node.ask(renew(CLOCK + 9), 12), Reply::Refused);
        assert_eq!(node.ask(commit(1, CLOCK + 9), 12), Reply::Refused);
        let release = Question::Release { resource: attempt.resource, holder: attempt.holder };
        assert_eq!(node.ask(release, 12), Reply::NotOurs);
    }

    #[test]
    fn numbers_grow_after_a_fence_was_forgotten_also_for_a_client_whose_clock_is_far_behind() {
        let mut node = Node(Ledger::new());
        let ahead = CLOCK + micros(HINT_AHEAD_MAX);
        assert_eq!(node.grant(1, ahead, 0), Reply::Granted(number(ahead)));
        let forgotten = fence_lifetime(TTL).as_secs() + 1;
        let mut other = Node(node.0.clone());
        // A clock that is right: its hint is above what was forgotten.
        let hint = CLOCK + forgotten * 1_000_000;
        assert_eq!(node.grant(2, hint, forgotten), Reply::Granted(number(hint)));
        // One that stands still: above everything that this node ever bound.
        let Reply::Granted(minted) = other.grant(2, 7, forgotten) else { panic!("not granted") };
        assert!(minted > number(ahead), "{minted}");
    }

    #[test]
    fn only_the_holder_releases_and_the_longest_waiting_client_is_next() {
        let mut node = Node(Ledger::new());
        let attempt = request(1, CLOCK);
        let release = |holder: u128| Question::Release {
            resource: request(1, 1).resource,
            holder: HolderId::from_random(holder),
        };
        let client = ClientId::from_random;
        let _granted = node.grant(1, CLOCK, 0);
        for waiting in [7, 8, 7] {
            let waiting = GrantRequest { waiter: Some(client(waiting)), ..request(2, CLOCK) };
            let _held = node.ask(Question::Grant(Arc::new(waiting)), 1);
        }
        assert_eq!(node.ask(release(2), 1), Reply::NotOurs);
        assert_eq!(node.ask(release(1), 1), Reply::Released { woke: true });
        let next = std::iter::from_fn(|| node.0.next_waiter(&attempt.resource));
        assert_eq!(next.collect::<Vec<_>>(), [client(7), client(8)]);
    }

    type Loss = (&'static str, fn(&mut Ledger));

    #[test]
    fn a_node_that_lost_its_data_is_silent_until_it_was_out_long_enough_and_told_a_floor() {
        let mut admission = Admission {
            floor: number(CLOCK + 500),
            ttl_max: TTL,
            quarantine: Duration::from_secs(11),
            outage: 1,
        };
        let lost: [Loss; 3] = [
            ("flushed", Ledger::forget),
            ("restarted", |node| node.restart(at(100), 1)),
            ("restarted empty", |node| {
                *node = Ledger::unfounded(at(100));
                node.run = 1;
            }),
        ];
        for (how, lose) in lost {
            let mut node = Node(Ledger::new());
            let _granted = node.grant(1, CLOCK, 0);
            lose(&mut node.0);
            assert_eq!(node.grant(2, CLOCK + 50, 100), Reply::NotMember, "{how}");
            let commit = Question::Commit(request(1, 5).bind(number(CLOCK)));
            assert_eq!(node.ask(commit, 100), Reply::NotMember, "{how}");
            let Reply::Standing(Standing::Outside { outage, .. }) = node.ask(Question::Stand, 100)
            else {
                panic!("{how}: it votes")
            };
            admission.outage = outage;
            let outside = |seconds| {
                Reply::Standing(Standing::Outside { out_for: Duration::from_secs(seconds), outage })
            };
            assert_eq!(node.ask(Question::Stand, 100), outside(0), "{how}");
            assert_eq!(node.ask(Question::Admit(admission), 110), outside(10), "{how}");
            assert_eq!(node.ask(Question::Admit(admission), 111), Reply::Admitted, "{how}");
            // Lower than the floor, and than a fence that the disk gave back.
            assert_eq!(
                node.grant(2, CLOCK + 50, 111),
                Reply::Granted(number(CLOCK + 501)),
                "{how}"
            );
        }
    }

    #[test]
    fn a_process_that_has_run_for_long_without_data_need_not_wait() {
        let mut node = Node(Ledger::unfounded(at(0)));
        let quarantine = Duration::from_secs(11);
        let mut admission = Admission { floor: number(1), ttl_max: TTL, quarantine, outage: 0 };
        assert_eq!(node.ask(Question::Admit(admission), 50), Reply::Admitted);
        // After a flush its age says nothing.
        node.0.forget();
        let outside = |seconds| {
            let out_for = Duration::from_secs(seconds);
            Reply::Standing(Standing::Outside { out_for, outage: 1 })
        };
        admission.outage = 1;
        assert_eq!(node.ask(Question::Admit(admission), 60), outside(0));
        // What was decided for an earlier outage does not end this one.
        admission.outage = 0;
        assert_eq!(node.ask(Question::Admit(admission), 80), outside(20));
        admission.outage = 1;
        assert_eq!(node.ask(Question::Admit(admission), 80), Reply::Admitted);
    }
}
