//! Who waits for one lease at one node, longest first.

use std::time::Duration;

use super::{ClientId, HolderId, limits::WAITERS_MAX};

/// A request that waits at a node until its turn comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Waiter {
    /// Who is told.
    pub(super) client: ClientId,
    /// Who will have the lease then.
    pub(super) holder: HolderId,
    /// How long the node keeps it for them.
    pub(super) ttl: Duration,
}

/// Requests that wait, one of each client.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Queue {
    waiters: Vec<Waiter>,
}

impl Queue {
    /// A newer request of a client takes the place of its older one. Who finds the queue full is not
    /// noted.
    pub(super) fn enter(&mut self, waiter: Waiter) {
        match self.waiters.iter().position(|other| other.client == waiter.client) {
            Some(place) => self.waiters[place] = waiter,
            None if self.waiters.len() < WAITERS_MAX => self.waiters.push(waiter),
            None => {}
        }
    }

    /// The client waits no more.
    pub(super) fn take(&mut self, client: ClientId) -> Option<Waiter> {
        let at = self.waiters.iter().position(|waiter| waiter.client == client)?;
        Some(self.waiters.remove(at))
    }

    /// This request waits no more.
    pub(super) fn leave(&mut self, holder: HolderId) {
        self.waiters.retain(|waiter| waiter.holder != holder);
    }

    /// Takes out whoever is to have the lease: `next` before all others, if it waits; then the one
    /// that has waited longest. Who does not listen any more is taken out, too.
    pub(super) fn heir(
        &mut self,
        next: Option<ClientId>,
        listens: impl Fn(ClientId) -> bool,
    ) -> Option<Waiter> {
        let first = next.and_then(|next| self.take(next));
        if let Some(first) = first.filter(|first| listens(first.client)) {
            return Some(first);
        }
        while !self.waiters.is_empty() {
            let waiter = self.waiters.remove(0);
            if listens(waiter.client) {
                return Some(waiter);
            }
        }
        None
    }

    pub(super) fn first(&self) -> Option<ClientId> {
        self.waiters.first().map(|waiter| waiter.client)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiter(client: u64, holder: u128) -> Waiter {
        Waiter {
            client: ClientId::from_random(client),
            holder: HolderId::from_random(holder),
            ttl: Duration::from_secs(1),
        }
    }

    #[test]
    fn the_one_that_has_waited_longest_and_still_listens_is_next() {
        let mut queue = Queue::default();
        for client in 1..=4 {
            queue.enter(waiter(client, 1));
        }
        // Asks again, with another request, and keeps its place.
        queue.enter(waiter(2, 2));
        queue.leave(HolderId::from_random(7));
        let listens = |client| client != ClientId::from_random(1);
        assert_eq!(queue.heir(None, listens), Some(waiter(2, 2)));
        let client = ClientId::from_random;
        assert_eq!(queue.heir(Some(client(4)), listens), Some(waiter(4, 1)));
        // One that does not wait here, and one that does not listen.
        assert_eq!(queue.clone().heir(Some(client(5)), listens), Some(waiter(3, 1)));
        assert_eq!(queue.heir(Some(client(1)), listens), Some(waiter(3, 1)));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_full_queue_takes_nobody_else() {
        let mut queue = Queue::default();
        for client in 0..=WAITERS_MAX as u64 {
            queue.enter(waiter(client, 1));
        }
        assert_eq!(queue.take(ClientId::from_random(WAITERS_MAX as u64)), None);
        assert_eq!(queue.take(ClientId::from_random(0)), Some(waiter(0, 1)));
        queue.leave(HolderId::from_random(1));
        assert!(queue.is_empty());
    }
}
