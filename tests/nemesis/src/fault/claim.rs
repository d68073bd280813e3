//! What a fault has to itself: which faults are in each other's way.

use super::{Fault, Victim};

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

impl Fault {
    /// Whether another one would be in its way.
    #[must_use]
    pub fn clashes(self, other: Self) -> bool {
        let theirs = other.claims();
        self.claims().iter().any(|mine| theirs.iter().any(|theirs| mine.clashes(*theirs)))
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
            Self::Clock(victim, _) | Self::FillDisk(victim) | Self::SlowSync(victim) => {
                vec![Claim::Process(victim)]
            }
            Self::TakeConnections => vec![Claim::Process(Victim::Postgres)],
            // All of a replica's ways, so that it is only one thing at a time that parts it from a server.
            Self::Part(replica, _) => vec![Claim::ToPostgres(replica), Claim::ToNodes(replica)],
        }
    }
}
