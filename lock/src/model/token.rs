//! Numbers that grow with every grant.

use std::fmt;

/// Largest grant number. Lua's numbers are doubles, exact up to here; as microseconds since 1970
/// it is reached in the year 2255.
pub const GRANT_NUMBER_MAX: u64 = (1 << 53) - 1;

/// How many turns one grant has room for: the low ten bits of a token.
pub const TURNS_PER_GRANT: u16 = 1 << TURN_BITS;

const TURN_BITS: u32 = 10;

/// The number that the nodes mint for a grant: at least 1, at most [`GRANT_NUMBER_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantNumber(u64);

impl GrantNumber {
    /// The smallest number.
    pub const ONE: Self = Self(1);

    /// Checks a number.
    ///
    /// # Errors
    ///
    /// When it is 0 or larger than [`GRANT_NUMBER_MAX`].
    pub const fn new(number: u64) -> Result<Self, TokenError> {
        if number == 0 || number > GRANT_NUMBER_MAX {
            return Err(TokenError::OutOfRange { number });
        }
        Ok(Self(number))
    }

    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The next number; stays at [`GRANT_NUMBER_MAX`] when it is reached.
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < GRANT_NUMBER_MAX { Self(self.0 + 1) } else { self }
    }
}

impl fmt::Display for GrantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number that a protected store compares: larger for every later holder of a resource.
///
/// A positive 63-bit integer, so it fits Postgres' `bigint`: the grant's number in the high bits,
/// the turn within the grant in the low ten. A lease that is not passed on inside its process has
/// turn 0. Across processes and turns the order of the integers is the order of the holders.
/// Send it to programs that read JSON numbers as doubles as a **string**.
///
/// # Example
///
/// ```
/// use leasehold::{FencingToken, GrantNumber};
///
/// let first = FencingToken::new(GrantNumber::new(7)?, 0)?;
/// let handed_on = FencingToken::new(GrantNumber::new(7)?, 1)?;
/// let next_grant = FencingToken::new(GrantNumber::new(8)?, 0)?;
/// assert!(first < handed_on && handed_on < next_grant);
/// # Ok::<(), leasehold::TokenError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FencingToken(i64);

/// A number that no token or grant can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// A grant number of 0, or above [`GRANT_NUMBER_MAX`].
    #[error("grant number {number} is not in 1..={GRANT_NUMBER_MAX}")]
    OutOfRange {
        /// What was given.
        number: u64,
    },
    /// A turn that the low bits have no room for.
    #[error("turn {turn} is not below {TURNS_PER_GRANT}")]
    TooManyTurns {
        /// What was given.
        turn: u16,
    },
    /// An integer that was never a token.
    #[error("{value} is not a fencing token")]
    NotAToken {
        /// What was given.
        value: i64,
    },
}

impl FencingToken {
    /// The token of one turn of one grant.
    ///
    /// # Errors
    ///
    /// When `turn` is not below [`TURNS_PER_GRANT`].
    #[expect(
        clippy::cast_possible_wrap,
        reason = "a grant number has 53 bits, so ten more still leave the sign bit free"
    )]
    pub const fn new(number: GrantNumber, turn: u16) -> Result<Self, TokenError> {
        if turn >= TURNS_PER_GRANT {
            return Err(TokenError::TooManyTurns { turn });
        }
        Ok(Self(((number.0 << TURN_BITS) | turn as u64) as i64))
    }

    /// The first token of a grant.
    #[must_use]
    #[expect(clippy::cast_possible_wrap, reason = "see `new`")]
    pub const fn of_grant(number: GrantNumber) -> Self {
        Self((number.0 << TURN_BITS) as i64)
    }

    /// The token as the integer that stores compare.
    #[must_use]
    pub const fn as_i64(self) -> i64 {
        self.0
    }

    /// The number of the grant that this token belongs to.
    #[must_use]
    #[expect(clippy::cast_sign_loss, reason = "a token is positive")]
    pub const fn number(self) -> GrantNumber {
        GrantNumber((self.0 >> TURN_BITS) as u64)
    }

    /// Which turn of its grant this token belongs to, from 0.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "ten bits are left"
    )]
    pub const fn turn(self) -> u16 {
        (self.0 & (TURNS_PER_GRANT as i64 - 1)) as u16
    }
}

impl TryFrom<i64> for FencingToken {
    type Error = TokenError;

    fn try_from(value: i64) -> Result<Self, TokenError> {
        if value < 1 << TURN_BITS { Err(TokenError::NotAToken { value }) } else { Ok(Self(value)) }
    }
}

impl fmt::Display for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FencingToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FencingToken({} = {}.{})", self.0, self.number(), self.turn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_largest_token_is_the_largest_bigint() {
        let last =
            FencingToken::new(GrantNumber::new(GRANT_NUMBER_MAX).unwrap(), TURNS_PER_GRANT - 1);
        assert_eq!(last.unwrap().as_i64(), i64::MAX);
        assert!(GrantNumber::new(GRANT_NUMBER_MAX + 1).is_err());
        assert!(GrantNumber::new(0).is_err());
        assert!(FencingToken::new(GrantNumber::ONE, TURNS_PER_GRANT).is_err());
        assert!(FencingToken::try_from(1023).is_err());
        assert!(FencingToken::try_from(-1).is_err());
    }

    proptest! {
        #[test]
        fn tokens_order_like_grant_then_turn(
            a in 1..=GRANT_NUMBER_MAX, b in 1..=GRANT_NUMBER_MAX,
            s in 0..TURNS_PER_GRANT, t in 0..TURNS_PER_GRANT,
        ) {
            let first = FencingToken::new(GrantNumber::new(a).unwrap(), s).unwrap();
            let second = FencingToken::new(GrantNumber::new(b).unwrap(), t).unwrap();
            prop_assert_eq!(first.cmp(&second), (a, s).cmp(&(b, t)));
            prop_assert_eq!((first.number().get(), first.turn()), (a, s));
            prop_assert_eq!(FencingToken::try_from(first.as_i64()), Ok(first));
        }
    }
}
