//! What is asked of one node, and what it answers.

use std::time::Duration;

use super::{FencingToken, GrantNumber, HolderId, Resource, Stamp};

/// Asks a node to grant a lease if nobody has it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRequest {
    /// What is wanted.
    pub resource: Resource,
    /// Who wants it; fresh for every attempt.
    pub holder: HolderId,
    /// How long the node keeps the lease.
    pub ttl: Duration,
    /// The smallest number that the node may mint: the client's clock in microseconds since 1970,
    /// or one above the highest number it has seen. All nodes get the same hint, so they mint the
    /// same number and one round trip is enough. Order does not depend on it.
    pub hint: GrantNumber,
}

impl GrantRequest {
    /// This attempt, bound to a number.
    #[must_use]
    pub fn bind(&self, number: GrantNumber) -> Binding {
        Binding { resource: self.resource.clone(), holder: self.holder, ttl: self.ttl, number }
    }
}

/// A number bound to a holder: what is committed and renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// What is held.
    pub resource: Resource,
    /// Who holds it.
    pub holder: HolderId,
    /// How long the node keeps the lease from now on.
    pub ttl: Duration,
    /// The number of the grant.
    pub number: GrantNumber,
}

impl Binding {
    /// What the holder shows to a protected store in the first turn of this grant.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp {
            resource: self.resource.clone(),
            token: FencingToken::of_grant(self.number),
            holder: self.holder,
        }
    }
}

/// One node's answer to a [`GrantRequest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantReply {
    /// The lease was free, or ours already, and the node's fence is bound to us at this number.
    Granted(GrantNumber),
    /// Another holder has it on this node.
    Held {
        /// How long the node still keeps it; `None` for a foreign key without expiry.
        ttl_left: Option<Duration>,
        /// The highest number on this node, if it knows one.
        fence: Option<GrantNumber>,
    },
    /// The hint is too far ahead of the node's clock: one of the two clocks is wrong.
    HintAhead {
        /// The node's own clock, in microseconds since 1970.
        node_clock: GrantNumber,
    },
}

/// One node's answer to a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitReply {
    /// The node's fence is bound to us at this number, and its lease runs anew.
    Committed,
    /// The lease is not ours there any more, or its fence is already higher.
    Refused,
}

/// One node's answer to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewReply {
    /// The lease runs anew on this node.
    Renewed,
    /// The lease is not ours there, or its fence is not exactly our number and us. Nothing was
    /// changed: a missing key is never made again.
    Refused,
}

/// One node's answer to a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReleaseReply {
    /// It was ours on this node and is free now.
    Released,
    /// It was not ours on this node: it had ended, or somebody else has it.
    NotOurs,
}
