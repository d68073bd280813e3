//! What one run of the checker explores: how many take part, what may go wrong, which rule is
//! broken on purpose.

/// One configuration: a name, what may happen in it, and which rules are left out.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the command line and the tables call it.
    pub name: &'static str,
    /// Nodes.
    pub nodes: usize,
    /// Attempts that may be under way or hold at the same time.
    pub at_once: usize,
    /// Attempts in all. They are numbered in the order in which they begin, so clients need no
    /// names, and "2 at once, 4 in all" contains "2 clients, 2 attempts each".
    pub attempts: usize,
    /// The hint that an attempt sends.
    pub hints: Hints,
    /// When the answer to a grant is heard.
    pub replies: Replies,
    /// Questions that may be delivered after their attempt ended, or once more.
    pub late: u8,
    /// Whether a client may count a node as silent.
    pub silence: bool,
    /// When a key may lapse.
    pub expiry: Expiry,
    /// Whether releases are messages of their own. Where a key may lapse at any moment they add
    /// nothing: a release does exactly what a lapse of the same key does.
    pub releases: bool,
    /// Whether requests wait at nodes that another has, which hand the lease over to them.
    pub waits: Waits,
    /// Whether holders renew.
    pub renewals: bool,
    /// The store that the lease protects, if there is one.
    pub register: Option<RegisterRule>,
    /// How nodes may forget.
    pub losses: &'static [Loss],
    /// How often.
    pub amnesias: u8,
    /// Whether a node forgets only while all others vote.
    pub one_at_a_time: bool,
    /// What keeps a node that forgot from voting.
    pub guard: Guard,
    /// What the floor of a cold start is taken from.
    pub floor: Floor,
    /// The rule that every node breaks, if any.
    pub node_rule: NodeRule,
    /// The rule that every client breaks, if any.
    pub client_rule: ClientRule,
    /// Whether states that differ only in the order of the nodes count as one.
    pub symmetric: bool,
}

/// What an attempt asks the nodes to mint at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hints {
    /// Always 1: every node mints one more than its own fence.
    One,
    /// Any of 1 to this, chosen anew for each attempt: order must not depend on hints.
    UpTo(u64),
    /// A clock that all clients share. Between two readings pass so many microseconds.
    Clock(u64),
    /// The same clock, but each reading may also be from the beginning of time.
    WrongClock(u64),
}

impl Hints {
    /// The next reading of the clock, if hints come from one.
    #[must_use]
    pub const fn clock(self, readings: u64) -> Option<u64> {
        match self {
            Self::Clock(step) | Self::WrongClock(step) => Some((readings + 1) * step),
            Self::One | Self::UpTo(_) => None,
        }
    }
}

/// Whether requests wait, and who is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waits {
    /// None waits.
    No,
    /// The one that has waited longest at a node is next there.
    InOrder,
    /// So it is, or whoever the holder names.
    Named,
}

/// When a client hears what a node said to its grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replies {
    /// At once, or never: then the question was never delivered.
    AtOnce,
    /// At any later moment, or never.
    AnyTime,
}

/// When the key of a lease may lapse on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// At any moment: nothing may rely on time.
    AnyMoment,
    /// Once its owner stopped: Redlock's assumption about time, made ideal.
    AfterItsOwner,
    /// Never: only releases free.
    Never,
}

/// What the protected store does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegisterRule {
    /// Claims before the first read, claims again together with the write.
    Fenced,
    /// Checks nothing.
    Unfenced,
    /// Checks with the write only; what was read before, was read unchecked.
    OnlyAtWrite,
    /// Checks in one transaction, writes in the next.
    TwoTransactions,
    /// As [`RegisterRule::Fenced`], but does not compare the holder of an equal token.
    EqualTokenOfAnother,
}

/// How a node loses what it knew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// `FLUSHALL`: the data is gone, the process goes on.
    Flushed,
    /// The process begins anew without data.
    RestartedEmpty,
    /// The process begins anew with the data that it had.
    Restarted,
    /// The process begins anew with an older copy of its data.
    RolledBack,
}

/// What keeps a node that forgot from voting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// It is out until the quarantine is over and it was told a floor.
    QuarantineAndFloor,
    /// It is told a floor at once.
    FloorAtOnce,
    /// Nothing: it votes at once.
    Nothing,
}

/// What the floor of a cold start is taken from, besides what nodes still remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Floor {
    /// The clock of the client that admits.
    Clock,
    /// The newest token that the register accepted, and no clock.
    RegisterAlone,
}

/// How the nodes answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRule {
    /// As production does.
    Production,
    /// A commit checks neither the lease nor whose fence it is.
    CommitUnchecked,
    /// A renewal compares the owner but not the token.
    RenewByOwner,
    /// A release does not compare the owner.
    ReleaseAnyone,
    /// Who is handed a lease over is told the number of the holder before.
    HandOverOldNumber,
}

/// What the clients make of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientRule {
    /// As production does.
    Production,
    /// The largest grant of a quorum is the token, without a round that commits it.
    LargestGrant,
}

impl Config {
    /// Three nodes that keep their data, unordered and unreliable messages, keys that lapse at any
    /// moment, every rule in force.
    #[must_use]
    pub const fn new(name: &'static str, at_once: usize, attempts: usize) -> Self {
        Self {
            name,
            nodes: 3,
            at_once,
            attempts,
            hints: Hints::One,
            replies: Replies::AtOnce,
            late: 0,
            silence: false,
            expiry: Expiry::AnyMoment,
            releases: false,
            waits: Waits::No,
            renewals: false,
            register: None,
            losses: &[],
            amnesias: 0,
            one_at_a_time: false,
            guard: Guard::QuarantineAndFloor,
            floor: Floor::Clock,
            node_rule: NodeRule::Production,
            client_rule: ClientRule::Production,
            symmetric: true,
        }
    }

    /// Whether a key that lapses never surprises a holder, so that there is at most one.
    #[must_use]
    pub fn timing_is_bounded(&self) -> bool {
        self.expiry != Expiry::AnyMoment
    }
}
