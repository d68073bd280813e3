//! API keys: stored as digests, compared in constant time, replaced without a restart.

mod digest;
mod keys;
mod list;

use std::{fmt, io, str::FromStr};

pub use self::{
    digest::{KeyDigest, NotADigest},
    keys::{Caller, Keys, KeysFileError},
    list::{Key, KeyFault, KeyList, KeysError, NAME_BYTES_MAX},
};

/// Longest key that is looked at, in bytes; a longer one is refused unread.
pub const KEY_BYTES_MAX: usize = 256;

/// Most keys in a list. Every request is compared with all of them.
pub const KEYS_MAX: usize = 1000;

/// What requests without a known key are called, where keys have a name. No key may have it.
pub const ANONYMOUS: &str = "anonymous";

/// What a key allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Buying, and reading.
    Buyer,
    /// Holding leases, on all resources or those with certain prefixes.
    Holder,
    /// Everything.
    Admin,
    /// Reading metrics, and nothing else.
    Metrics,
}

impl Scope {
    /// Whether a key of this scope may do what needs the other one.
    #[must_use]
    pub fn allows(self, needed: Self) -> bool {
        self == needed || self == Self::Admin
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Buyer => "buyer",
            Self::Holder => "holder",
            Self::Admin => "admin",
            Self::Metrics => "metrics",
        })
    }
}

/// Makes a key: `lh_`, the scope, and 256 random bits. The prefix tells scanners and people which key
/// leaked.
///
/// # Errors
///
/// When the system has no random numbers to give.
pub fn new_key(scope: Scope) -> io::Result<String> {
    let mut bits = [0; 32];
    getrandom::fill(&mut bits)?;
    Ok(format!("lh_{scope}_{}", hex::encode(bits)))
}

/// The text is no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a scope is buyer, holder, admin or metrics")]
pub struct NotAScope;

impl FromStr for Scope {
    type Err = NotAScope;

    fn from_str(text: &str) -> Result<Self, NotAScope> {
        match text {
            "buyer" => Ok(Self::Buyer),
            "holder" => Ok(Self::Holder),
            "admin" => Ok(Self::Admin),
            "metrics" => Ok(Self::Metrics),
            _ => Err(NotAScope),
        }
    }
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no usable `Authorization: Bearer` header.
    Missing,
    /// The key is not known.
    Unknown,
    /// The key is known, but was valid only until a time that has passed.
    Expired,
    /// The key is known, but does not allow this.
    Scope,
}
