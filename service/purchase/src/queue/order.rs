//! In which order commands are run. Pure: what was read from the nodes in, what may be run out.
//!
//! Whoever puts commands into a partition first asks a quorum of nodes for the highest place given so far,
//! takes the next, and then writes them to a quorum. So a command that was accepted before another was
//! submitted has the lower place: the other's question meets a node that knows it.
//!
//! Nodes get commands in different orders, and some late. A *round* is complete when a quorum was read to
//! its end, each read begun after the round before was complete. When a round has seen a command, the next
//! complete one sees everything that was accepted before that command was submitted. So after a round, those
//! commands may be run which the rounds before have seen, up to the first that is new.
//!
//! Source: the places are the timestamps of Attiya, Bar-Noy and Dolev, "Sharing memory robustly in
//! message-passing systems" (1995).

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Where a command stands in its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) struct Place {
    /// One more than the highest that a quorum knew when it was submitted.
    pub(crate) number: u64,
    /// Tells apart commands that were submitted at the same time, by different replicas.
    pub(crate) batch: Uuid,
    /// Which of those that one replica submitted together.
    pub(crate) index: u32,
}

/// Commands that were seen and not run yet.
#[derive(Debug)]
pub(super) struct Order<T> {
    known: BTreeMap<Place, T>,
    /// Those of them that the round under way was the first to see.
    new: HashSet<Place>,
}

impl<T> Default for Order<T> {
    fn default() -> Self {
        Self { known: BTreeMap::new(), new: HashSet::new() }
    }
}

impl<T> Order<T> {
    /// Notes a command that a node had. Gives what is known of it, if it was seen before.
    pub(super) fn see(&mut self, place: Place, item: T) -> Option<&mut T> {
        use std::collections::btree_map::Entry;
        match self.known.entry(place) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => {
                let _new = entry.insert(item);
                let _first = self.new.insert(place);
                None
            }
        }
    }

    /// Ends a round, and takes what may be run by now, in order. After one that was not complete that is
    /// nothing, and what it was the first to see counts as new in the next.
    pub(super) fn end_round(&mut self, is_complete: bool) -> Vec<(Place, T)> {
        if !is_complete {
            return Vec::new();
        }
        let first_new = self.new.drain().min();
        let rest = first_new.map_or_else(BTreeMap::new, |place| self.known.split_off(&place));
        std::mem::replace(&mut self.known, rest).into_iter().collect()
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(number: u64, batch: u128) -> Place {
        Place { number, batch: Uuid::from_u128(batch), index: 0 }
    }

    fn run(order: &mut Order<()>) -> Vec<u64> {
        order.end_round(true).into_iter().map(|(place, ())| place.number).collect()
    }

    #[test]
    fn what_a_round_was_the_first_to_see_waits_for_the_next() {
        let mut order = Order::default();
        assert!(order.see(place(2, 1), ()).is_none());
        assert!(run(&mut order).is_empty());
        assert!(order.see(place(3, 1), ()).is_none());
        assert_eq!(run(&mut order), [2]);
        assert_eq!(run(&mut order), [3]);
        assert_eq!(order.len(), 0);
    }

    #[test]
    fn a_command_seen_late_goes_before_those_that_stand_behind_it() {
        let mut order = Order::default();
        let _new = order.see(place(2, 1), ());
        assert!(run(&mut order).is_empty());
        let _new = order.see(place(1, 1), ());
        assert!(run(&mut order).is_empty());
        assert_eq!(run(&mut order), [1, 2]);
    }

    #[test]
    fn an_incomplete_round_says_nothing() {
        let mut order = Order::default();
        let _new = order.see(place(1, 1), ());
        assert!(order.end_round(false).is_empty());
        assert!(run(&mut order).is_empty());
        assert_eq!(run(&mut order), [1]);
    }

    /// Three nodes, clients that ask and write whichever quorum answers first, late copies, and one who
    /// reads in rounds.
    struct World {
        nodes: [Vec<Place>; 3],
        tops: [u64; 3],
        late: Vec<(usize, Place)>,
        clients: Vec<Client>,
        /// For each accepted command: its place.
        accepted: Vec<Place>,
        /// Which were accepted before it was submitted.
        before: Vec<(Place, Vec<Place>)>,
        ran: Vec<Place>,
        next: u128,
    }

    #[derive(Default)]
    struct Client {
        asked: Vec<usize>,
        highest: u64,
        accepted_before: Vec<Place>,
        written: Option<(Place, Vec<usize>)>,
    }

    impl World {
        fn new(clients: usize) -> Self {
            Self {
                nodes: Default::default(),
                tops: [0; 3],
                late: Vec::new(),
                clients: (0..clients).map(|_| Client::default()).collect(),
                accepted: Vec::new(),
                before: Vec::new(),
                ran: Vec::new(),
                next: 1,
            }
        }

        fn deliver(&mut self, node: usize, place: Place) {
            self.nodes[node].push(place);
            self.tops[node] = self.tops[node].max(place.number);
        }

        /// One message of one client.
        fn step(&mut self, client: usize, node: usize, asks: bool) {
            let Client { asked, highest, accepted_before, written } = &mut self.clients[client];
            if let Some((place, done)) = written {
                if done.contains(&node) {
                    return;
                }
                done.push(node);
                let (place, is_accepted) = (*place, done.len() == 2);
                if is_accepted {
                    let other = 3 - done[0] - done[1];
                    let before = std::mem::take(accepted_before);
                    self.clients[client] = Client::default();
                    self.late.push((other, place));
                    self.accepted.push(place);
                    self.before.push((place, before));
                }
                return self.deliver(node, place);
            }
            if asked.contains(&node) {
                return;
            }
            if asked.is_empty() {
                accepted_before.clone_from(&self.accepted);
            }
            asked.push(node);
            *highest = (*highest).max(self.tops[node]);
            if asked.len() == if asks { 2 } else { 1 } {
                *written = Some((place(*highest + 1, self.next), Vec::new()));
                self.next += 1;
            }
        }
    }

    /// Lives through one history; `false` when a command was run before one that was accepted before it
    /// was submitted. `asks` and `waits` are the two rules; without them it must be found out.
    fn is_in_order(seed: u64, asks: bool, waits: bool) -> bool {
        let mut dice = fastrand::Rng::with_seed(seed);
        let mut world = World::new(3);
        let mut order = Order::default();
        let mut read_to = [0; 3];
        let mut in_round: Vec<usize> = Vec::new();
        for step in 0..430 {
            // At last nobody comes any more, and all is read.
            let is_over = step >= 400;
            let (what, node) = (dice.usize(..8), dice.usize(..3));
            let (what, node) = if is_over { (7, step % 3) } else { (what, node) };
            if what < 5 {
                world.step(dice.usize(..3), node, asks);
            } else if what == 5 && !world.late.is_empty() {
                let (node, place) = world.late.swap_remove(dice.usize(..world.late.len()));
                world.deliver(node, place);
            } else if !in_round.contains(&node) {
                for &place in &world.nodes[node][read_to[node]..] {
                    if !world.ran.contains(&place) {
                        let _known = order.see(place, ());
                    }
                }
                read_to[node] = world.nodes[node].len();
                in_round.push(node);
                if in_round.len() == 2 {
                    in_round.clear();
                    if !waits {
                        order.new.clear();
                    }
                    let ready = order.end_round(true);
                    world.ran.extend(ready.into_iter().map(|(place, ())| place));
                }
            }
        }
        let at = |place: &Place| world.ran.iter().position(|ran| ran == place);
        world.before.iter().all(|(place, before)| {
            // Accepted, so it is run.
            let Some(mine) = at(place) else { return false };
            before.iter().all(|earlier| at(earlier).is_some_and(|at| at < mine))
        })
    }

    #[test]
    fn who_was_accepted_before_another_came_is_served_before_it() {
        for seed in 0..3000 {
            assert!(is_in_order(seed, true, true), "seed {seed}");
        }
    }

    #[test]
    fn without_either_rule_somebody_is_served_before_who_came_first() {
        assert!((0..3000).any(|seed| !is_in_order(seed, false, true)), "places of one node");
        assert!((0..3000).any(|seed| !is_in_order(seed, true, false)), "run at first sight");
    }
}
