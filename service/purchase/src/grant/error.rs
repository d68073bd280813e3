//! Why a request was neither granted nor refused.

use crate::store::StoreError;

/// Why a request was neither granted nor refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// There is no such sale. Nothing happened.
    #[error("there is no such sale")]
    NoSuchSale,
    /// Too many requests are waiting. Nothing happened; trying again later helps.
    #[error("too many requests are waiting")]
    Busy,
    /// The sale changed whenever this was decided, as often as is tried. Nothing happened; trying again
    /// later helps.
    #[error("the sale changed {tries} times while the request was decided{}", at(*.current))]
    Conflict {
        /// How often it was decided in vain.
        tries: u32,
        /// The version that the sale was at when that was last refused; `None` when Postgres did not
        /// say it.
        current: Option<i64>,
    },
    /// No quorum of lease nodes, or no database. Nothing happened; trying again later helps.
    #[error("the service is not available: {0}")]
    Unavailable(String),
    /// It may have been granted. Asking again with the same key tells.
    #[error("whether the request was granted is not known")]
    Unknown,
    /// A fault of ours. Nothing happened.
    #[error("the request could not be worked on: {0}")]
    Internal(String),
}

fn at(version: Option<i64>) -> String {
    version.map(|version| format!(", and is at version {version}")).unwrap_or_default()
}

impl GrantError {
    /// Reads an error of a statement that changes nothing.
    pub(super) fn of_read(error: &StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::NotMigrated => {
                Self::Unavailable(error.to_string())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}
