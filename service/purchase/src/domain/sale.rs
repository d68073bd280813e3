//! A sale, and how much of it is left.

use super::{Currency, Invalid, Money, SaleId};

/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 200;

/// Largest capacity.
pub const CAPACITY_MAX: u32 = 100_000_000;

/// A sale as a request asks for it, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SaleDraft {
    /// What people call it.
    pub name: String,
    /// How many units there are.
    pub capacity: u32,
    /// Price of one unit.
    pub unit_price: Money,
}

impl SaleDraft {
    /// Checks what a request asks for.
    ///
    /// # Errors
    ///
    /// When the name is empty, longer than [`NAME_CHARS_MAX`] or holds control characters, the
    /// capacity is not 1 to [`CAPACITY_MAX`], or the price or currency is refused.
    pub fn new(
        name: &str,
        capacity: i64,
        unit_price_minor: i64,
        currency: &str,
    ) -> Result<Self, Invalid> {
        let name = name.trim();
        let chars = name.chars().count();
        if chars == 0 || chars > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let reason =
                format!("must be 1 to {NAME_CHARS_MAX} characters without control characters");
            return Err(Invalid::new("name", reason));
        }
        let capacity = u32::try_from(capacity)
            .ok()
            .filter(|capacity| (1..=CAPACITY_MAX).contains(capacity))
            .ok_or_else(|| Invalid::new("capacity", format!("must be 1 to {CAPACITY_MAX}")))?;
        let unit_price = Money::price(unit_price_minor, Currency::new(currency)?)?;
        Ok(Self { name: name.to_owned(), capacity, unit_price })
    }
}

/// A sale: what never changes about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sale {
    /// Its id.
    pub id: SaleId,
    /// What people call it.
    pub name: String,
    /// Price of one unit.
    pub unit_price: Money,
}

/// What changes about a sale. Every accepted change raises the version by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stock {
    /// How many units there are.
    pub capacity: u32,
    /// How many of them are sold.
    pub sold: u32,
    /// How many changes were accepted.
    pub version: i64,
}

impl Stock {
    /// How many units can still be sold.
    #[must_use]
    pub const fn left(&self) -> u32 {
        self.capacity.saturating_sub(self.sold)
    }
}
