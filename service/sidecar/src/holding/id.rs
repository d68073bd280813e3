//! The names of leases and links, as programs know them.

use std::{fmt, str::FromStr};

use hmac::{Hmac, KeyInit as _, Mac as _};
use leasehold::Stamp;
use sha2::Sha256;

const BYTES: usize = 16;

/// The name of a lease: 32 lower hexadecimal digits.
///
/// It is made of what is held and of whose it is, so a sidecar that was restarted knows a lease of the one
/// before by its name alone; and it tells nobody the holder's secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeaseId([u8; BYTES]);

/// The name of a link: 32 lower hexadecimal digits, random.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LinkId([u8; BYTES]);

/// The text is no name of a lease or a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id is 32 lower hexadecimal digits")]
pub struct NotAnId;

impl LeaseId {
    /// The name of this lease when it is the client's with this seal.
    #[must_use]
    pub fn of(seal: &[u8; 32], stamp: &Stamp) -> Self {
        let mut bytes = [0; BYTES];
        // A key of any length will do.
        if let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(seal) {
            mac.update(&stamp.token.as_i64().to_be_bytes());
            mac.update(stamp.holder.to_string().as_bytes());
            mac.update(stamp.resource.as_str().as_bytes());
            bytes.copy_from_slice(&mac.finalize().into_bytes()[..BYTES]);
        }
        Self(bytes)
    }
}

impl LinkId {
    /// A new one.
    ///
    /// # Errors
    ///
    /// When the system has no random numbers to give.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }
}

fn parse(text: &str) -> Result<[u8; BYTES], NotAnId> {
    let mut bytes = [0; BYTES];
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(NotAnId);
    }
    hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAnId)?;
    Ok(bytes)
}

macro_rules! text {
    ($id:ident) => {
        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self)
            }
        }

        impl FromStr for $id {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, NotAnId> {
                parse(text).map(Self)
            }
        }
    };
}

text!(LeaseId);
text!(LinkId);

#[cfg(test)]
mod tests {
    use leasehold::{FencingToken, HolderId, Resource};

    use super::*;

    fn stamp(resource: &str, token: i64, holder: u128) -> Stamp {
        Stamp {
            resource: Resource::new(resource).unwrap(),
            token: FencingToken::try_from(token).unwrap(),
            holder: HolderId::from_random(holder),
        }
    }

    #[test]
    fn a_name_is_of_one_lease_and_one_client() {
        let (ours, theirs) = ([1; 32], [2; 32]);
        let first = stamp("a", 5000, 7);
        let name = LeaseId::of(&ours, &first);
        assert_eq!(name, LeaseId::of(&ours, &first.clone()));
        for other in [stamp("b", 5000, 7), stamp("a", 5001, 7), stamp("a", 5000, 8)] {
            assert_ne!(name, LeaseId::of(&ours, &other));
        }
        assert_ne!(name, LeaseId::of(&theirs, &first));
        assert!(!name.to_string().contains(&first.holder.to_string()[..8]));
    }

    #[test]
    fn names_read_back_and_nothing_else_is_one() {
        let name = LeaseId::of(&[0; 32], &stamp("a", 5000, 7));
        assert_eq!(name.to_string().parse(), Ok(name));
        let upper = "AB".repeat(BYTES);
        for wrong in ["", "00", &"0".repeat(31), &"0".repeat(33), &"g".repeat(32), &upper, "ü"] {
            assert_eq!(wrong.parse::<LinkId>(), Err(NotAnId), "{wrong}");
        }
    }
}
