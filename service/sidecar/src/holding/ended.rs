//! How a lease ends.

use std::{
    collections::{HashMap, VecDeque},
    fmt,
    sync::Arc,
};

use leasehold::Loss;

use super::LeaseId;

/// How many leases that ended are remembered, so that whoever asks is told why.
const REMEMBERED_MAX: usize = 10_000;

/// Why a lease is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Its program gave it back.
    Released,
    /// Its program did not show that it lives for as long as it had said.
    Expired,
    /// The link that it was bound to broke.
    LinkBroken,
    /// It was lost while it was held.
    Lost(Loss),
    /// An administrator took it away.
    Evicted,
    /// The sidecar stopped.
    Stopped,
}

impl Ended {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Expired => "expired",
            Self::LinkBroken => "link_broken",
            Self::Lost(_) => "lost",
            Self::Evicted => "evicted",
            Self::Stopped => "stopped",
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("it was released"),
            Self::Expired => f.write_str("its ttl passed without a renewal"),
            Self::LinkBroken => f.write_str("its link broke"),
            Self::Lost(loss) => write!(f, "it was lost: {loss}"),
            Self::Evicted => f.write_str("an administrator took it away"),
            Self::Stopped => f.write_str("the sidecar is stopping"),
        }
    }
}

/// The leases that ended last.
#[derive(Debug, Default)]
pub(super) struct Memory {
    ends: HashMap<LeaseId, (Arc<str>, Ended)>,
    order: VecDeque<LeaseId>,
}

impl Memory {
    pub(super) fn note(&mut self, lease: LeaseId, owner: Arc<str>, ended: Ended) {
        if self.ends.insert(lease, (owner, ended)).is_none() {
            self.order.push_back(lease);
        }
        while self.order.len() > REMEMBERED_MAX {
            if let Some(oldest) = self.order.pop_front() {
                let _forgotten = self.ends.remove(&oldest);
            }
        }
    }

    /// How a lease of this owner ended, if that is remembered.
    pub(super) fn end_of(&self, lease: LeaseId, owner: &str) -> Option<Ended> {
        let (whose, ended) = self.ends.get(&lease)?;
        (**whose == *owner).then_some(*ended)
    }

    /// It is held again.
    pub(super) fn forget(&mut self, lease: LeaseId) {
        if self.ends.remove(&lease).is_some() {
            self.order.retain(|other| *other != lease);
        }
    }
}
