//! A place in a line, and what becomes of it when it is left.

use std::{pin::pin, sync::Arc};

use tokio::time::Instant;

use super::{Place, Served};
use crate::{
    client::{
        desk::Answer,
        error::AcquireError,
        inbox::{Inbox, Order},
        lease::Lease,
        leases::Shared,
    },
    model::{Resource, quorum},
};

/// What becomes of a lease that is given back.
pub(in crate::client) enum Passing {
    /// The next waiter has it.
    Passed,
    /// The nodes get it back; `seek`: others of this process still want it.
    Release { seek: bool },
}

/// The caller asks the nodes for itself. Dropped without a lease, it leaves the entry to those who
/// wait.
pub(in crate::client) struct Asking<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) resource: &'a Resource,
    pub(super) is_done: bool,
}

/// A place in the line; dropping it leaves the line.
pub(in crate::client) struct Spot<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) resource: &'a Resource,
    pub(super) served: Answer<'a, Served>,
    /// Whether it got what it waited for: then it is not in the line any more.
    pub(super) is_over: bool,
}

impl Asking<'_> {
    /// The nodes granted it.
    pub(in crate::client) fn got(mut self, lease: Lease) -> Lease {
        self.is_done = true;
        if let Some(line) = self.shared.lines.state().get_mut(self.resource) {
            line.place = Place::Here(Arc::clone(lease.grant()));
        }
        lease
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if self.is_done {
            return;
        }
        let mut state = self.shared.lines.state();
        let Some(line) = state.get_mut(self.resource) else { return };
        if line.is_wanted() {
            line.place = Place::Sought;
            drop(state);
            seek(self.shared, self.resource);
        } else {
            let _over = state.remove(self.resource);
        }
    }
}

impl Spot<'_> {
    /// Has the lease sought, now that the caller waits for it; without a runtime it is told that nobody
    /// can.
    pub(super) fn seek(&mut self) {
        let order = Order::Seek { resource: self.resource.clone() };
        if self.served.order(order).is_err() {
            self.shared.lines.abandon(|line| line == self.resource);
        }
    }

    /// What the caller is served with by `deadline`, or a little later; `None` if there is nothing.
    pub(in crate::client) async fn served_by(&mut self, deadline: Instant) -> Option<Served> {
        let served = match tokio::time::timeout_at(deadline, &mut self.served).await {
            Ok(served) => served,
            Err(_) => self.first_outcome().await,
        };
        self.is_over = served.is_some();
        served
    }

    /// Waits until the first attempt is over, which may have begun late in the caller's time; longer
    /// only if it succeeded. `None` when it failed, or before.
    async fn first_outcome(&mut self) -> Option<Served> {
        let shared = self.shared;
        loop {
            let mut failed = pin!(shared.lines.failed.notified());
            // From here on it is heard, so what is looked at afterwards cannot be missed.
            let _not_yet = failed.as_mut().enable();
            if let Ok(served) = self.served.try_recv() {
                return Some(served);
            }
            if !self.is_undecided() {
                return None;
            }
            tokio::select! {
                served = &mut self.served => return served,
                () = failed => {}
            }
        }
    }

    fn is_undecided(&self) -> bool {
        let state = self.shared.lines.state();
        let line = state.get(self.resource);
        line.is_some_and(|line| matches!(line.place, Place::Sought) && line.attempts == 0)
    }

    /// Why the caller has not been served so far, and after how many attempts at the nodes.
    pub(in crate::client) fn reason(&self) -> (AcquireError, u32) {
        let state = self.shared.lines.state();
        let line = state.get(self.resource);
        let attempts = line.map_or(0, |line| line.attempts);
        let last = line.and_then(|line| line.last.clone());
        let nodes = self.shared.nodes.len();
        (
            last.unwrap_or_else(|| AcquireError::held_here(self.resource, nodes, quorum(nodes))),
            attempts,
        )
    }
}

impl Drop for Spot<'_> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // Receivers that are gone are skipped when their turn comes; when they are many they are
        // removed at once.
        self.served.close();
        let mut state = self.shared.lines.state();
        if let Some(line) = state.get_mut(self.resource) {
            line.gone += 1;
            if line.gone > line.waiters.len() / 2
                && !line.is_wanted()
                && matches!(line.place, Place::Sought)
            {
                drop(state);
                seek(self.shared, self.resource);
            }
        }
    }
}

/// Has a lease sought for those who wait; without a runtime they are told that nobody can.
fn seek(shared: &Arc<Shared>, resource: &Resource) {
    if Inbox::leave(shared, Order::Seek { resource: resource.clone() }).is_err() {
        shared.lines.abandon(|line| line == resource);
    }
}
