//! Who asks.

use std::{fmt, sync::Arc};

use leasehold_kit::auth::{ANONYMOUS, Key};

/// A program, as its API key tells it from others; programs without a key are one and the same.
#[derive(Clone, PartialEq, Eq)]
pub struct Client {
    name: Arc<str>,
    /// What the names of its leases are sealed with.
    seal: [u8; 32],
}

impl Client {
    /// Whoever has this key.
    #[must_use]
    pub fn of(key: &Key) -> Self {
        Self { name: Arc::clone(key.name()), seal: key.digest().to_bytes() }
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
