//! Who has a lease: the random value of one attempt.

use std::{fmt, str::FromStr};

use uuid::Uuid;

/// The random value of one attempt to acquire, 128 bits; on the nodes and in Postgres 32 lower
/// hexadecimal digits.
///
/// It is fresh for every attempt, also of the same task: a request of an earlier attempt that
/// arrives late can then never be taken for a request of this one. It is a secret among peers
/// (who knows it can release the lease), so `Debug` shows its first digits only.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct HolderId(u128);

impl HolderId {
    /// A holder from 128 random bits.
    #[must_use]
    pub const fn from_random(bits: u128) -> Self {
        Self(bits)
    }
}

impl fmt::Display for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Several times as fast as formatting an integer, and written for each call to each node.
        fmt::Display::fmt(&Uuid::from_u128(self.0).simple(), f)
    }
}

impl fmt::Debug for HolderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HolderId({:08x}…)", self.0 >> 96)
    }
}

/// The text is not 32 lower hexadecimal digits, so it is not one of our holders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a holder id is 32 lower hexadecimal digits")]
pub struct NotAHolder;

impl FromStr for HolderId {
    type Err = NotAHolder;

    fn from_str(text: &str) -> Result<Self, NotAHolder> {
        let lower_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(NotAHolder);
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| NotAHolder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_reads_back_and_does_not_show_itself_in_debug() {
        let holder = HolderId::from_random(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(holder.to_string(), "0123456789abcdef0123456789abcdef");
        assert_eq!(holder.to_string().parse(), Ok(holder));
        assert_eq!(format!("{holder:?}"), "HolderId(01234567…)");
        for bad in
            ["", "0123", "0123456789ABCDEF0123456789ABCDEF", "+123456789abcdef0123456789abcdef"]
        {
            assert_eq!(bad.parse::<HolderId>(), Err(NotAHolder), "{bad:?}");
        }
    }
}
