//! Where callers leave their orders for the engine.

use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{runtime::Handle, sync::Notify};

use super::{
    engine::{self, Running},
    error::AcquireError,
    grant::Grant,
    lease::{Lease, ReleaseOutcome},
    leases::Shared,
    promise::Promise,
    resume::{ResumeError, Resumed},
};
use crate::{
    model::{GrantRequest, Resource, Stamp},
    node::Notice,
};

/// What a caller wants of the engine.
pub(super) enum Order {
    /// Try once to get a lease.
    Acquire { request: Arc<GrantRequest>, reply: Promise<Acquired> },
    /// Give a lease back, and seek it again if others of this process wait for it.
    Release { grant: Arc<Grant>, reply: Option<Promise<ReleaseOutcome>>, seek: bool },
    /// Seek a lease for those of this process who wait for it; or stop, if nobody does any more.
    Seek { resource: Resource },
    /// Take a lease over that an earlier process held.
    Resume { stamp: Stamp, reply: Promise<Resumption> },
    /// Renew a lease no more, and leave it to the nodes until its lifetime ends.
    LetGo { grant: Arc<Grant> },
    /// What a node tells this client.
    Heard { node: usize, notice: Notice },
    /// Look at the leases: one may be renewed for longer than it seemed.
    Look,
}

/// What an attempt came to. A lease that nobody takes out of its channel is released as it is dropped.
pub(super) type Acquired = Result<Lease, AcquireError>;

/// What resuming came to. A lease that nobody takes out of its channel is let go as it is dropped.
pub(super) type Resumption = Result<Resumed, ResumeError>;

/// How many orders are taken at once. If all went out in one write, the nodes would rest while this
/// process works on their answers, and it while they work.
const ORDERS_MAX: usize = 32;

/// Orders that the engine has not seen yet.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Default)]
struct State {
    orders: VecDeque<Order>,
    is_running: bool,
    /// Whether the engine's task was told since orders were last taken.
    is_told: bool,
    /// Whether several orders came together last time: alone, one need not wait for others.
    is_busy: bool,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("orders", &self.orders.len())
            .field("is_running", &self.is_running)
            .finish()
    }
}

/// There is no engine, and no runtime to start one in.
pub(super) struct NoRuntime;

impl Inbox {
    /// Leaves an order, and has the engine's task look.
    pub(super) fn leave(shared: &Arc<Shared>, order: Order) -> Result<(), NoRuntime> {
        Self::put(shared, order)?;
        shared.inbox.tell();
        Ok(())
    }

    /// Leaves an order, and starts the engine in the current runtime if it does not run. Somebody must
    /// then take a turn.
    pub(super) fn put(shared: &Arc<Shared>, order: Order) -> Result<(), NoRuntime> {
        let inbox = &shared.inbox;
        let mut state = inbox.state();
        let starts = if state.is_running {
            None
        } else {
            Some(Handle::try_current().map_err(|_| NoRuntime)?)
        };
        state.is_running = true;
        state.orders.push_back(order);
        // A runtime that is shutting down drops the engine right here, which then takes the lock.
        drop(state);
        if let Some(runtime) = starts {
            drop(runtime.spawn(engine::run(Running::new(Arc::clone(shared)))));
        }
        Ok(())
    }

    /// Has the engine's task look.
    pub(super) fn tell(&self) {
        if !mem::replace(&mut self.state().is_told, true) {
            self.arrived.notify_one();
        }
    }

    /// Waits until the engine's task is told to look.
    pub(super) async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The orders so far, oldest first, of many only some.
    pub(super) fn take(&self, orders: &mut Vec<Order>) {
        let mut state = self.state();
        let count = state.orders.len().min(ORDERS_MAX);
        orders.extend(state.orders.drain(..count));
        state.is_busy = orders.len() > 1;
        state.is_told = !state.orders.is_empty();
        if state.is_told {
            self.arrived.notify_one();
        }
    }

    pub(super) fn is_busy(&self) -> bool {
        self.state().is_busy
    }

    /// Notes that the engine ends, unless there is an order.
    pub(super) fn close_if_empty(&self) -> bool {
        let mut state = self.state();
        state.is_running = !state.orders.is_empty();
        !state.is_running
    }

    /// Notes that the engine ended, and throws away what it had no time for.
    pub(super) fn abandon(&self) {
        let mut state = self.state();
        state.is_running = false;
        let orders = mem::take(&mut state.orders);
        drop(state);
        drop(orders);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
