//! What one node remembers, and how it answers: the rules that the Lua scripts state for Redis,
//! as a value. The in-memory node runs it, the model checker drives it, and tests hold the scripts
//! against it.

mod fence;
mod holding;
mod membership;

use std::{
    collections::{BTreeMap, BTreeSet},
    mem,
    time::Duration,
};

use self::{fence::Fence, membership::Member};
use super::{
    Binding, ClientId, GRANT_NUMBER_MAX, GrantNumber, GrantRequest, Handover, HolderId, Moment,
    Question, Reply, Resource,
    limits::{HINT_AHEAD_MAX, HINT_LAG_MAX},
    queue::{Queue, Waiter},
};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Held {
    holder: HolderId,
    expires: Moment,
}

/// Leases and fences of one node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Ledger {
    leases: BTreeMap<Resource, Held>,
    fences: BTreeMap<Resource, Fence>,
    waiting: BTreeMap<Resource, Queue>,
    /// The clients that messages reach.
    listening: BTreeSet<ClientId>,
    /// Messages that were not taken yet.
    handovers: Vec<(ClientId, Handover)>,
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
            listening: BTreeSet::new(),
            handovers: Vec::new(),
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
        self.listening.clear();
        self.compared = false;
        self.flushes = 0;
        self.outside_since = None;
        self.untouched_since = Some(now);
    }

    /// All data is gone (`FLUSHALL`); the process goes on.
    pub fn forget(&mut self) {
        let Self { run, compared, flushes, .. } = *self;
        let flushes = flushes.wrapping_add(1);
        let (listening, handovers) =
            (mem::take(&mut self.listening), mem::take(&mut self.handovers));
        let unfounded = Self::unfounded(Moment::default());
        *self = Self { run, compared, flushes, listening, handovers, ..unfounded };
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
            Question::Renew(binding) => self.renew(binding, now, node_clock),
            Question::Release { resource, holder, next } => {
                self.release(resource, *holder, *next, now, node_clock)
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
        let before = self.fences.get(&request.resource).cloned();
        let fence = before.as_ref().map(|fence| (fence.number, fence.holder));
        if let Some(held) = self.leases.get(&request.resource) {
            if let Some((number, bound_to)) = fence
                && held.holder == request.holder
                && bound_to == request.holder
            {
                return Reply::Granted { number, next: self.next(&request.resource) };
            }
            let ttl_left = Some(held.expires - now);
            if let Some(client) = request.waiter {
                let waiter = Waiter { client, holder: request.holder, ttl: request.ttl };
                self.waiting.entry(request.resource.clone()).or_default().enter(waiter);
            }
            let (fence, bound_to) = fence.unzip();
            return Reply::Held { ttl_left, fence, bound_to };
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
        let keeps = before.filter(|before| before.number.get() > member.floor);
        self.arm(&request.bind(number), now);
        // The scripts do so only on their fast path: this is the least for which a fence is kept.
        if let (Some(before), Some(fence)) = (keeps, self.fences.get_mut(&request.resource)) {
            fence.keep_lifetime(&before, request.ttl);
        }
        if let Some(client) = request.waiter {
            self.queue(&request.resource, |queue| queue.take(client));
        }
        Reply::Granted { number, next: self.next(&request.resource) }
    }

    /// Ends the lease if it is ours, and hands it over; the fence stays.
    fn release(
        &mut self,
        resource: &Resource,
        holder: HolderId,
        next: Option<ClientId>,
        now: Moment,
        node_clock: GrantNumber,
    ) -> Reply {
        self.queue(resource, |queue| queue.leave(holder));
        if !self.is_ours(resource, holder) {
            return Reply::NotOurs;
        }
        let _held = self.leases.remove(resource);
        let passed = self.hand_over(resource, holder, next, now, node_clock);
        Reply::Released { passed: passed.is_some() }
    }

    /// Grants the lease that `holder` gave back to who is next, with the number after its own. As if
    /// the grant had been asked for right now: only a node that votes does it, and only where it is
    /// sure of that number.
    fn hand_over(
        &mut self,
        resource: &Resource,
        holder: HolderId,
        next: Option<ClientId>,
        now: Moment,
        node_clock: GrantNumber,
    ) -> Option<()> {
        self.is_member().then_some(())?;
        let fence = self.fences.get(resource).filter(|fence| fence.holder == holder)?;
        let member = self.member.as_ref()?;
        let number = GrantNumber::new(fence.number.get().max(member.floor) + 1).ok()?;
        let listening = &self.listening;
        let queue = self.waiting.entry(resource.clone()).or_default();
        let heir = queue.heir(next, |client| listening.contains(&client));
        let next = queue.first();
        self.queue(resource, |_| ());
        let Waiter { client, holder, ttl } = heir?;
        let member = self.member.as_mut()?;
        if number.get() > member.high || ttl > member.ttl_max {
            member.raise(number.get(), ttl, node_clock);
        }
        self.arm(&Binding { resource: resource.clone(), holder, ttl, number }, now);
        let resource = resource.clone();
        self.handovers.push((client, Handover { resource, holder, number, next }));
        Some(())
    }

    /// Whether messages reach this client from now on.
    pub fn listen(&mut self, client: ClientId, listens: bool) {
        if listens {
            let _new = self.listening.insert(client);
        } else {
            let _was = self.listening.remove(&client);
        }
    }

    /// Whom to tell that a lease was handed over to them, since this was last asked.
    pub fn take_handovers(&mut self) -> Vec<(ClientId, Handover)> {
        mem::take(&mut self.handovers)
    }

    fn next(&self, resource: &Resource) -> Option<ClientId> {
        self.waiting.get(resource)?.first()
    }

    /// Changes who waits for a lease. Nobody is kept as no queue.
    fn queue<T>(&mut self, resource: &Resource, change: impl FnOnce(&mut Queue) -> T) {
        if let Some(queue) = self.waiting.get_mut(resource) {
            let _changed = change(queue);
            if queue.is_empty() {
                let _none_left = self.waiting.remove(resource);
            }
        }
    }

    fn is_ours(&self, resource: &Resource, holder: HolderId) -> bool {
        self.leases.get(resource).is_some_and(|held| held.holder == holder)
    }

    fn arm(&mut self, binding: &Binding, now: Moment) {
        let Binding { resource, holder, ttl, .. } = binding;
        let held = Held { holder: *holder, expires: now.after(*ttl) };
        let _before = self.leases.insert(resource.clone(), held);
        let _before = self.fences.insert(resource.clone(), Fence::new(binding, now));
    }

    fn expire(&mut self, now: Moment) {
        self.leases.retain(|_, held| held.expires > now);
        self.fences.retain(|_, fence| fence.expires > now);
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Admission, FENCE_STRETCH, Seen, Standing, fence_lifetime};
    use std::{borrow::Borrow, sync::Arc};

    const TTL: Duration = Duration::from_secs(10);
    const CLOCK: u64 = 1_000_000_000_000;

    fn at(seconds: u64) -> Moment {
        Moment::at(Duration::from_secs(seconds))
    }

    fn number(n: u64) -> GrantNumber {
        GrantNumber::new(n).unwrap()
    }

    fn granted(n: u64) -> Reply {
        Reply::Granted { number: number(n), next: None }
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
        assert_eq!(node.grant(1, CLOCK, 0), granted(CLOCK));
        // A repeat of the same attempt gets the same number.
        assert_eq!(node.grant(1, CLOCK + 10, 1), granted(CLOCK));
        let left = Some(Duration::from_secs(8));
        let bound_to = Some(HolderId::from_random(1));
        let held = Reply::Held { ttl_left: left, fence: Some(number(CLOCK)), bound_to };
        assert_eq!(node.grant(2, CLOCK + 20, 2), held);
        // After expiry the number grows whatever the hint says.
        assert_eq!(node.grant(2, 7, 10), granted(CLOCK + 1));
    }

    #[test]
    fn a_hint_far_ahead_of_the_nodes_clock_is_refused_and_changes_nothing() {
        let mut node = Node(Ledger::new());
        let limit = CLOCK + micros(HINT_AHEAD_MAX);
        let refused = node.grant(1, limit + 1, 0);
        assert_eq!(refused, Reply::HintAhead { node_clock: number(CLOCK) });
        assert_eq!(node.grant(2, limit, 0), granted(limit));
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
        let release =
            Question::Release { resource: attempt.resource, holder: attempt.holder, next: None };
        assert_eq!(node.ask(release, 12), Reply::NotOurs);
    }

    #[test]
    fn numbers_grow_after_a_fence_was_forgotten_also_for_a_client_whose_clock_is_far_behind() {
        let mut node = Node(Ledger::new());
        let ahead = CLOCK + micros(HINT_AHEAD_MAX);
        assert_eq!(node.grant(1, ahead, 0), granted(ahead));
        let forgotten = fence_lifetime(TTL).as_secs() + 1;
        let mut other = Node(node.0.clone());
        // A clock that is right: its hint is above what was forgotten.
        let hint = CLOCK + forgotten * 1_000_000;
        assert_eq!(node.grant(2, hint, forgotten), granted(hint));
        // One that stands still: above everything that this node ever bound.
        let Reply::Granted { number: minted, .. } = other.grant(2, 7, forgotten) else {
            panic!("not granted")
        };
        assert!(minted > number(ahead), "{minted}");
    }

    fn release(holder: u128) -> Question {
        let holder = HolderId::from_random(holder);
        Question::Release { resource: request(1, 1).resource, holder, next: None }
    }

    fn wait(node: &mut Node, holder: u128) {
        let waiter = Some(ClientId::from_random(u64::try_from(holder).unwrap()));
        let waiting = GrantRequest { waiter, ..request(holder, CLOCK) };
        let held = node.ask(Question::Grant(Arc::new(waiting)), 1);
        assert!(matches!(held, Reply::Held { .. }), "{held:?}");
    }

    #[test]
    fn numbers_grow_although_a_fence_is_forgotten_while_clocks_of_clients_stand_still() {
        let mut node = Node(Ledger::new());
        let minutes = fence_lifetime(TTL).as_secs() / 60;
        // Grants go on for the whole lifetime, each one above the one before.
        for minute in 0..minutes {
            let hint = CLOCK + minute;
            assert_eq!(node.grant(1, hint, minute * 60), granted(hint));
        }
        let newest = CLOCK + minutes - 1;
        assert_eq!(node.0.fences.len(), 1);
        let mut other = Node(node.0.clone());
        let forgotten = minutes * 60;
        // One more client whose clock stands still, and one whose clock is as far behind as may be.
        for (node, hint) in [
            (&mut node, CLOCK),
            (&mut other, CLOCK + forgotten * 1_000_000 - micros(HINT_LAG_MAX) + 1),
        ] {
            let Reply::Granted { number: minted, .. } = node.grant(2, hint, forgotten) else {
                panic!("held")
            };
            assert!(minted > number(newest), "{minted} after {newest}");
        }
    }

    #[test]
    fn a_fence_is_given_its_lifetime_anew_in_each_stretch_of_numbers() {
        let mut node = Node(Ledger::new());
        let lifetime = fence_lifetime(TTL).as_secs();
        let stretch = FENCE_STRETCH.as_secs();
        // CLOCK begins a stretch. Just before the next one begins, and as it does.
        for (seconds, kept_since) in [(0, 0), (stretch - 20, 0), (stretch, stretch)] {
            let hint = CLOCK + seconds * 1_000_000;
            assert_eq!(node.grant(1, hint, seconds), granted(hint));
            let fence = node.0.fences.values().next().unwrap();
            assert_eq!(fence.expires, at(kept_since + lifetime), "after {seconds} s");
        }
        // A long lease must not outlive its fence.
        let long =
            GrantRequest { ttl: FENCE_STRETCH, ..request(1, CLOCK + stretch * 2_000_000 - 1) };
        let _granted = node.ask(Question::Grant(Arc::new(long)), stretch * 2 - 1);
        let fence = node.0.fences.values().next().unwrap();
        assert_eq!(fence.expires, at(stretch * 2 - 1).after(fence_lifetime(FENCE_STRETCH)));
    }

    #[test]
    fn only_the_holder_releases_and_who_is_next_has_it_with_the_number_after() {
        let mut node = Node(Ledger::new());
        for client in [3, 4] {
            node.0.listen(ClientId::from_random(client), true);
        }
        let _granted = node.grant(1, CLOCK, 0);
        // 2 does not listen any more, 5 has left.
        for holder in [2, 3, 5, 4] {
            wait(&mut node, holder);
        }
        assert_eq!(node.ask(release(5), 1), Reply::NotOurs);
        assert_eq!(node.ask(release(2), 1), Reply::NotOurs);
        assert_eq!(node.0.take_handovers(), []);
        assert_eq!(node.ask(release(1), 1), Reply::Released { passed: true });
        let handover = |holder: u64, n, next: Option<u64>| {
            let next = next.map(ClientId::from_random);
            let (resource, number) = (request(1, 1).resource, number(n));
            let client = ClientId::from_random(holder);
            let holder = HolderId::from_random(holder.into());
            (client, Handover { resource, holder, number, next })
        };
        assert_eq!(node.0.take_handovers(), [handover(3, CLOCK + 1, Some(4))]);
        // It is a lease like any other: held, renewed, asked for again, released.
        assert_eq!(
            node.ask(Question::Renew(request(3, 5).bind(number(CLOCK + 1))), 2),
            Reply::Bound
        );
        let Reply::Granted { number: same, next } = node.grant(3, CLOCK + 50, 2) else {
            panic!("it is not 3's")
        };
        assert_eq!((same, next), (number(CLOCK + 1), Some(ClientId::from_random(4))));
        assert_eq!(node.ask(release(3), 2), Reply::Released { passed: true });
        assert_eq!(node.0.take_handovers(), [handover(4, CLOCK + 2, None)]);
        assert_eq!(node.ask(release(4), 2), Reply::Released { passed: false });
    }

    #[test]
    fn a_node_that_may_not_vote_hands_nothing_over() {
        let mut node = Node(Ledger::new());
        let _granted = node.grant(1, CLOCK, 0);
        wait(&mut node, 2);
        node.0.restart(at(1), 1);
        node.0.listen(ClientId::from_random(2), true);
        assert_eq!(node.ask(release(1), 1), Reply::Released { passed: false });
        assert_eq!(node.0.take_handovers(), []);
    }

    #[test]
    fn who_looks_sees_the_holder_with_its_number_until_the_end() {
        let mut node = Node(Ledger::new());
        let resource = request(1, 5).resource;
        assert_eq!(node.0.look(&resource, at(0)), Seen::Free);
        let _granted = node.grant(1, CLOCK, 0);
        let ttl_left = Some(TTL - Duration::from_secs(3));
        let (holder, number) = (HolderId::from_random(1), number(CLOCK));
        assert_eq!(node.0.look(&resource, at(3)), Seen::Ours { holder, number, ttl_left });
        assert_eq!(node.0.look(&resource, at(10)), Seen::Free);
    }

    #[test]
    fn a_lifetime_that_a_renewal_gives_is_noted() {
        let mut node = Node(Ledger::new());
        let _granted = node.grant(1, CLOCK, 0);
        let longer = Binding { ttl: TTL * 3, ..request(1, 5).bind(number(CLOCK)) };
        assert_eq!(node.ask(Question::Renew(longer), 1), Reply::Bound);
        let Reply::Standing(Standing::Member { ttl_max, .. }) = node.ask(Question::Stand, 1) else {
            panic!("it votes")
        };
        assert_eq!(ttl_max, TTL * 3);
    }

    #[test]
    fn a_number_that_is_handed_over_is_noted_before() {
        let mut node = Node(Ledger::new());
        let _granted = node.grant(1, CLOCK, 0);
        let Reply::Standing(Standing::Member { high, .. }) = node.ask(Question::Stand, 0) else {
            panic!("it votes")
        };
        let commit = Question::Commit(request(1, 5).bind(high));
        assert_eq!(node.ask(commit, 0), Reply::Bound);
        node.0.listen(ClientId::from_random(2), true);
        wait(&mut node, 2);
        let _passed = node.ask(release(1), 1);
        let (_, Handover { number, .. }) = node.0.take_handovers().remove(0);
        let Reply::Standing(Standing::Member { high: after, .. }) = node.ask(Question::Stand, 1)
        else {
            panic!("it votes")
        };
        assert!(number > high && after >= number, "{number} of {after}");
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
            assert_eq!(node.grant(2, CLOCK + 50, 111), granted(CLOCK + 501), "{how}");
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
