//! What a program asks for.

use std::{fmt, str::FromStr, sync::Arc, time::Duration};

use leasehold::Resource;

use super::LinkId;

/// Shortest time that a lease can be asked for: less is over before its answer is read.
pub const TTL_MIN: Duration = Duration::from_millis(100);

/// Longest time that a lease can be asked for without a sign of life. A link has no limit.
pub const TTL_MAX: Duration = Duration::from_secs(24 * 3600);

/// Longest wait for a lease.
pub const WAIT_MAX: Duration = Duration::from_secs(300);

/// Longest request id, in bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// A program's own name for what it asks for: the same for every repetition.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(Arc<str>);

/// The text is no request id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("request_id has 1 to {REQUEST_ID_BYTES_MAX} visible ASCII characters")]
pub struct NotARequestId;

impl FromStr for RequestId {
    type Err = NotARequestId;

    fn from_str(text: &str) -> Result<Self, NotARequestId> {
        let usable = (1..=REQUEST_ID_BYTES_MAX).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_graphic());
        usable.then(|| Self(text.into())).ok_or(NotARequestId)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// One resource.
    One(Resource),
    /// All of these or none.
    All(Vec<Resource>),
    /// Any one of so many slots of this name: a semaphore, or a share of a lock.
    Slot(Resource, usize),
    /// Every slot of this name: a lock that others share.
    EverySlot(Resource, usize),
}

impl What {
    /// How many leases it is.
    #[must_use]
    pub fn count(&self) -> usize {
        match self {
            Self::One(_) | Self::Slot(..) => 1,
            Self::All(resources) => resources.len(),
            Self::EverySlot(_, slots) => *slots,
        }
    }

    /// The names that a client must be allowed.
    #[must_use]
    pub fn names(&self) -> &[Resource] {
        match self {
            Self::One(name) | Self::Slot(name, _) | Self::EverySlot(name, _) => {
                std::slice::from_ref(name)
            }
            Self::All(names) => names,
        }
    }
}

/// For how long something is held, and by what it is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// How long a lease lasts without a sign of life from its program: [`TTL_MIN`] to [`TTL_MAX`].
    pub ttl: Duration,
    /// The link that keeps it instead.
    pub link: Option<LinkId>,
}

/// What a renewal does about links.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    /// It stays as it is.
    #[default]
    Same,
    /// From now on this link keeps the lease.
    To(LinkId),
    /// No link keeps it any more: it lasts for its ttl.
    None,
}

/// A request for leases.
#[derive(Clone, Debug)]
pub struct Want {
    /// What is to be held.
    pub what: What,
    /// For how long.
    pub terms: Terms,
    /// How long to wait for it, at most [`WAIT_MAX`]; zero tries once.
    pub wait: Duration,
    /// The program's own name for this request, if a repetition is to get the same leases.
    pub request: Option<RequestId>,
}
