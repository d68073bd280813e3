//! An attempt that goes on while others have the lease: nodes may grant it yet.

use super::{Phase, Round, Seat, Tally};
use crate::model::GrantNumber;

impl Round {
    /// An attempt that was asked for in the same way, and waits: it does not end because others
    /// have the lease, until [`Round::give_up`].
    #[must_use]
    pub fn waiting(nodes: usize) -> Self {
        Self { waits: true, ..Self::new(nodes) }
    }

    /// Asks again for a grant, at the nodes that answered and did not grant, or at `only` one of
    /// them: their new answers count in place of the old ones. Says which they are; none while the
    /// attempt does not wait for grants.
    pub fn ask_again(&mut self, only: Option<usize>) -> Vec<usize> {
        let asks = self.phase == Phase::Granting;
        let is_asked = |node: usize, seat: Seat| {
            asks && matches!(seat, Seat::Held | Seat::Unknown) && only.is_none_or(|n| n == node)
        };
        let nodes = self.seats.iter().enumerate().filter(|&(node, &seat)| is_asked(node, seat));
        let nodes: Vec<usize> = nodes.map(|(node, _)| node).collect();
        for &node in &nodes {
            self.seats[node] = Seat::Asked;
        }
        nodes
    }

    /// Has the nodes that granted this number commit it, although they agree: the lease runs anew on
    /// each of them. Says which they are.
    pub fn commit_again(&mut self, number: GrantNumber) -> Vec<usize> {
        self.phase = Phase::Committing(number);
        self.commit(|seat| seat == Seat::Granted(number))
    }

    /// Whether this node granted this number, as far as is known.
    #[must_use]
    pub fn granted(&self, node: usize, number: GrantNumber) -> bool {
        self.seats.get(node) == Some(&Seat::Granted(number))
    }

    /// How the nodes stand, if those that have not answered yet cannot make a quorum any more.
    #[must_use]
    pub fn stalled(&self) -> Option<Tally> {
        let tally = self.tally();
        let open = self.count(|seat| seat == Seat::Asked);
        (self.phase == Phase::Granting && tally.granted + open < tally.quorum).then_some(tally)
    }

    /// Ends an attempt that waits. Says how the nodes stood; `None` if it is over already, or held.
    pub fn give_up(&mut self) -> Option<Tally> {
        let tally = self.tally();
        match self.phase {
            Phase::Granting | Phase::Committing(_) => self.phase = Phase::Over,
            Phase::Held(_) | Phase::Over => return None,
        }
        Some(tally)
    }
}
