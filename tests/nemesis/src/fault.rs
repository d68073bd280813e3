//! What is done to the servers, as data: a run is reproduced from it.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// What lies on a way between two programs while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Way {
    /// Connections are reset, and new ones refused.
    Cut,
    /// Connections stay, and nothing passes; it arrives when the fault ends.
    Silent,
    /// Requests pass; their answers arrive when the fault ends.
    NoReplies,
    /// Every piece takes up to half a second longer, so that pieces overtake each other.
    Delayed,
    /// A few kilobytes a second.
    Slow,
    /// Every request arrives a second time, later.
    Twice,
}

/// A program under attack, by its index where there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Victim {
    /// A lease node.
    Node(usize),
    /// Postgres.
    Postgres,
    /// A replica.
    Replica(usize),
}

/// One fault. Whatever it is, it is undone when its time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Fault {
    /// Killed (SIGKILL), and started again.
    Kill(Victim),
    /// Stopped where it stands (SIGSTOP), and resumed.
    Pause(Victim),
    /// A replica drains (SIGTERM), and is started again.
    Drain(usize),
    /// The next replica that is about to write what it decided, kills itself; and is started again.
    KillBeforeWrite,
    /// The next replica that has written and not answered, kills itself; and is started again.
    KillAfterWrite,
    /// The next replica that is about to write what it decided, stops there, with its token; and is resumed.
    PauseBeforeWrite,
    /// A replica and Postgres.
    ToPostgres(usize, Way),
    /// A replica and one lease node.
    ToNode(usize, usize, Way),
    /// A replica and all lease nodes.
    ToNodes(usize, Way),
    /// Buyers and a replica.
    ToReplica(usize, Way),
    /// A lock holder and all lease nodes.
    HolderToNodes(usize, Way),
    /// A lease node forgets everything (FLUSHALL).
    Forget(usize),
    /// A lease node's memory is full.
    RefuseWrites(usize),
    /// A lease node forgets its scripts.
    ForgetScripts(usize),
    /// A lease node hangs up, and takes so many new connections.
    Connections(usize, usize),
    /// The clock of a lease node or a replica is so many seconds ahead, or behind.
    Clock(Victim, i64),
}

impl Fault {
    /// Its kind, without its victim: what figures count by.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill(Victim::Node(_)) => "kill a node",
            Self::Kill(Victim::Postgres) => "kill postgres",
            Self::Kill(Victim::Replica(_)) => "kill a replica",
            Self::Pause(Victim::Node(_)) => "pause a node",
            Self::Pause(Victim::Postgres) => "pause postgres",
            Self::Pause(Victim::Replica(_)) => "pause a replica",
            Self::Drain(_) => "drain a replica",
            Self::KillBeforeWrite => "kill before the write",
            Self::KillAfterWrite => "kill after the write",
            Self::PauseBeforeWrite => "pause before the write",
            Self::ToPostgres(..) => "link to postgres",
            Self::ToNode(..) => "link to a node",
            Self::ToNodes(..) => "links to all nodes",
            Self::ToReplica(..) => "link to a replica",
            Self::HolderToNodes(..) => "links of a lock holder",
            Self::Forget(_) => "a node forgets",
            Self::RefuseWrites(_) => "a node's memory is full",
            Self::ForgetScripts(_) => "a node forgets scripts",
            Self::Connections(..) => "a node has few connections",
            Self::Clock(Victim::Replica(_), _) => "the clock of a replica",
            Self::Clock(..) => "the clock of a node",
        }
    }

    /// What stands on a person's screen.
    #[must_use]
    pub fn about(self) -> String {
        let way = |way: Way| match way {
            Way::Cut => "cut",
            Way::Silent => "silent",
            Way::NoReplies => "without replies",
            Way::Delayed => "delayed",
            Way::Slow => "slow",
            Way::Twice => "doubled",
        };
        match self {
            Self::Kill(victim) => format!("kill {victim}"),
            Self::Pause(victim) => format!("pause {victim}"),
            Self::Drain(replica) => format!("drain {}", Victim::Replica(replica)),
            Self::ToPostgres(replica, how) => {
                format!("{} ↔ postgres {}", Victim::Replica(replica), way(how))
            }
            Self::ToNode(replica, node, how) => {
                format!("{} ↔ {} {}", Victim::Replica(replica), Victim::Node(node), way(how))
            }
            Self::ToNodes(replica, how) => {
                format!("{} ↔ all nodes {}", Victim::Replica(replica), way(how))
            }
            Self::ToReplica(replica, how) => {
                format!("buyers ↔ {} {}", Victim::Replica(replica), way(how))
            }
            Self::HolderToNodes(holder, how) => {
                format!("holder {} ↔ all nodes {}", holder + 1, way(how))
            }
            Self::Forget(node) => format!("{} forgets", Victim::Node(node)),
            Self::RefuseWrites(node) => format!("{} refuses writes", Victim::Node(node)),
            Self::ForgetScripts(node) => format!("{} forgets scripts", Victim::Node(node)),
            Self::Connections(node, most) => {
                format!("{} takes {most} connections", Victim::Node(node))
            }
            Self::Clock(victim, seconds) => format!("clock of {victim} {seconds:+} s"),
            Self::KillBeforeWrite | Self::KillAfterWrite | Self::PauseBeforeWrite => {
                self.kind().to_owned()
            }
        }
    }

    /// Whom it keeps busy: two faults of the same one never overlap.
    #[must_use]
    pub fn claims(self) -> Vec<Claim> {
        match self {
            Self::Kill(victim) | Self::Pause(victim) => vec![Claim::Process(victim)],
            Self::Drain(replica) => vec![Claim::Process(Victim::Replica(replica))],
            // Whichever replica comes by.
            Self::KillBeforeWrite | Self::KillAfterWrite | Self::PauseBeforeWrite => {
                vec![Claim::AnyReplica]
            }
            Self::ToPostgres(replica, _) => vec![Claim::ToPostgres(replica)],
            Self::ToNode(replica, _, _) | Self::ToNodes(replica, _) => {
                vec![Claim::ToNodes(replica)]
            }
            Self::ToReplica(replica, _) => vec![Claim::ToReplica(replica)],
            Self::HolderToNodes(holder, _) => vec![Claim::Holder(holder)],
            Self::Forget(node)
            | Self::RefuseWrites(node)
            | Self::ForgetScripts(node)
            | Self::Connections(node, _) => vec![Claim::Process(Victim::Node(node))],
            Self::Clock(victim, _) => vec![Claim::Process(victim)],
        }
    }
}

/// What a fault has to itself while it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Claim {
    /// A process.
    Process(Victim),
    /// All replicas' processes.
    AnyReplica,
    /// A replica's link to Postgres.
    ToPostgres(usize),
    /// A replica's links to the nodes.
    ToNodes(usize),
    /// The buyers' link to a replica.
    ToReplica(usize),
    /// A lock holder's links.
    Holder(usize),
}

impl Claim {
    /// Whether two faults that claim these are in each other's way.
    #[must_use]
    pub fn clashes(self, other: Self) -> bool {
        let is_replica = |claim| matches!(claim, Self::Process(Victim::Replica(_)));
        self == other
            || (self == Self::AnyReplica && is_replica(other))
            || (other == Self::AnyReplica && is_replica(self))
    }
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node-{node}"),
            Self::Postgres => f.write_str("postgres"),
            // Replicas are numbered from one, as their logs are.
            Self::Replica(replica) => write!(f, "replica-{}", replica + 1),
        }
    }
}

/// A fault, when it begins and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Planned {
    /// Since the run began.
    pub at: Duration,
    /// Until it is undone.
    pub lasts: Duration,
    /// What.
    pub fault: Fault,
}

impl Planned {
    /// When it is undone, since the run began.
    #[must_use]
    pub fn ends(&self) -> Duration {
        self.at + self.lasts
    }
}

/// A fault that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// The fault, with the times at which it really began and was undone.
    pub fault: Planned,
    /// Which replica it met and when, by its index: of a planted fault, the one that came by; of one
    /// at a replica's process, that one.
    pub met: Option<(usize, Duration)>,
}
