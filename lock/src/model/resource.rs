//! The checked name of what a lease protects.

use std::{fmt, str::FromStr, sync::Arc};

/// Longest name of a resource, in bytes: long enough for any path or id, short enough that a
/// log line, a metric label and a Redis key stay readable.
pub const RESOURCE_BYTES_MAX: usize = 512;

/// Names that begin like this belong to the crate's own keys on the nodes.
const RESERVED: &str = "leasehold:";

/// The checked name of what a lease protects: 1 to 512 bytes of UTF-8 without control characters.
///
/// The name is the lease's key on every node, verbatim, so that holders of other Redlock
/// libraries and ours exclude one another on the same name. Cloning is cheap.
///
/// # Example
///
/// ```
/// use leasehold::{Resource, ResourceError};
///
/// let seat = Resource::new("concert/42/seat/7")?;
/// assert_eq!(seat.as_str(), "concert/42/seat/7");
/// assert_eq!(Resource::new(""), Err(ResourceError::Empty));
/// # Ok::<(), ResourceError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Resource(Arc<str>);

/// Why a name cannot be a resource. None of these changes by trying again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// The name has no bytes.
    #[error("a resource name must not be empty")]
    Empty,
    /// The name is longer than [`RESOURCE_BYTES_MAX`].
    #[error("a resource name of {bytes} bytes is longer than the limit of {RESOURCE_BYTES_MAX}")]
    TooLong {
        /// How long the name is, in bytes.
        bytes: usize,
    },
    /// The name holds a control character, which logs and Postgres would not carry unharmed.
    #[error("a resource name must not hold control characters, found {found:?} at byte {at}")]
    ControlCharacter {
        /// The character.
        found: char,
        /// Where it stands, in bytes.
        at: usize,
    },
    /// The name begins like the crate's own keys.
    #[error("resource names that begin with {RESERVED:?} are reserved")]
    Reserved,
}

impl Resource {
    /// Checks a name.
    ///
    /// # Errors
    ///
    /// When the name is empty, longer than [`RESOURCE_BYTES_MAX`], holds a control character, or
    /// begins with `leasehold:`.
    pub fn new(name: impl Into<Arc<str>>) -> Result<Self, ResourceError> {
        let name = name.into();
        if name.is_empty() {
            return Err(ResourceError::Empty);
        }
        if name.len() > RESOURCE_BYTES_MAX {
            return Err(ResourceError::TooLong { bytes: name.len() });
        }
        if let Some((at, found)) = name.char_indices().find(|(_, c)| c.is_control()) {
            return Err(ResourceError::ControlCharacter { found, at });
        }
        if name.starts_with(RESERVED) {
            return Err(ResourceError::Reserved);
        }
        Ok(Self(name))
    }

    /// The name, as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resource({:?})", &*self.0)
    }
}

impl FromStr for Resource {
    type Err = ResourceError;

    fn from_str(name: &str) -> Result<Self, ResourceError> {
        Self::new(name)
    }
}

impl TryFrom<&str> for Resource {
    type Error = ResourceError;

    fn try_from(name: &str) -> Result<Self, ResourceError> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_verbatim_and_bad_ones_are_named() {
        for good in ["a", "{a}b", "}{", "sale/1", "ümläut", &"x".repeat(RESOURCE_BYTES_MAX)] {
            assert_eq!(Resource::new(good).unwrap().as_str(), good);
        }
        assert_eq!(Resource::new(""), Err(ResourceError::Empty));
        assert_eq!(
            Resource::new("x".repeat(64 * 1024)),
            Err(ResourceError::TooLong { bytes: 64 * 1024 })
        );
        assert_eq!(
            Resource::new("a\nb"),
            Err(ResourceError::ControlCharacter { found: '\n', at: 1 })
        );
        assert_eq!(Resource::new("leasehold:fence:x"), Err(ResourceError::Reserved));
    }
}
