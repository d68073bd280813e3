//! What a holder shows to the store that it writes to.

use super::{FencingToken, HolderId, Resource};

/// What a holder shows to a protected store: resource, token and holder.
///
/// The store accepts it iff `token > stored || (token == stored && holder == stored holder)`.
/// The holder is part of the rule since an equal token of another holder must be refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What is protected.
    pub resource: Resource,
    /// The token of this holder.
    pub token: FencingToken,
    /// Who holds the lease.
    pub holder: HolderId,
}
