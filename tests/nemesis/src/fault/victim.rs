//! Who is broken, and how what lies between two programs is.

use std::fmt;

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
    /// The sidecar, through which one of the lock holders takes its leases.
    Sidecar,
    /// The load balancer, through which some of the buyers ask.
    Balancer,
}

/// What the kernel does to the packets between a replica and its servers while a fault lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Parting {
    /// All are lost, both ways.
    Whole,
    /// Those that come back are lost.
    OneWay,
    /// Those that leave are answered with a reset.
    Rejected,
    /// Every third is lost.
    Lossy,
}

impl fmt::Display for Victim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node-{node}"),
            Self::Postgres => f.write_str("postgres"),
            // Replicas are numbered from one, as their logs are.
            Self::Replica(replica) => write!(f, "replica-{}", replica + 1),
            Self::Sidecar => f.write_str("the sidecar"),
            Self::Balancer => f.write_str("the load balancer"),
        }
    }
}
