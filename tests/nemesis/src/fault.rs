//! What is done to the servers, as data: a run is reproduced from it.

mod claim;
mod needs;
mod victim;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    claim::Claim,
    victim::{Parting, Victim, Way},
};

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
    /// The disk of a lease node, or of Postgres, is full.
    FillDisk(Victim),
    /// Each sync of a lease node, or of Postgres, to its disk takes longer.
    SlowSync(Victim),
    /// Somebody else has all connections of Postgres, and those that there were are ended.
    TakeConnections,
    /// Packets between a replica and all servers are lost.
    Part(usize, Parting),
}

impl Fault {
    /// Its kind, without its victim: what figures count by.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Kill(Victim::Node(_)) => "kill a node",
            Self::Kill(Victim::Postgres) => "kill postgres",
            Self::Kill(Victim::Replica(_)) => "kill a replica",
            Self::Kill(Victim::Sidecar) => "kill the sidecar",
            Self::Kill(Victim::Balancer) => "kill the load balancer",
            Self::Pause(Victim::Node(_)) => "pause a node",
            Self::Pause(Victim::Postgres) => "pause postgres",
            Self::Pause(Victim::Replica(_)) => "pause a replica",
            Self::Pause(Victim::Sidecar) => "pause the sidecar",
            Self::Pause(Victim::Balancer) => "pause the load balancer",
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
            Self::FillDisk(Victim::Postgres) => "postgres' disk is full",
            Self::FillDisk(_) => "a node's disk is full",
            Self::SlowSync(Victim::Postgres) => "postgres syncs slowly",
            Self::SlowSync(_) => "a node syncs slowly",
            Self::TakeConnections => "postgres has no connections",
            Self::Part(..) => "a replica is parted",
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
            Self::FillDisk(victim) => format!("the disk of {victim} is full"),
            Self::SlowSync(victim) => format!("{victim} syncs slowly"),
            Self::Part(replica, how) => {
                let how = match how {
                    Parting::Whole => "lost",
                    Parting::OneWay => "lost on their way back",
                    Parting::Rejected => "rejected",
                    Parting::Lossy => "lost, every third",
                };
                format!("packets of {} {how}", Victim::Replica(replica))
            }
            Self::KillBeforeWrite
            | Self::KillAfterWrite
            | Self::PauseBeforeWrite
            | Self::TakeConnections => self.kind().to_owned(),
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
