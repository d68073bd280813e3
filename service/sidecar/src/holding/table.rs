//! Who holds what, by name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use leasehold::Resource;
use tokio::sync::mpsc;

use super::{
    HoldError, LeaseId, LinkId, RequestId, What, client::Client, ended::Ended, ended::Memory,
    keeper::Order, link::Link,
};

/// Every lease that is held here, every link, and every request that has a name.
#[derive(Debug, Default)]
pub(super) struct Table {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<LeaseId, Entry>,
    /// The leases of each client, in order.
    of: HashMap<Arc<str>, BTreeMap<LeaseId, ()>>,
    links: HashMap<LinkId, Arc<Link>>,
    intents: HashMap<(Arc<str>, RequestId), Asked>,
    memory: Memory,
}

#[derive(Debug)]
struct Entry {
    owner: Arc<str>,
    resource: Resource,
    request: Option<RequestId>,
    orders: mpsc::Sender<Order>,
}

/// A named request, and how many ask for it at the moment.
#[derive(Debug)]
struct Asked {
    intent: Arc<Intent>,
    asking: usize,
}

/// A request with a name of its own, which may be repeated.
#[derive(Debug)]
pub(super) struct Intent {
    what: What,
    /// What it came to. Whoever asks for it with this name does so one after the other.
    pub(super) outcome: tokio::sync::Mutex<Vec<LeaseId>>,
}

/// A caller with a request that has a name. When the last one is gone and nothing is held, the name is free.
pub(super) struct Asking<'a> {
    table: &'a Table,
    name: (Arc<str>, RequestId),
    pub(super) intent: Arc<Intent>,
}

impl Table {
    /// Puts a lease in; the orders go to its keeper.
    pub(super) fn put(
        &self,
        id: LeaseId,
        owner: &Arc<str>,
        resource: &Resource,
        request: Option<RequestId>,
        orders: mpsc::Sender<Order>,
    ) {
        let mut state = self.state();
        state.memory.forget(id);
        let _new = state.of.entry(Arc::clone(owner)).or_default().insert(id, ());
        let owner = Arc::clone(owner);
        let entry = Entry { owner, resource: resource.clone(), request, orders };
        let _none = state.held.insert(id, entry);
    }

    /// Takes a lease out that has ended.
    pub(super) fn ended(&self, id: LeaseId, ended: Ended) {
        let mut state = self.state();
        let Some(entry) = state.held.remove(&id) else { return };
        if let Some(leases) = state.of.get_mut(&entry.owner) {
            let _there = leases.remove(&id);
            if leases.is_empty() {
                let _none = state.of.remove(&entry.owner);
            }
        }
        state.memory.note(id, Arc::clone(&entry.owner), ended);
        if let Some(request) = entry.request {
            state.forget_if_over(&(entry.owner, request));
        }
    }

    /// Where orders for this client's lease go.
    pub(super) fn orders(
        &self,
        client: &Client,
        id: LeaseId,
    ) -> Result<mpsc::Sender<Order>, HoldError> {
        let state = self.state();
        match state.held.get(&id) {
            Some(entry) if entry.owner == *client.name() => Ok(entry.orders.clone()),
            Some(_) => Err(HoldError::NotFound),
            None => Err(state.over(client, id)),
        }
    }

    /// How this client's lease ended.
    pub(super) fn over(&self, client: &Client, id: LeaseId) -> HoldError {
        self.state().over(client, id)
    }

    /// So many leases of a client at most, in order after this one.
    pub(super) fn page(
        &self,
        client: &Client,
        after: Option<LeaseId>,
        limit: usize,
    ) -> Vec<LeaseId> {
        let state = self.state();
        let Some(leases) = state.of.get(client.name()) else { return Vec::new() };
        let later = |id: &&LeaseId| after.is_none_or(|after| **id > after);
        leases.keys().filter(later).take(limit).copied().collect()
    }

    /// Where orders for the lease on this resource go, whose ever it is.
    pub(super) fn holding(&self, resource: &Resource) -> Option<mpsc::Sender<Order>> {
        let state = self.state();
        let entry = state.held.values().find(|entry| entry.resource == *resource);
        entry.map(|entry| entry.orders.clone())
    }

    pub(super) fn holds(&self, id: LeaseId) -> bool {
        self.state().held.contains_key(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.state().held.len()
    }

    pub(super) fn links(&self) -> usize {
        self.state().links.len()
    }

    pub(super) fn put_link(&self, link: Arc<Link>) {
        let _none = self.state().links.insert(link.id, link);
    }

    pub(super) fn forget_link(&self, id: LinkId) {
        let _link = self.state().links.remove(&id);
    }

    /// A link of this client.
    pub(super) fn link(&self, client: &Client, id: LinkId) -> Result<Arc<Link>, HoldError> {
        let link = self.state().links.get(&id).cloned();
        link.filter(|link| link.client.name() == client.name()).ok_or(HoldError::NoLink)
    }

    /// Begins or repeats a request that has a name.
    pub(super) fn ask(
        &self,
        client: &Client,
        request: &RequestId,
        what: &What,
    ) -> Result<Asking<'_>, HoldError> {
        let name = (Arc::clone(client.name()), request.clone());
        let mut state = self.state();
        let asked = state.intents.entry(name.clone()).or_insert_with(|| {
            let intent = Intent { what: what.clone(), outcome: tokio::sync::Mutex::default() };
            Asked { intent: Arc::new(intent), asking: 0 }
        });
        if asked.intent.what != *what {
            return Err(HoldError::RequestIdReused);
        }
        asked.asking += 1;
        let intent = Arc::clone(&asked.intent);
        drop(state);
        Ok(Asking { table: self, name, intent })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn over(&self, client: &Client, id: LeaseId) -> HoldError {
        self.memory.end_of(id, client.name()).map_or(HoldError::NotFound, HoldError::Over)
    }

    /// Forgets a named request that nobody asks for, and of which nothing is held.
    fn forget_if_over(&mut self, name: &(Arc<str>, RequestId)) {
        let Some(asked) = self.intents.get(name) else { return };
        // Nobody asks, so nobody has it locked.
        let holds = || asked.intent.outcome.try_lock().is_ok_and(|ids| self.holds_any(&ids));
        if asked.asking == 0 && !holds() {
            let _over = self.intents.remove(name);
        }
    }

    fn holds_any(&self, ids: &[LeaseId]) -> bool {
        ids.iter().any(|id| self.held.contains_key(id))
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut state = self.table.state();
        if let Some(asked) = state.intents.get_mut(&self.name) {
            asked.asking -= 1;
        }
        state.forget_if_over(&self.name);
    }
}
