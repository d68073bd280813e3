//! API keys: stored as digests, compared in constant time.

use std::{fmt, str::FromStr};

use axum::http::{HeaderMap, header::AUTHORIZATION};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Longest key that is looked at, in bytes; a longer one is refused unread.
pub const KEY_BYTES_MAX: usize = 256;

/// The SHA-256 digest of an API key. The key itself is never kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyDigest([u8; 32]);

/// The text is not a SHA-256 digest.
#[derive(Debug, thiserror::Error)]
#[error("a key digest is 64 hexadecimal digits: the SHA-256 of the key")]
pub struct NotADigest;

impl KeyDigest {
    /// The digest of a key.
    #[must_use]
    pub fn of(key: &str) -> Self {
        Self(Sha256::digest(key.as_bytes()).into())
    }

    fn matches(&self, key: &str) -> bool {
        self.0.ct_eq(&Self::of(key).0).into()
    }
}

impl fmt::Display for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(…)")
    }
}

impl FromStr for KeyDigest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let mut digest = [0; 32];
        hex::decode_to_slice(text.trim(), &mut digest).map_err(|_| NotADigest)?;
        Ok(Self(digest))
    }
}

/// What a key allows. Each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Buying, and reading.
    Buyer,
    /// Making sales, too.
    Admin,
}

/// The keys that a service knows.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    /// Digest of the key of programs that sell on behalf of buyers.
    pub buyer: KeyDigest,
    /// Digest of the administrator's key.
    pub admin: KeyDigest,
}

/// Why a request is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// There is no usable `Authorization: Bearer` header.
    Missing,
    /// The key is not known.
    Unknown,
    /// The key is known, but does not allow this.
    Scope,
}

impl Keys {
    /// Checks the request's bearer key against the scope that it needs.
    ///
    /// # Errors
    ///
    /// When the header is missing or unreadable, the key unknown, or its scope too small.
    pub fn check(&self, headers: &HeaderMap, needed: Scope) -> Result<Scope, Denied> {
        let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let key = header.and_then(bearer).ok_or(Denied::Missing)?;
        if key.len() > KEY_BYTES_MAX {
            return Err(Denied::Unknown);
        }
        // Both are compared, so that the time taken does not tell which one was nearer.
        let (admin, buyer) = (self.admin.matches(key), self.buyer.matches(key));
        let scope = match (admin, buyer) {
            (true, _) => Scope::Admin,
            (false, true) => Scope::Buyer,
            (false, false) => return Err(Denied::Unknown),
        };
        if scope < needed { Err(Denied::Scope) } else { Ok(scope) }
    }
}

/// What follows the scheme, whose name may be in any case.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(value: &str) -> HeaderMap {
        HeaderMap::from_iter([(AUTHORIZATION, value.parse().unwrap())])
    }

    #[test]
    fn keys_open_their_scope_and_no_other() {
        let keys = Keys { buyer: KeyDigest::of("buy"), admin: KeyDigest::of("root") };
        let check = |value: &str, needed| keys.check(&headers(value), needed);
        assert_eq!(check("Bearer buy", Scope::Buyer), Ok(Scope::Buyer));
        assert_eq!(check("Bearer buy", Scope::Admin), Err(Denied::Scope));
        assert_eq!(check("bearer buy", Scope::Buyer), Ok(Scope::Buyer));
        assert_eq!(check("Bearer root", Scope::Buyer), Ok(Scope::Admin));
        assert_eq!(check("Bearer other", Scope::Buyer), Err(Denied::Unknown));
        assert_eq!(check("Basic buy", Scope::Buyer), Err(Denied::Missing));
        assert_eq!(keys.check(&HeaderMap::new(), Scope::Buyer), Err(Denied::Missing));
        let long = format!("Bearer {}", "x".repeat(KEY_BYTES_MAX + 1));
        assert_eq!(check(&long, Scope::Buyer), Err(Denied::Unknown));
    }

    #[test]
    fn digests_read_back_and_stay_out_of_debug_output() {
        let digest = KeyDigest::of("buy");
        assert_eq!(digest.to_string().parse::<KeyDigest>().unwrap(), digest);
        assert!(!format!("{digest:?}").contains(&digest.to_string()[..8]));
        assert!("abc".parse::<KeyDigest>().is_err());
    }
}
