//! Who buys, and how much.

use serde::Serialize;

use super::Invalid;

/// Longest name of a buyer, in characters.
pub const BUYER_CHARS_MAX: usize = 128;

/// Most units in one claim.
pub const QUANTITY_MAX: u32 = 1000;

/// Most lines in one request.
pub const LINES_MAX: usize = 100;

/// Who buys: the seller's own name for a customer, 1 to 128 characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Buyer(String);

impl Buyer {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds control characters.
    pub fn new(name: &str) -> Result<Self, Invalid> {
        let fits = (1..=BUYER_CHARS_MAX).contains(&name.chars().count());
        if !fits || name.chars().any(char::is_control) {
            let reason =
                format!("must be 1 to {BUYER_CHARS_MAX} characters without control characters");
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

    /// The sum of a request's lines: what it asks for as a whole, so that no line is checked against
    /// units that an earlier one takes.
    ///
    /// # Errors
    ///
    /// When there is no line, there are more than [`LINES_MAX`], one of them is outside 1 to
    /// [`QUANTITY_MAX`], or their sum is.
    pub fn sum(lines: &[i64]) -> Result<Self, Invalid> {
        if lines.is_empty() || lines.len() > LINES_MAX {
            return Err(Invalid::new("lines", format!("must be 1 to {LINES_MAX} lines")));
        }
        let units = lines.iter().map(|&units| Self::new(units).map(|units| i64::from(units.0)));
        Self::new(units.sum::<Result<i64, Invalid>>()?)
    }

    /// The number of units.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_summed_and_their_sum_has_the_limit_too() {
        assert_eq!(Quantity::sum(&[2, 3]).unwrap().get(), 5);
        assert_eq!(Quantity::sum(&[1000]).unwrap().get(), 1000);
        assert_eq!(Quantity::sum(&[]).unwrap_err().field, "lines");
        assert_eq!(Quantity::sum(&[1; LINES_MAX + 1]).unwrap_err().field, "lines");
        for refused in [&[999, 2][..], &[2, 0], &[2, -1], &[i64::MAX, i64::MAX]] {
            assert_eq!(Quantity::sum(refused).unwrap_err().field, "quantity", "{refused:?}");
        }
    }

    #[test]
    fn names_outside_their_limits_are_refused() {
        for name in ["", "a\u{0}b", &"x".repeat(BUYER_CHARS_MAX + 1)] {
            assert_eq!(Buyer::new(name).unwrap_err().field, "buyer");
        }
        assert!(Buyer::new(&"ü".repeat(BUYER_CHARS_MAX)).is_ok(), "characters, not bytes");
        assert_eq!(Buyer::new("Ada Lovelace").unwrap().as_str(), "Ada Lovelace");
    }
}
