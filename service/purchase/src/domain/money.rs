//! Money in minor units.

use std::fmt;

use super::Invalid;

/// Largest price of one unit, in minor units: times the largest quantity it still fits 63 bits.
pub const PRICE_MINOR_MAX: i64 = 1_000_000_000_000;

/// Three upper-case letters of ISO 4217. Which codes exist is not checked: they change.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Currency([u8; 3]);

impl Currency {
    /// Checks a code.
    ///
    /// # Errors
    ///
    /// When it is not three letters A to Z.
    pub fn new(code: &str) -> Result<Self, Invalid> {
        <[u8; 3]>::try_from(code.as_bytes())
            .ok()
            .filter(|letters| letters.iter().all(u8::is_ascii_uppercase))
            .map(Self)
            .ok_or_else(|| Invalid::new("currency", "must be three upper-case letters, as in EUR"))
    }

    /// The code.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Three ASCII letters are UTF-8.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A price: minor units (cents, say) of a currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Money {
    minor: i64,
    currency: Currency,
}

impl Money {
    /// Checks a price of one unit.
    ///
    /// # Errors
    ///
    /// When it is negative or above [`PRICE_MINOR_MAX`].
    pub fn price(minor: i64, currency: Currency) -> Result<Self, Invalid> {
        if !(0..=PRICE_MINOR_MAX).contains(&minor) {
            return Err(Invalid::new(
                "unit_price_minor",
                format!("must be 0 to {PRICE_MINOR_MAX}"),
            ));
        }
        Ok(Self { minor, currency })
    }

    /// Minor units.
    #[must_use]
    pub const fn minor(&self) -> i64 {
        self.minor
    }

    /// The currency.
    #[must_use]
    pub const fn currency(&self) -> Currency {
        self.currency
    }

    /// This price times a number of units.
    #[must_use]
    pub fn times(&self, units: u32) -> Self {
        Self { minor: self.minor.saturating_mul(i64::from(units)), currency: self.currency }
    }
}
