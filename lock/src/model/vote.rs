//! Counting answers of which some never come.

use super::Tally;

/// How many of `nodes` are a quorum: any two quorums share a node.
///
/// # Example
///
/// ```
/// assert_eq!([1, 2, 3, 4, 5].map(leasehold::model::quorum), [1, 2, 2, 3, 3]);
/// ```
#[must_use]
pub const fn quorum(nodes: usize) -> usize {
    nodes / 2 + 1
}

/// What one node says to a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vote {
    /// It did what was asked.
    Yes,
    /// It did not, and says so.
    No,
    /// No answer in time, or one that tells nothing: it may have done it all the same.
    Unknown,
}

/// What the nodes together say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not settled yet.
    Pending,
    /// A quorum said yes.
    Yes,
    /// So many said no that a quorum for yes does not exist.
    No,
    /// Neither can be reached any more: too many are silent.
    Unknown,
}

/// A count of votes among a fixed number of nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ballot {
    nodes: usize,
    yes: usize,
    no: usize,
    unknown: usize,
}

impl Ballot {
    /// A ballot in which nobody has voted.
    #[must_use]
    pub const fn new(nodes: usize) -> Self {
        Self { nodes, yes: 0, no: 0, unknown: 0 }
    }

    /// A ballot in which every node has voted.
    #[must_use]
    pub fn of(votes: Vec<Vote>) -> Self {
        let mut ballot = Self::new(votes.len());
        for vote in votes {
            let _so_far = ballot.count(vote);
        }
        ballot
    }

    /// Counts one node's vote and says what is settled. The caller counts each node once.
    pub fn count(&mut self, vote: Vote) -> Verdict {
        match vote {
            Vote::Yes => self.yes += 1,
            Vote::No => self.no += 1,
            Vote::Unknown => self.unknown += 1,
        }
        self.verdict()
    }

    /// How the nodes stand so far: a yes is counted as granted, a no as held.
    #[must_use]
    pub const fn tally(&self) -> Tally {
        let Self { nodes, yes, no, unknown } = *self;
        Tally { granted: yes, held: no, unknown, quorum: quorum(nodes), nodes }
    }

    /// What is settled by the votes so far.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        let quorum = quorum(self.nodes);
        let blocking = self.nodes - quorum + 1;
        let open = self.nodes.saturating_sub(self.yes + self.no + self.unknown);
        if self.yes >= quorum {
            Verdict::Yes
        } else if self.no >= blocking {
            Verdict::No
        } else if self.yes + open < quorum && self.no + open < blocking {
            Verdict::Unknown
        } else {
            Verdict::Pending
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sequence of votes of `nodes` nodes, with the verdict after each vote.
    fn for_every_sequence(nodes: usize, check: &mut impl FnMut(&[Vote], &[Verdict])) {
        fn walk(
            nodes: usize,
            ballot: Ballot,
            votes: &mut Vec<Vote>,
            verdicts: &mut Vec<Verdict>,
            check: &mut impl FnMut(&[Vote], &[Verdict]),
        ) {
            if votes.len() == nodes {
                return check(votes, verdicts);
            }
            for vote in [Vote::Yes, Vote::No, Vote::Unknown] {
                let mut next = ballot;
                votes.push(vote);
                verdicts.push(next.count(vote));
                walk(nodes, next, votes, verdicts, check);
                votes.pop();
                verdicts.pop();
            }
        }
        walk(nodes, Ballot::new(nodes), &mut vec![], &mut vec![], check);
    }

    #[test]
    fn every_sequence_is_settled_once_and_rightly() {
        for nodes in 1..=7 {
            for_every_sequence(nodes, &mut |votes, verdicts| {
                let count = |wanted| votes.iter().filter(|&&v| v == wanted).count();
                let last = *verdicts.last().unwrap();
                let expected = if count(Vote::Yes) >= quorum(nodes) {
                    Verdict::Yes
                } else if count(Vote::No) > nodes - quorum(nodes) {
                    Verdict::No
                } else {
                    Verdict::Unknown
                };
                assert_eq!(last, expected, "{votes:?}");
                let settled = verdicts.iter().position(|&v| v != Verdict::Pending).unwrap();
                assert!(
                    verdicts[settled..].iter().all(|&v| v == expected),
                    "{votes:?} changed its mind: {verdicts:?}"
                );
            });
        }
    }

    #[test]
    fn silence_is_never_read_as_a_no() {
        for nodes in 1..=7 {
            for_every_sequence(nodes, &mut |votes, verdicts| {
                if !votes.contains(&Vote::No) {
                    assert!(!verdicts.contains(&Verdict::No), "{votes:?}");
                }
            });
        }
    }
}
