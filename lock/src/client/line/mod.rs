//! Who of this process holds, seeks or waits for which lease.
//!
//! Each resource that this process holds or wants has one entry, so at most one of its tasks asks
//! the nodes for it. The others wait here in the order in which they came, and get the lease from
//! the one before without a round trip, for so many turns and so long as the configuration allows;
//! then it goes back to the nodes, so that other processes get it too.

mod entry;

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

pub(super) use self::entry::{Asking, Passing, Spot};
use super::{
    desk::Answer,
    error::AcquireError,
    grant::Grant,
    inbox::{Inbox, Order},
    lease::Lease,
    leases::Shared,
    promise::{Promise, Wakes},
};
use crate::model::{Moment, Resource, TURNS_PER_GRANT};

/// What a waiter gets in the end.
pub(super) type Served = Result<Lease, AcquireError>;

/// Where the lease of an entry is.
#[derive(Debug)]
enum Place {
    /// A task of this process asks the nodes for it, for itself.
    Asked,
    /// A task of this process has it.
    Here(Arc<Grant>),
    /// It is sought at the nodes, for those who wait.
    Sought,
}

#[derive(Debug)]
struct Line {
    place: Place,
    waiters: VecDeque<Promise<Served>>,
    /// How many of the waiters have gone away, at most.
    gone: usize,
    /// Why the nodes did not grant it last, and how often they were asked.
    last: Option<AcquireError>,
    attempts: u32,
}

type State = HashMap<Resource, Line>;

/// All entries of a client.
#[derive(Debug, Default)]
pub(super) struct Lines {
    state: Mutex<State>,
    /// Told whenever an attempt has failed, for waiters whose time was over before the first did.
    failed: Notify,
}

/// What entering comes to.
pub(super) enum Entry<'a> {
    /// Nobody of this process is there: the caller asks the nodes.
    Ask(Asking<'a>),
    /// The caller waits for its turn.
    Wait(Spot<'a>),
    /// Others are there before the caller, who does not wait; and why they have not got it.
    Taken(Option<AcquireError>),
}

impl Line {
    fn new(place: Place) -> Self {
        Self { place, waiters: VecDeque::new(), gone: 0, last: None, attempts: 0 }
    }

    fn wait<'a>(&mut self, shared: &'a Arc<Shared>, resource: &'a Resource) -> Spot<'a> {
        let (reply, served) = Answer::new(shared);
        self.waiters.push_back(reply);
        Spot { shared, resource, served, is_over: false }
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
            match waiter.keep(Ok(lease), Wakes::Now) {
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
    pub(super) fn enter<'a>(
        &self,
        shared: &'a Arc<Shared>,
        resource: &'a Resource,
        waits: bool,
    ) -> Entry<'a> {
        let mut state = self.state();
        let is_new = !state.contains_key(resource);
        if is_new {
            let _none = state.insert(resource.clone(), Line::new(Place::Asked));
        }
        let Some(line) = state.get_mut(resource) else { return Entry::Taken(None) };
        let is_lost = || matches!(&line.place, Place::Here(grant) if grant.remaining(shared.clock.now()).is_zero());
        let is_first = is_new || (line.waiters.is_empty() && is_lost());
        if is_first {
            line.place = if waits { Place::Sought } else { Place::Asked };
        }
        if waits {
            let mut spot = line.wait(shared, resource);
            drop(state);
            if is_first {
                spot.seek();
            }
            return Entry::Wait(spot);
        }
        if is_first {
            return Entry::Ask(Asking { shared, resource, is_done: false });
        }
        // What the seeker learned last is better than a guess.
        Entry::Taken(line.last.clone().filter(|_| matches!(line.place, Place::Sought)))
    }

    /// Enters the line of a resource that nobody of this process holds, seeks or waits for; `None` if
    /// somebody does, also with a lease that was lost: given back later, it would take that of the same
    /// holder along.
    pub(super) fn enter_alone<'a>(
        &self,
        shared: &'a Arc<Shared>,
        resource: &'a Resource,
    ) -> Option<Asking<'a>> {
        let mut state = self.state();
        if state.contains_key(resource) {
            return None;
        }
        let _none = state.insert(resource.clone(), Line::new(Place::Asked));
        Some(Asking { shared, resource, is_done: false })
    }

    /// Passes a lease on that is given back after its `turn`, if somebody waits and it is allowed.
    pub(super) fn pass_on(
        &self,
        shared: &Arc<Shared>,
        grant: &Arc<Grant>,
        turn: u16,
        now: Moment,
    ) -> Passing {
        let resource = &grant.binding.resource;
        let mut state = self.state();
        let Some(line) = state.get_mut(resource).filter(|line| line.is_here(grant)) else {
            return Passing::Release { seek: false };
        };
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
        } else {
            let _over = state.remove(resource);
        }
        Passing::Release { seek }
    }

    /// A lease of this process was lost while its holder still has the handle. Says whether it must
    /// be sought for those who wait.
    pub(super) fn lost(&self, grant: &Arc<Grant>) -> bool {
        let mut state = self.state();
        let Some(line) = state.get_mut(&grant.binding.resource) else { return false };
        let seek = line.is_here(grant) && line.is_wanted();
        if seek {
            line.place = Place::Sought;
        }
        seek
    }

    /// Whether somebody waits for what the nodes are to be asked for.
    pub(super) fn sought(&self, resource: &Resource) -> bool {
        let mut state = self.state();
        let Some(line) = state.get_mut(resource) else { return false };
        if !matches!(line.place, Place::Sought) {
            return false;
        }
        let is_wanted = line.is_wanted();
        if !is_wanted {
            let _over = state.remove(resource);
        }
        is_wanted
    }

    /// The nodes granted what was sought: the first waiter gets it. Gives it back if nobody wants it
    /// any more.
    pub(super) fn found(&self, lease: Lease) -> Option<Lease> {
        let grant = Arc::clone(lease.grant());
        let resource = &grant.binding.resource;
        let mut state = self.state();
        let line = state.get_mut(resource).filter(|line| matches!(line.place, Place::Sought));
        let Some(line) = line else { return Some(lease) };
        line.place = Place::Here(Arc::clone(&grant));
        (line.last, line.attempts) = (None, 0);
        let unwanted = line.serve(lease).err();
        if unwanted.is_some() {
            let _over = state.remove(resource);
        }
        unwanted
    }

    /// The nodes did not grant what is sought. `is_final`: nobody who waits can get it.
    pub(super) fn not_found(&self, resource: &Resource, error: AcquireError, is_final: bool) {
        let mut state = self.state();
        let Some(line) = state.get_mut(resource) else { return };
        self.failed.notify_waiters();
        if is_final {
            for waiter in line.waiters.drain(..) {
                drop(waiter.keep(Err(error.clone()), Wakes::Now));
            }
            let _over = state.remove(resource);
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
        let abandoned: Vec<_> = state.extract_if(sought).collect();
        drop(state);
        for (resource, line) in abandoned {
            for waiter in line.waiters {
                let over = AcquireError::Shutdown { resource: resource.clone() };
                drop(waiter.keep(Err(over), Wakes::Now));
            }
        }
    }
}
