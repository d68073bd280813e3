//! Everything that one moment of a run consists of.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
};

use leasehold::model::{
    Ballot, Binding, ClientId, GrantNumber, GrantRequest, HolderId, Verdict, Vote,
};

use crate::{
    asked::{Asked, Said},
    config::{Config, Waits},
    mail::{Kind, Letter, Mail},
    node::{Node, THING, TTL},
    register::Register,
    rejoin::Rejoin,
    shared::Shared,
};

/// How far an attempt is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It asks for the lease.
    Asking,
    /// It believes that it holds the lease.
    Holding,
    /// It gave up, crashed, or finished.
    Over,
}

/// What a holder has done under its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    /// Nothing.
    Idle,
    /// It read; whether nobody has written since.
    Read {
        /// Nobody has.
        fresh: bool,
    },
    /// It read and wrote, and was told that both took place.
    Written,
    /// It was refused as stale.
    Refused,
}

/// One attempt, from its beginning on; what the lease became if it got one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attempt {
    /// How far it is.
    pub phase: Phase,
    /// The production round; gone when nothing that it says is needed any more.
    pub round: Option<Asked>,
    /// The largest number whose acquisition was complete when this attempt began.
    pub floor: u64,
    /// Its hint.
    pub hint: u64,
    /// The number that it commits or holds.
    pub number: Option<GrantNumber>,
    /// Whether it ever held.
    pub held: bool,
    /// Its renewal, if one began: whether a newer lease was complete by then.
    pub renewal: Option<bool>,
    /// What it did under its lease.
    pub work: Work,
    /// Its questions, by node.
    pub mail: Vec<Mail>,
    /// Whether it is over and what cannot matter any more was dropped.
    pub is_stripped: bool,
}

impl Attempt {
    /// One that just asked every node for a grant.
    #[must_use]
    pub fn new(config: &Config, floor: u64, hint: u64) -> Self {
        let mut mail = Mail::NONE;
        mail.set(Kind::Grant, Letter::OnItsWay);
        Self {
            phase: Phase::Asking,
            round: Some(Asked::new(config.nodes, config.waits != Waits::No)),
            floor,
            hint,
            number: None,
            held: false,
            renewal: None,
            work: Work::Idle,
            mail: vec![mail; config.nodes],
            is_stripped: false,
        }
    }

    /// Whether it is not over.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.phase != Phase::Over
    }

    /// What the votes on its renewal come to so far, if one began.
    #[must_use]
    pub fn renewal_verdict(&self) -> Option<Verdict> {
        let _began = self.renewal?;
        let mut ballot = Ballot::new(self.mail.len());
        for mail in &self.mail {
            let _verdict = match mail.of(Kind::Renew) {
                Letter::Answered(Said::Bound) => ballot.count(Vote::Yes),
                Letter::Answered(Said::Refused) => ballot.count(Vote::No),
                Letter::Answered(_) => ballot.count(Vote::Unknown),
                Letter::Unsent | Letter::OnItsWay | Letter::Done => ballot.verdict(),
            };
        }
        Some(ballot.verdict())
    }
}

/// The holder of the attempt with this number.
#[must_use]
pub fn holder(attempt: usize) -> HolderId {
    HolderId::from_random((attempt as u128 + 1) << 96)
}

/// What the attempt asks for.
#[must_use]
pub fn request(attempt: usize, hint: GrantNumber, waits: bool) -> GrantRequest {
    let waiter = waits.then(|| client(attempt));
    GrantRequest { resource: THING.clone(), holder: holder(attempt), ttl: TTL, hint, waiter }
}

/// The client of this attempt: each has one of its own.
#[must_use]
pub const fn client(attempt: usize) -> ClientId {
    ClientId::from_random(attempt as u64)
}

/// What the attempt commits, renews, and shows to the register.
#[must_use]
pub fn binding(attempt: usize, number: GrantNumber) -> Binding {
    request(attempt, GrantNumber::ONE, false).bind(number)
}

/// What may still go wrong in this run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// Deliveries after the end of an attempt, and second deliveries.
    pub late: u8,
    /// Losses of data.
    pub amnesias: u8,
    /// Copies for a rollback.
    pub copies: u8,
}

/// The invariants that the run has broken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Broken(u8);

/// An invariant that an event can break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Invariant {
    /// A later grant has a larger number.
    Order = 1,
    /// No two grants share a number.
    Uniqueness = 2,
    /// The register accepts nothing older after something newer.
    NothingOlder = 4,
    /// No acknowledged read-modify-write is lost.
    NothingLost = 8,
    /// A renewal does not succeed when a newer lease was complete before it began.
    Renewal = 16,
}

impl Broken {
    /// Notes that an invariant is broken if `broken`.
    pub const fn note(&mut self, invariant: Invariant, broken: bool) {
        if broken {
            self.0 |= invariant as u8;
        }
    }

    /// Whether this one is.
    #[must_use]
    pub const fn has(self, invariant: Invariant) -> bool {
        self.0 & invariant as u8 != 0
    }
}

/// One moment of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The nodes.
    pub nodes: Vec<Shared<Node>>,
    /// The attempts that have begun, in the order in which they began.
    pub attempts: Vec<Shared<Attempt>>,
    /// The protected store.
    pub register: Register,
    /// A client's procedure of letting one node vote again.
    pub rejoin: Option<Rejoin>,
    /// What may still go wrong.
    pub left: Left,
    /// The largest number whose acquisition is complete.
    pub completed: u64,
    /// How often the clients' clock went on: with every attempt that begins, and with every node
    /// that forgets.
    pub readings: u64,
    /// What was broken on the way here.
    pub broken: Broken,
}

impl State {
    /// Before anything happened.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            nodes: (0..config.nodes).map(|_| Shared::new(Node::new())).collect(),
            attempts: Vec::new(),
            register: Register::default(),
            rejoin: None,
            left: Left { late: config.late, amnesias: config.amnesias, copies: config.amnesias },
            completed: 0,
            readings: 0,
            broken: Broken::default(),
        }
    }

    /// The node, to be changed.
    pub fn node_mut(&mut self, node: usize) -> &mut Node {
        self.nodes[node].change()
    }

    /// The attempt, to be changed.
    pub fn attempt_mut(&mut self, attempt: usize) -> &mut Attempt {
        self.attempts[attempt].change()
    }

    /// The attempts that are not over, one bit each.
    #[must_use]
    pub fn live(&self) -> u8 {
        let live = self.attempts.iter().enumerate().filter(|(_, attempt)| attempt.is_live());
        live.fold(0, |bits, (i, _)| bits | 1 << i)
    }

    /// How many believe that they hold the lease.
    #[must_use]
    pub fn holders(&self) -> usize {
        self.attempts.iter().filter(|attempt| attempt.phase == Phase::Holding).count()
    }

    /// Makes it comparable after changes.
    pub fn seal(&mut self) {
        self.nodes.iter_mut().for_each(Shared::seal);
        self.attempts.iter_mut().for_each(Shared::seal);
    }

    /// The same state with its nodes in an order that depends only on what they are: nodes are
    /// told apart by nothing else, so one state stands for all of its reorderings.
    #[must_use]
    pub fn sorted(self) -> Self {
        let mut keyed: Vec<(u64, usize)> =
            (0..self.nodes.len()).map(|node| (self.signature(node), node)).collect();
        keyed.sort_unstable();
        let order: Vec<usize> = keyed.into_iter().map(|(_, node)| node).collect();
        if order.is_sorted() { self } else { self.reordered(&order) }
    }

    fn signature(&self, node: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.nodes[node].hash(&mut hasher);
        for attempt in &self.attempts {
            attempt.mail[node].hash(&mut hasher);
            attempt.round.as_ref().map(|round| round.last_from(node)).hash(&mut hasher);
        }
        if let Some(rejoin) = &self.rejoin {
            (rejoin.node == node, rejoin.standings[node]).hash(&mut hasher);
        }
        hasher.finish()
    }

    fn reordered(mut self, order: &[usize]) -> Self {
        self.nodes = order.iter().map(|&old| self.nodes[old].clone()).collect();
        for attempt in &mut self.attempts {
            let attempt = attempt.change();
            attempt.mail = order.iter().map(|&old| attempt.mail[old]).collect();
            attempt.round = attempt.round.as_ref().map(|round| round.reordered(order));
        }
        self.rejoin = self.rejoin.map(|rejoin| rejoin.reordered(order));
        self.seal();
        self
    }
}
