//! Who asks.

use std::{fmt, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use leasehold_kit::auth::{ANONYMOUS, KeyList, Scope};
use sha2::Sha256;

/// A program, as its API key tells it from others; programs without a key are one and the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    name: Arc<str>,
    /// What the names of its leases are sealed with.
    seal: [u8; 32],
}

impl Client {
    /// Whoever has the key of this name.
    ///
    /// Names of its leases are sealed with what no holder knows and what outlives a sidecar: the list's first
    /// administrator. Whoever learned all of a lease cannot make its name in their own.
    #[must_use]
    pub fn of(name: &Arc<str>, list: &KeyList) -> Self {
        let root = list.keys().iter().find(|key| key.scope() == Scope::Admin);
        let root = root.map(|key| key.digest().to_bytes()).unwrap_or_default();
        let mut seal = root;
        // A key of any length will do.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&root) {
            mac.update(name.as_bytes());
            seal.copy_from_slice(&mac.finalize().into_bytes());
        }
        Self { name: Arc::clone(name), seal }
    }

    /// Everybody, where no keys are asked for.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.into(), seal: [0; 32] }
    }

    /// Its key's name.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) const fn seal(&self) -> &[u8; 32] {
        &self.seal
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use leasehold_kit::auth::KeyDigest;

    use super::*;

    fn list(keys: &[(&str, &str)]) -> KeyList {
        let line =
            |(name, scope): &(&str, &str)| format!("{name}:{scope}:{},", KeyDigest::of(name));
        keys.iter().map(line).collect::<String>().parse().unwrap()
    }

    #[test]
    fn a_seal_is_of_a_name_and_of_the_first_administrator() {
        let of = |name: &str, list: &KeyList| *Client::of(&name.into(), list).seal();
        let before = list(&[("shop", "holder"), ("mail", "holder"), ("root", "admin")]);
        assert_ne!(of("shop", &before), of("mail", &before));
        // Whoever has a key cannot make another's.
        assert_ne!(of("shop", &before), KeyDigest::of("shop").to_bytes());
        // A new administrator beside the old one changes nothing, one in its place does.
        let more = list(&[("root", "admin"), ("root-2", "admin"), ("shop", "holder")]);
        assert_eq!(of("shop", &before), of("shop", &more));
        let other = list(&[("root-2", "admin"), ("shop", "holder")]);
        assert_ne!(of("shop", &before), of("shop", &other));
    }
}
