//! Who of this process holds, seeks or waits for which lease.
//!
//! Each resource that this process holds or wants has one entry, so at most one of its tasks asks
//! the nodes for it. The others wait here in the order in which they came, and get the lease from
//! the one before without a round trip, for so many turns and so long as the configuration allows;
//! then it goes back to the nodes, so that other processes get it too.

mod entry;

use std::{
    collections::{HashMap, VecDeque, hash_map},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Notify, oneshot};

use self::entry::seek;
pub(super) use self::entry::{Asking, Passing, Spot};
use super::{
    error::AcquireError,
    grant::Grant,
    inbox::{Inbox, Order},
    lease::Lease,
    leases::Shared,
};
use crate::model::{Moment, Resource, TURNS_PER_GRANT};

/// What a waiter gets in the end.
pub(super) type Served = Result<Lease, AcquireError>;

/// Resources that were just given to another process are forgotten from this many on.
const YIELDED_MAX: usize = 1024;

/// Where the lease of an entry is.
#[derive(Debug)]
enum Place {
    /// A task of this process asks the nodes for it, for itself.
    Asked,
    /// A task of this process has it.
    Here(Arc<Grant>),
    /// A seeker asks the nodes for it, for those who wait.
    Sought,
}

#[derive(Debug)]
struct Line {
    place: Place,
    waiters: VecDeque<oneshot::Sender<Served>>,
    /// How many of the waiters have gone away, at most.
    gone: usize,
    /// A bit for each node that said that the lease is free, since the seeker last asked.
    woken_by: u64,
    /// Why the seeker did not get it last, and how often it asked.
    last: Option<AcquireError>,
    attempts: u32,
    /// Tells the seeker to look.
    stir: Arc<Notify>,
}

#[derive(Debug, Default)]
struct State {
    lines: HashMap<Resource, Line>,
    /// Until when this process does not snatch what another one was just woken for.
    yielded: HashMap<Resource, Moment>,
}

/// All entries of a client.
#[derive(Debug, Default)]
pub(super) struct Lines {
    state: Mutex<State>,
}

/// What entering comes to.
pub(super) enum Entry {
    /// Nobody of this process is there: the caller asks the nodes.
    Ask(Asking),
    /// Others are there before the caller.
    Wait(Spot),
    /// Others are there before the caller, who does not wait; and why they have not got it.
    Taken(Option<AcquireError>),
}

impl Line {
    fn new(place: Place) -> Self {
        Self {
            place,
            waiters: VecDeque::new(),
            gone: 0,
            woken_by: 0,
            last: None,
            attempts: 0,
            stir: Arc::default(),
        }
    }

    fn wait(&mut self, shared: &Arc<Shared>, resource: &Resource, in_front: bool) -> Spot {
        let (reply, served) = oneshot::channel();
        if in_front {
            self.waiters.push_front(reply);
        } else {
            self.waiters.push_back(reply);
        }
        Spot { shared: Arc::clone(shared), resource: resource.clone(), served }
    }

    fn is_wanted(&mut self) -> bool {
        self.gone = 0;
        self.waiters.retain(|waiter| !waiter.is_closed());
        !self.waiters.is_empty()
    }

    fn is_here(&self, grant: &Arc<Grant>) -> bool {
        matches!(&self.place, Place::Here(here) if Arc::ptr_eq(here, grant))
    }

    /// Gives the lease to the first waiter that still waits; gives it back if there is none.
    fn serve(&mut self, mut lease: Lease) -> Result<(), Lease> {
        while let Some(waiter) = self.waiters.pop_front() {
            match waiter.send(Ok(lease)) {
                Ok(()) => return Ok(()),
                Err(Ok(back)) => lease = back,
                Err(Err(_)) => unreachable!("it was sent as a lease"),
            }
        }
        Err(lease)
    }
}

impl Lines {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters the line of a resource.
    pub(super) fn enter(&self, shared: &Arc<Shared>, resource: &Resource, waits: bool) -> Entry {
        let asking =
            || Asking { shared: Arc::clone(shared), resource: resource.clone(), is_done: false };
        let mut state = self.state();
        let yields = waits && state.yields(resource, shared);
        let line = match state.lines.entry(resource.clone()) {
            hash_map::Entry::Vacant(free) => {
                let line =
                    free.insert(Line::new(if yields { Place::Sought } else { Place::Asked }));
                if !yields {
                    return Entry::Ask(asking());
                }
                let spot = line.wait(shared, resource, false);
                drop(state);
                seek(shared, resource, true);
                return Entry::Wait(spot);
            }
            hash_map::Entry::Occupied(line) => line.into_mut(),
        };
        let lost = matches!(&line.place, Place::Here(grant) if grant.remaining(shared.clock.now()).is_zero());
        if lost && line.waiters.is_empty() {
            line.place = Place::Asked;
            return Entry::Ask(asking());
        }
        if waits {
            return Entry::Wait(line.wait(shared, resource, false));
        }
        // What the seeker learned last is better than a guess.
        Entry::Taken(line.last.clone().filter(|_| matches!(line.place, Place::Sought)))
    }

    /// Passes a lease on that is given back after its `turn`, if somebody waits and it is allowed.
    pub(super) fn pass_on(&self, shared: &Arc<Shared>, grant: &Arc<Grant>, turn: u16) -> Passing {
        let resource = &grant.binding.resource;
        let mut state = self.state();
        let Some(line) = state.lines.get_mut(resource).filter(|line| line.is_here(grant)) else {
            return Passing::Release { seek: false };
        };
        let now = shared.clock.now();
        let (config, ttl) = (&shared.config, shared.timing.ttl());
        let next = turn + 1;
        let may_pass = next < TURNS_PER_GRANT.min(config.turns_max)
            && now - grant.granted_at < config.turns_time
            // With less the renewals fail, and the next holder would soon lose it.
            && grant.remaining(now) > ttl / 3;
        if may_pass && !line.waiters.is_empty() {
            let was_ending = grant.prolong(now.after(config.lifetime_max));
            match line.serve(Lease::turn(Arc::clone(shared), Arc::clone(grant), next)) {
                Ok(()) => {
                    drop(state);
                    if was_ending {
                        let _no_runtime = Inbox::leave(shared, Order::Look);
                    }
                    metrics::counter!("lease_turns_total").increment(1);
                    return Passing::Passed;
                }
                Err(unwanted) => unwanted.forget(),
            }
        }
        let seek = line.is_wanted();
        if seek {
            line.place = Place::Sought;
            line.woken_by = 0;
        } else {
            let _over = state.lines.remove(resource);
        }
        Passing::Release { seek }
    }

    /// A lease of this process was lost while its holder still has the handle. Says whether it must
    /// be sought for those who wait.
    pub(super) fn lost(&self, grant: &Arc<Grant>) -> bool {
        let mut state = self.state();
        let Some(line) = state.lines.get_mut(&grant.binding.resource) else { return false };
        let seek = line.is_here(grant) && line.is_wanted();
        if seek {
            line.place = Place::Sought;
        }
        seek
    }

    /// Another process was told that this lease is free: it is not snatched from it for a while.
    pub(super) fn yielded(&self, resource: &Resource, until: Moment) {
        let mut state = self.state();
        if state.yielded.len() >= YIELDED_MAX {
            state.yielded.clear();
        }
        let _before = state.yielded.insert(resource.clone(), until);
    }

    /// What tells the seeker to look, as long as there is something to seek. What nodes said so far
    /// counts no more.
    pub(super) fn sought(&self, resource: &Resource) -> Option<Arc<Notify>> {
        let mut state = self.state();
        let line = state.lines.get_mut(resource)?;
        if !matches!(line.place, Place::Sought) {
            return None;
        }
        if !line.is_wanted() {
            let _over = state.lines.remove(resource);
            return None;
        }
        line.woken_by = 0;
        Some(Arc::clone(&line.stir))
    }

    /// How many nodes said that the lease is free since the seeker last asked.
    pub(super) fn woken_by(&self, resource: &Resource) -> u32 {
        self.state().lines.get(resource).map_or(0, |line| line.woken_by.count_ones())
    }

    /// A node says that the lease is free.
    pub(super) fn wake(&self, node: usize, resource: &Resource) {
        if let Some(line) = self.state().lines.get_mut(resource) {
            line.woken_by |= 1 << (node % 64);
            line.stir.notify_one();
        }
    }

    /// Tells all seekers to look.
    pub(super) fn stir_all(&self) {
        for line in self.state().lines.values() {
            line.stir.notify_one();
        }
    }

    /// A seeker has the lease: the first waiter gets it.
    pub(super) fn found(&self, lease: Lease) {
        let grant = Arc::clone(lease.grant());
        let mut lease = Some(lease);
        let mut state = self.state();
        if let Some(line) = state.lines.get_mut(&grant.binding.resource)
            && matches!(line.place, Place::Sought)
        {
            line.place = Place::Here(Arc::clone(&grant));
            (line.last, line.attempts) = (None, 0);
            lease = lease.and_then(|lease| line.serve(lease).err());
        }
        drop(state);
        // Nobody wants it any more: dropped, it is released.
        drop(lease);
    }

    /// A seeker did not get the lease. `is_final`: nobody who waits can get it.
    pub(super) fn not_found(&self, resource: &Resource, error: AcquireError, is_final: bool) {
        let mut state = self.state();
        let Some(line) = state.lines.get_mut(resource) else { return };
        if is_final {
            for waiter in line.waiters.drain(..) {
                drop(waiter.send(Err(error.clone())));
            }
            let _over = state.lines.remove(resource);
            return;
        }
        line.attempts += 1;
        line.last = Some(error);
    }

    /// Nobody seeks these any more, since the runtime has ended: whoever waits learns it, and whoever
    /// comes later asks anew.
    pub(super) fn abandon(&self, which: impl Fn(&Resource) -> bool) {
        let mut state = self.state();
        let sought = |resource: &Resource, line: &mut Line| {
            matches!(line.place, Place::Sought) && which(resource)
        };
        let abandoned: Vec<_> = state.lines.extract_if(sought).collect();
        drop(state);
        for (resource, line) in abandoned {
            for waiter in line.waiters {
                let over = AcquireError::Shutdown { resource: resource.clone() };
                drop(waiter.send(Err(over)));
            }
        }
    }
}

impl State {
    fn yields(&mut self, resource: &Resource, shared: &Shared) -> bool {
        !self.yielded.is_empty()
            && self.yielded.remove(resource).is_some_and(|until| shared.clock.now() < until)
    }
}
