//! One attempt to acquire: answers in, steps out.
//!
//! ```text
//!            Q equal numbers                          one round trip
//!  asked ────────────────────────────────────► held
//!    │                                           ▲
//!    │ Q grants that differ                      │ Q commits   two round trips
//!    └────────────► committing the largest ──────┘
//!    │                    │
//!    └────────────────────┴──► gave up: no quorum can be reached any more
//! ```
//!
//! Why the numbers are ordered: a held number was bound on a quorum. A later grant asks a quorum,
//! which shares a node with the first; that node's fence only rises, so its answer is larger, and
//! the later attempt takes the common value or the maximum. Expiry, pauses and lost or late
//! messages do not enter the argument.
//!
//! A request that waits goes the same way, only slower: while it is asked for, nodes that another
//! has may grant it yet. To the argument such a grant is one whose question came late.

mod waiting;

use super::{GrantNumber, vote::quorum};

/// What one node said, or that it said nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// To the grant: free, and bound to us at this number.
    Granted(GrantNumber),
    /// To the grant: another holder has it.
    Held,
    /// To the commit: bound.
    Committed,
    /// To the commit: not ours any more, or a higher fence.
    Refused,
    /// To either: no answer in time, or an error that tells nothing.
    Unknown,
}

/// How the nodes stood when an attempt ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Nodes that granted.
    pub granted: usize,
    /// Nodes that another holder has, or that refused the commit.
    pub held: usize,
    /// Nodes that did not answer, or not usefully.
    pub unknown: usize,
    /// How many grants were needed.
    pub quorum: usize,
    /// How many nodes there are.
    pub nodes: usize,
}

/// Why an attempt ended without the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GaveUp {
    /// Enough nodes answer, and others hold or contend for the lease.
    Contended(Tally),
    /// So many nodes are silent that no quorum exists.
    Unavailable(Tally),
}

/// What to do next. The driver does it; it does not decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until the next answer.
    Wait,
    /// Ask these nodes to commit this number.
    Commit {
        /// The number to bind.
        number: GrantNumber,
        /// The nodes to ask, by index.
        nodes: Vec<usize>,
    },
    /// The lease is held with this number.
    Hold(GrantNumber),
    /// The attempt is over: release on every node.
    GiveUp(GaveUp),
    /// A node granted after the attempt was given up, or its lease released: release there.
    Release(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seat {
    Asked,
    Granted(GrantNumber),
    Committing,
    Committed,
    Held,
    Refused,
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Granting,
    Committing(GrantNumber),
    Held(GrantNumber),
    /// Given up, or held and released: whatever is granted late is to be released.
    Over,
}

/// The state of one attempt over a fixed list of nodes.
#[derive(Clone, Debug)]
pub struct Round {
    seats: Vec<Seat>,
    phase: Phase,
    /// Whether nodes that another has may grant it later.
    waits: bool,
}

impl Round {
    /// An attempt in which every one of `nodes` nodes was just asked for a grant.
    #[must_use]
    pub fn new(nodes: usize) -> Self {
        Self { seats: vec![Seat::Asked; nodes], phase: Phase::Granting, waits: false }
    }

    /// Takes one node's answer to what it was last asked, and says what to do next.
    ///
    /// Also answers that come after the attempt was settled belong here: a late grant is then
    /// bound to the held number, or released.
    pub fn on(&mut self, node: usize, answer: Answer) -> Step {
        let Some(seat) = self.seats.get_mut(node) else { return Step::Wait };
        // A grant that was handed over can overtake the answer to an earlier question.
        let is_overtaken = match seat {
            Seat::Granted(_) => matches!(answer, Answer::Held | Answer::Unknown),
            Seat::Committing | Seat::Committed => answer == Answer::Held,
            Seat::Asked | Seat::Held | Seat::Refused | Seat::Unknown => false,
        };
        if self.waits && is_overtaken {
            return Step::Wait;
        }
        *seat = match answer {
            Answer::Granted(number) => Seat::Granted(number),
            Answer::Committed => Seat::Committed,
            Answer::Held => Seat::Held,
            Answer::Refused => Seat::Refused,
            Answer::Unknown => Seat::Unknown,
        };
        match self.phase {
            Phase::Granting => self.settle_grants(),
            Phase::Committing(number) => {
                let late = self.commit_late_grant(node, answer, number);
                if late == Step::Wait { self.settle_commits(number) } else { late }
            }
            Phase::Held(number) => self.commit_late_grant(node, answer, number),
            Phase::Over if matches!(answer, Answer::Granted(_)) => Step::Release(node),
            Phase::Over => Step::Wait,
        }
    }

    /// How many nodes there are.
    #[must_use]
    pub const fn nodes(&self) -> usize {
        self.seats.len()
    }

    /// Whether the held number took a commit, so that the nodes' lifetimes run from the commit's
    /// start and not from the grant's.
    #[must_use]
    pub fn was_committed(&self) -> bool {
        self.count(|seat| seat == Seat::Committed) >= quorum(self.seats.len())
    }

    /// The held lease is being released: a grant that comes from now on is to be released too.
    pub fn release(&mut self) {
        self.phase = Phase::Over;
    }

    /// Whether this node may have our lease or request: it granted, was silent, or has not answered
    /// yet. A node that said another holder has it never took ours; but it keeps a request that
    /// waits.
    #[must_use]
    pub fn may_have_ours(&self, node: usize) -> bool {
        self.seats.get(node).is_some_and(|&seat| self.waits || seat != Seat::Held)
    }

    fn count(&self, wanted: impl Fn(Seat) -> bool) -> usize {
        self.seats.iter().filter(|&&seat| wanted(seat)).count()
    }

    fn tally(&self) -> Tally {
        let nodes = self.seats.len();
        let granted = |s| matches!(s, Seat::Granted(_) | Seat::Committing | Seat::Committed);
        Tally {
            granted: self.count(granted),
            held: self.count(|s| matches!(s, Seat::Held | Seat::Refused)),
            unknown: self.count(|s| s == Seat::Unknown),
            quorum: quorum(nodes),
            nodes,
        }
    }

    fn settle_grants(&mut self) -> Step {
        let quorum = quorum(self.seats.len());
        let grants: Vec<GrantNumber> = self
            .seats
            .iter()
            .filter_map(|seat| if let Seat::Granted(number) = seat { Some(*number) } else { None })
            .collect();
        let Some(&highest) = grants.iter().max() else { return self.give_up_if_hopeless() };
        let agreed =
            |number: GrantNumber| grants.iter().filter(|&&n| n == number).count() >= quorum;
        if let Some(&number) = grants.iter().find(|&&number| agreed(number)) {
            self.phase = Phase::Held(number);
            return Step::Hold(number);
        }
        if grants.len() < quorum {
            return self.give_up_if_hopeless();
        }
        self.phase = Phase::Committing(highest);
        let nodes = self.commit(|seat| matches!(seat, Seat::Granted(_)));
        Step::Commit { number: highest, nodes }
    }

    fn commit(&mut self, wanted: impl Fn(Seat) -> bool) -> Vec<usize> {
        let mut nodes = Vec::with_capacity(self.seats.len());
        for (node, seat) in self.seats.iter_mut().enumerate() {
            if wanted(*seat) {
                *seat = Seat::Committing;
                nodes.push(node);
            }
        }
        nodes
    }

    /// A grant that comes while or after the number was fixed is pulled up to it. A node that
    /// minted a higher number cannot be pulled down; it keeps what it has until it expires.
    fn commit_late_grant(&mut self, node: usize, answer: Answer, number: GrantNumber) -> Step {
        match answer {
            Answer::Granted(minted)
                if minted < number || self.phase == Phase::Committing(number) =>
            {
                self.seats[node] = Seat::Committing;
                Step::Commit { number, nodes: vec![node] }
            }
            _ => Step::Wait,
        }
    }

    fn settle_commits(&mut self, number: GrantNumber) -> Step {
        if self.was_committed() {
            self.phase = Phase::Held(number);
            return Step::Hold(number);
        }
        self.give_up_if_hopeless()
    }

    /// Gives up once no quorum can be reached any more and it is clear why: others hold so many
    /// nodes, or so many are silent. While some have not answered and neither is clear, it waits:
    /// contenders that hold the rest of a lost quorum against each other must not hide the loss.
    fn give_up_if_hopeless(&mut self) -> Step {
        let tally = self.tally();
        let nodes = tally.nodes;
        if nodes - tally.held - tally.unknown >= tally.quorum {
            return Step::Wait;
        }
        let spare = nodes - tally.quorum;
        let all_answered = self.count(|s| matches!(s, Seat::Asked | Seat::Committing)) == 0;
        let why = if tally.unknown > spare {
            GaveUp::Unavailable(tally)
        } else if self.waits && self.phase == Phase::Granting {
            return Step::Wait;
        } else if tally.held > spare || all_answered {
            GaveUp::Contended(tally)
        } else {
            return Step::Wait;
        };
        self.phase = Phase::Over;
        Step::GiveUp(why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(n: u64) -> GrantNumber {
        GrantNumber::new(n).unwrap()
    }

    /// What each node was last asked and has not answered.
    #[derive(Clone, Copy, PartialEq)]
    enum Asked {
        Grant,
        Commit,
    }

    /// One history: what was answered, in order, and what the round made of it.
    #[derive(Clone)]
    struct Walk {
        round: Round,
        open: Vec<Option<Asked>>,
        granted: Vec<Option<GrantNumber>>,
        committed: Vec<bool>,
        history: Vec<(usize, Answer, Step)>,
        settled: Option<Step>,
    }

    impl Walk {
        fn new(nodes: usize) -> Self {
            Self {
                round: Round::new(nodes),
                open: vec![Some(Asked::Grant); nodes],
                granted: vec![None; nodes],
                committed: vec![false; nodes],
                history: vec![],
                settled: None,
            }
        }

        fn answer(&self, node: usize, answer: Answer) -> Self {
            let mut next = self.clone();
            next.open[node] = None;
            match answer {
                Answer::Granted(n) => next.granted[node] = Some(n),
                Answer::Committed => next.committed[node] = true,
                Answer::Held | Answer::Refused | Answer::Unknown => {}
            }
            let step = next.round.on(node, answer);
            next.history.push((node, answer, step.clone()));
            next.check(node, answer, &step);
            if let Step::Commit { nodes, .. } = &step {
                for &asked in nodes {
                    next.open[asked] = Some(Asked::Commit);
                }
            }
            if matches!(step, Step::Hold(_) | Step::GiveUp(_)) {
                assert!(next.settled.is_none(), "settled twice: {:?}", next.history);
                next.settled = Some(step);
            }
            next
        }

        fn check(&self, node: usize, answer: Answer, step: &Step) {
            let history = &self.history;
            let quorum = quorum(self.open.len());
            match step {
                Step::Hold(number) => {
                    let equal = self.granted.iter().filter(|g| **g == Some(*number)).count();
                    let bound = self.committed.iter().filter(|c| **c).count();
                    assert!(
                        equal >= quorum || bound >= quorum,
                        "held without a quorum: {history:?}"
                    );
                }
                Step::Commit { number, nodes } => {
                    assert!(nodes.iter().all(|&n| self.granted[n].is_some()), "{history:?}");
                    if self.settled.is_none() && nodes.len() > 1 {
                        let highest = self.granted.iter().flatten().max().unwrap();
                        assert_eq!(number, highest, "{history:?}");
                    }
                }
                Step::GiveUp(why) => {
                    let held =
                        history.iter().any(|(_, a, _)| matches!(a, Answer::Held | Answer::Refused));
                    let silent = history.iter().filter(|(_, a, _)| *a == Answer::Unknown).count();
                    match why {
                        GaveUp::Contended(_) => {
                            assert!(held, "silence read as a refusal: {history:?}");
                            assert!(silent <= self.open.len() - quorum, "{history:?}");
                        }
                        GaveUp::Unavailable(_) => {
                            assert!(silent > self.open.len() - quorum, "{history:?}");
                        }
                    }
                }
                Step::Release(at) => {
                    assert_eq!(*at, node);
                    assert!(matches!(answer, Answer::Granted(_)));
                }
                Step::Wait => {
                    let gave_up = matches!(self.settled, Some(Step::GiveUp(_)));
                    assert!(
                        !(gave_up && matches!(answer, Answer::Granted(_))),
                        "a late grant was kept: {history:?}"
                    );
                }
            }
        }
    }

    /// Walks every history: each node answers in turn, commits in between or after.
    fn walk(
        state: &Walk,
        grants: &dyn Fn(usize) -> Vec<Answer>,
        commits: &[Answer],
        seen: &mut usize,
    ) {
        let first = |asked| state.open.iter().position(|open| *open == Some(asked));
        let (grant, commit) = (first(Asked::Grant), first(Asked::Commit));
        if grant.is_none() && commit.is_none() {
            *seen += 1;
            assert!(state.settled.is_some(), "never settled: {:?}", state.history);
            return;
        }
        if let Some(node) = grant {
            for answer in grants(node) {
                walk(&state.answer(node, answer), grants, commits, seen);
            }
        }
        if let Some(node) = commit {
            for &answer in commits {
                walk(&state.answer(node, answer), grants, commits, seen);
            }
        }
    }

    #[test]
    fn every_history_of_one_to_four_nodes_is_settled_rightly() {
        let grants = |_| {
            vec![
                Answer::Granted(number(1)),
                Answer::Granted(number(2)),
                Answer::Held,
                Answer::Unknown,
            ]
        };
        let mut seen = 0;
        for nodes in 1..=4 {
            walk(
                &Walk::new(nodes),
                &grants,
                &[Answer::Committed, Answer::Refused, Answer::Unknown],
                &mut seen,
            );
        }
        assert_eq!(seen, 6_432, "histories were left out");
    }

    #[test]
    fn every_sequence_of_grant_answers_of_five_to_seven_nodes_is_settled_rightly() {
        // Every third node minted a higher number, so that splits occur; commits all succeed or
        // all stay silent.
        let grants = |node: usize| {
            let minted = if node.is_multiple_of(3) { 2 } else { 1 };
            vec![Answer::Granted(number(minted)), Answer::Held, Answer::Unknown]
        };
        let mut seen = 0;
        for nodes in 5..=7 {
            for commit in [Answer::Committed, Answer::Unknown] {
                walk_grants_first(&Walk::new(nodes), &grants, commit, &mut seen);
            }
        }
        assert!(seen >= 2 * (243 + 729 + 2187), "only {seen} histories");
    }

    fn walk_grants_first(
        state: &Walk,
        grants: &dyn Fn(usize) -> Vec<Answer>,
        commit: Answer,
        seen: &mut usize,
    ) {
        let first = |asked| state.open.iter().position(|open| *open == Some(asked));
        if let Some(node) = first(Asked::Grant) {
            for answer in grants(node) {
                walk_grants_first(&state.answer(node, answer), grants, commit, seen);
            }
        } else if let Some(node) = first(Asked::Commit) {
            walk_grants_first(&state.answer(node, commit), grants, commit, seen);
        } else {
            *seen += 1;
            assert!(state.settled.is_some(), "never settled: {:?}", state.history);
        }
    }

    /// Walks every history of a request that waits: nodes that another has grant it later, or never.
    fn walk_waiting(state: &Walk, handed_over: u64, seen: &mut usize) {
        *seen += 1;
        if let Some(settled) = &state.settled {
            assert!(
                !matches!(settled, Step::GiveUp(GaveUp::Contended(_))) || state.round_committed(),
                "gave up while it could wait: {:?}",
                state.history
            );
            return;
        }
        for node in 0..state.open.len() {
            let answers: &[Answer] = match state.open[node] {
                Some(Asked::Grant) => &[Answer::Granted(number(1)), Answer::Held, Answer::Unknown],
                Some(Asked::Commit) => &[Answer::Committed, Answer::Refused, Answer::Unknown],
                None => &[],
            };
            for &answer in answers {
                walk_waiting(&state.answer(node, answer), handed_over, seen);
            }
            let last = state.history.iter().rev().find(|(n, ..)| *n == node);
            if matches!(last, Some((_, Answer::Held, _))) {
                for n in 1..=handed_over {
                    walk_waiting(
                        &state.answer(node, Answer::Granted(number(n))),
                        handed_over,
                        seen,
                    );
                }
            }
        }
    }

    impl Walk {
        fn round_committed(&self) -> bool {
            self.history.iter().any(|(.., step)| matches!(step, Step::Commit { .. }))
        }
    }

    #[test]
    fn a_request_that_waits_is_held_only_by_a_quorum_and_ends_only_without_one_that_could_grant() {
        let mut seen = 0;
        for (nodes, handed_over) in [(1, 2), (2, 2), (3, 2)] {
            let round = Round::waiting(nodes);
            walk_waiting(&Walk { round, ..Walk::new(nodes) }, handed_over, &mut seen);
        }
        assert!(seen > 10_000, "only {seen} histories");
    }

    #[test]
    fn a_request_that_waits_is_asked_again_and_given_up_once() {
        let mut round = Round::waiting(3);
        assert_eq!(round.on(0, Answer::Held), Step::Wait);
        assert_eq!(round.stalled(), None, "two could grant it");
        assert_eq!(round.on(1, Answer::Unknown), Step::Wait);
        assert_eq!(round.stalled().map(|tally| tally.unknown), Some(1));
        assert_eq!(round.on(2, Answer::Granted(number(4))), Step::Wait);
        assert_eq!(round.stalled().map(|tally| tally.granted), Some(1));
        assert_eq!(round.ask_again(None), [0, 1]);
        assert_eq!(round.stalled(), None);
        // Handed over, before the answer to what was asked again.
        assert_eq!(round.on(0, Answer::Granted(number(4))), Step::Hold(number(4)));
        assert_eq!(round.on(0, Answer::Held), Step::Wait);
        assert!((0..3).all(|node| round.may_have_ours(node)));
        assert_eq!(round.give_up(), None);

        let mut round = Round::waiting(1);
        assert_eq!(round.on(0, Answer::Held), Step::Wait);
        assert!(round.give_up().is_some());
        assert_eq!(round.on(0, Answer::Granted(number(4))), Step::Release(0));
        assert_eq!(round.give_up(), None);
    }

    #[test]
    fn a_grant_that_may_have_run_out_is_committed_anew() {
        let mut round = Round::waiting(3);
        assert_eq!(round.on(0, Answer::Granted(number(4))), Step::Wait);
        assert_eq!(round.on(1, Answer::Granted(number(4))), Step::Hold(number(4)));
        assert_eq!(round.commit_again(number(4)), [0, 1]);
        assert_eq!(round.on(0, Answer::Committed), Step::Wait);
        let late = round.on(2, Answer::Granted(number(4)));
        assert_eq!(late, Step::Commit { number: number(4), nodes: vec![2] });
        assert_eq!(round.on(2, Answer::Committed), Step::Hold(number(4)));
    }

    #[test]
    fn equal_numbers_of_a_quorum_need_one_round_trip() {
        let mut round = Round::new(5);
        assert_eq!(round.on(0, Answer::Granted(number(7))), Step::Wait);
        assert_eq!(round.on(3, Answer::Granted(number(9))), Step::Wait);
        assert_eq!(round.on(1, Answer::Held), Step::Wait);
        let step = round.on(4, Answer::Granted(number(9)));
        assert_eq!(step, Step::Commit { number: number(9), nodes: vec![0, 3, 4] });

        let mut round = Round::new(5);
        for node in [0, 3] {
            assert_eq!(round.on(node, Answer::Granted(number(7))), Step::Wait);
        }
        assert_eq!(round.on(4, Answer::Granted(number(7))), Step::Hold(number(7)));
        assert!(!round.was_committed());
        // Stragglers: a lower number is pulled up, a higher one is left alone.
        let step = round.on(1, Answer::Granted(number(5)));
        assert_eq!(step, Step::Commit { number: number(7), nodes: vec![1] });
        assert_eq!(round.on(2, Answer::Granted(number(8))), Step::Wait);
    }
}
