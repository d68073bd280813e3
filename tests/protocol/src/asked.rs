//! One attempt's [`Round`], with an identity that the checker can compare.

use std::{
    collections::hash_map::DefaultHasher,
    fmt::{self, Write as _},
    hash::{Hash, Hasher},
};

use leasehold::model::{Answer, GrantNumber, Round, Step};

/// What a node said to a grant, commit or renewal: [`Answer`], comparable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Said {
    /// Granted with this number.
    Granted(GrantNumber),
    /// Another holder has it.
    Held,
    /// Bound.
    Bound,
    /// Not ours, or a higher fence.
    Refused,
    /// Nothing that tells anything.
    Nothing,
}

impl From<Said> for Answer {
    fn from(said: Said) -> Self {
        match said {
            Said::Granted(number) => Self::Granted(number),
            Said::Held => Self::Held,
            Said::Bound => Self::Committed,
            Said::Refused => Self::Refused,
            Said::Nothing => Self::Unknown,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Heard(usize, Said),
    Released,
}

/// The production [`Round`] of one attempt.
///
/// Two of them are equal when the rounds are, whatever the order was in which they came to be so:
/// a `Round` cannot be compared, but its derived `Debug` names every field. The events are kept to
/// build the same round over nodes in another order.
#[derive(Clone)]
pub struct Asked {
    round: Round,
    events: Vec<Event>,
    waits: bool,
    digest: u64,
}

impl Asked {
    /// Every node was just asked for a grant.
    #[must_use]
    pub fn new(nodes: usize, waits: bool) -> Self {
        let round = if waits { Round::waiting(nodes) } else { Round::new(nodes) };
        Self { digest: digest(&round), round, events: Vec::new(), waits }
    }

    /// Tells the round what a node said.
    pub fn on(&mut self, node: usize, said: Said) -> Step {
        self.events.push(Event::Heard(node, said));
        let step = self.round.on(node, said.into());
        self.digest = digest(&self.round);
        step
    }

    /// Tells the round that its lease is being released, or that the attempt was given up.
    pub fn release(&mut self) {
        self.events.push(Event::Released);
        self.round.release();
        self.digest = digest(&self.round);
    }

    /// The production round.
    #[must_use]
    pub const fn round(&self) -> &Round {
        &self.round
    }

    /// What this node said last: part of what tells nodes apart.
    #[must_use]
    pub fn last_from(&self, node: usize) -> Option<Said> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Heard(from, said) if *from == node => Some(*said),
            Event::Heard(..) | Event::Released => None,
        })
    }

    /// The same attempt, had node `order[i]` been node `i`: the events replayed in a new round.
    #[must_use]
    pub fn reordered(&self, order: &[usize]) -> Self {
        let mut round = Self::new(order.len(), self.waits).round;
        let mut events = self.events.clone();
        for event in &mut events {
            match event {
                Event::Heard(node, said) => {
                    *node = order.iter().position(|old| old == node).unwrap_or(*node);
                    let _obeyed_when_it_happened = round.on(*node, (*said).into());
                }
                Event::Released => round.release(),
            }
        }
        Self { digest: digest(&round), round, events, waits: self.waits }
    }
}

impl PartialEq for Asked {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for Asked {}

impl Hash for Asked {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.round.fmt(f)
    }
}

struct Digest(DefaultHasher);

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

fn digest(round: &Round) -> u64 {
    let mut digest = Digest(DefaultHasher::new());
    write!(digest, "{round:?}").expect("a digest takes every text");
    digest.0.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_equal_when_they_stand_alike_whatever_came_first() {
        let two = Said::Granted(GrantNumber::ONE.next());
        let (mut one_way, mut other_way) = (Asked::new(3, false), Asked::new(3, false));
        let _wait = one_way.on(0, Said::Held);
        let _wait = one_way.on(1, two);
        let _wait = other_way.on(1, two);
        assert_ne!(one_way, other_way);
        let _wait = other_way.on(0, Said::Held);
        assert_eq!(one_way, other_way);
        assert_ne!(one_way.reordered(&[1, 0, 2]), one_way);
        assert_eq!(one_way.reordered(&[1, 0, 2]).reordered(&[1, 0, 2]), one_way);
    }
}
