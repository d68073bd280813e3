//! What a buyer asks for.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::{Invalid, PurchaseId};

/// Longest name of a buyer, in bytes.
pub const BUYER_BYTES_MAX: usize = 128;

/// Longest idempotency key, in bytes.
pub const KEY_BYTES_MAX: usize = 255;

/// Most units in one purchase.
pub const QUANTITY_MAX: u32 = 1000;

/// Who buys: the seller's own name for a customer, 1 to 128 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Buyer(String);

impl Buyer {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds control characters.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        if name.is_empty() || name.len() > BUYER_BYTES_MAX || name.chars().any(char::is_control) {
            let reason = format!("must be 1 to {BUYER_BYTES_MAX} bytes without control characters");
            return Err(Invalid::new("buyer", reason));
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many units, 1 to 1000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantity(u32);

impl Quantity {
    /// Checks a number of units.
    ///
    /// # Errors
    ///
    /// When it is not 1 to [`QUANTITY_MAX`].
    pub fn new(units: i64) -> Result<Self, Invalid> {
        u32::try_from(units)
            .ok()
            .filter(|units| (1..=QUANTITY_MAX).contains(units))
            .map(Self)
            .ok_or_else(|| Invalid::new("quantity", format!("must be 1 to {QUANTITY_MAX}")))
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// The client's name for one intended request: 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Checks a key.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds anything but visible ASCII.
    pub fn new(key: &str) -> Result<Self, Invalid> {
        if key.is_empty() || key.len() > KEY_BYTES_MAX || !key.bytes().all(|b| b.is_ascii_graphic())
        {
            let reason = format!("must be 1 to {KEY_BYTES_MAX} visible ASCII characters");
            return Err(Invalid::new("idempotency-key", reason));
        }
        Ok(Self(key.to_owned()))
    }

    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IdempotencyKey({:?})", self.0)
    }
}

/// A digest of what a request asks for, so that one key cannot stand for two requests.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of a request's meaning: parts in a fixed order. Each part's length goes in, so
    /// that two different lists of parts never run together to the same text.
    #[must_use]
    pub fn of(parts: &[&str]) -> Self {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part.as_bytes());
        }
        Self(digest.finalize().into())
    }

    /// A digest that was stored; `None` when it has another length.
    #[must_use]
    pub fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", hex::encode(&self.0[..4]))
    }
}

/// One request to buy, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// The client's name for this request.
    pub key: IdempotencyKey,
    /// What the request asks for, as a digest.
    pub fingerprint: Fingerprint,
    /// The id that the purchase gets if it is granted.
    pub purchase: PurchaseId,
    /// Who buys.
    pub buyer: Buyer,
    /// How many units.
    pub quantity: Quantity,
}

impl Order {
    /// An order; its fingerprint is that of buyer and quantity.
    #[must_use]
    pub fn new(
        key: IdempotencyKey,
        purchase: PurchaseId,
        buyer: Buyer,
        quantity: Quantity,
    ) -> Self {
        let fingerprint =
            Fingerprint::of(&["purchase", buyer.as_str(), &quantity.get().to_string()]);
        Self { key, fingerprint, purchase, buyer, quantity }
    }
}
