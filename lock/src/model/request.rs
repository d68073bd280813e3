//! What is asked of one node, and what it answers.

use std::{fmt, sync::Arc, time::Duration};

use super::{FencingToken, GrantNumber, HolderId, Resource, Stamp};

/// Which client waits: a random value that lasts as long as the client does. Nodes publish to it
/// when its turn has come. It gives no rights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(u64);

impl ClientId {
    /// A client from 64 random bits.
    #[must_use]
    pub const fn from_random(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Asks a node to grant a lease if nobody has it there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Who waits: should the lease be held now, the node notes the request, and grants it to this
    /// client when its turn comes.
    pub waiter: Option<ClientId>,
}

impl GrantRequest {
    /// This attempt, bound to a number.
    #[must_use]
    pub fn bind(&self, number: GrantNumber) -> Binding {
        Binding { resource: self.resource.clone(), holder: self.holder, ttl: self.ttl, number }
    }
}

/// A node granted a request that had waited there, in the same step in which the holder before it
/// gave the lease back. For the one who waited it is the answer to its grant, only late: the node
/// has kept the lease for it since some moment after it was asked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Handover {
    /// What was handed over.
    pub resource: Resource,
    /// To whom.
    pub holder: HolderId,
    /// The number that it is bound to on this node.
    pub number: GrantNumber,
    /// Who is next at this node.
    pub next: Option<ClientId>,
}

/// A number bound to a holder: what is committed and renewed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

/// One question to one node. A node answers each atomically.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Question {
    /// Grant a lease.
    Grant(Arc<GrantRequest>),
    /// Bind a number while the lease is ours and the fence allows it.
    Commit(Binding),
    /// Let the lease run anew while it is exactly ours.
    Renew(Binding),
    /// End the lease if it is ours, and wait no more if we do: it goes to who waits for it, or is
    /// free.
    Release {
        /// What was held.
        resource: Resource,
        /// Who held it.
        holder: HolderId,
        /// Who of those who wait is to have it before others, so that all nodes choose the same one.
        /// Where this one does not wait, or does not listen any more, it is the one that has waited
        /// longest.
        next: Option<ClientId>,
    },
    /// How the node stands: whether it may vote, and what a node that may not has to know.
    Stand,
    /// Let the node vote, if it has been out for long enough.
    Admit(Admission),
}

impl Question {
    /// The resource that it is about, if it is about one.
    #[must_use]
    pub fn resource(&self) -> Option<&Resource> {
        match self {
            Self::Grant(request) => Some(&request.resource),
            Self::Commit(binding) | Self::Renew(binding) => Some(&binding.resource),
            Self::Release { resource, .. } => Some(resource),
            Self::Stand | Self::Admit(_) => None,
        }
    }
}

/// What a node must know before it may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Admission {
    /// It mints only above this number.
    pub floor: GrantNumber,
    /// The longest lifetime of a lease that it may have granted before it forgot.
    pub ttl_max: Duration,
    /// How long it must have been without a vote.
    pub quarantine: Duration,
    /// The outage that it is admitted after, as [`Standing::Outside`] named it: a message that is
    /// late by an outage must not end the next one.
    pub outage: u64,
}

/// What a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// To a grant: free, or ours already, and the node's fence is bound to us.
    Granted {
        /// At this number.
        number: GrantNumber,
        /// Who is next at this node.
        next: Option<ClientId>,
    },
    /// To a grant: another holder has it on this node.
    Held {
        /// How long the node still keeps it; `None` for a foreign key without expiry.
        ttl_left: Option<Duration>,
        /// The highest number on this node, if it knows one.
        fence: Option<GrantNumber>,
        /// Whom that is bound to.
        bound_to: Option<HolderId>,
    },
    /// To a grant: the hint is too far ahead of the node's clock; one of the two clocks is wrong.
    HintAhead {
        /// The node's own clock, in microseconds since 1970.
        node_clock: GrantNumber,
    },
    /// To a grant, commit or renewal: the node lost its data, or is new, and may not vote yet.
    NotMember,
    /// To a commit or renewal: done; the lease runs anew on this node.
    Bound,
    /// To a commit: not ours any more, or a higher fence. To a renewal: not ours, or its fence is
    /// not exactly our number and us. Nothing was changed: a missing key is never made again.
    Refused,
    /// To a release: it was ours, and is not any more.
    Released {
        /// Whether another has it now.
        passed: bool,
    },
    /// To a release: it was not ours on this node; it had ended, or somebody else has it.
    NotOurs,
    /// To [`Question::Stand`].
    Standing(Standing),
    /// To [`Question::Admit`]: it votes from now on, or did already.
    Admitted,
}

/// Whether a node may vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It votes.
    Member {
        /// No number that it ever bound is higher.
        high: GrantNumber,
        /// No lease that it ever granted had a longer lifetime.
        ttl_max: Duration,
    },
    /// It does not: it is new, was restarted, or lost its data.
    Outside {
        /// For how long it surely has granted nothing.
        out_for: Duration,
        /// Which outage this is; another number for another one.
        outage: u64,
    },
}
