//! The ways to grant.

use serde::{Deserialize, Serialize};

/// How the units of a sale are granted. What may be sold is the same for all; they differ in how the
/// sale is read consistently, and in what happens when many want it at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// The replica that holds the sale's lease grants in batches, each under its fencing token.
    #[default]
    Leased,
    /// A transaction a request, which locks the sale's row first.
    RowLock,
    /// A decision from a sale that nobody locked, written if its version is still the same; otherwise
    /// decided again.
    Optimistic,
    /// As `optimistic`, from the sale's events, and written unless something happened since that
    /// could make the decision wrong.
    EventLog,
    /// Commands stand in a queue on the lease nodes, and the replica that holds the lease of a part of it
    /// runs them in order.
    Queue,
}

impl Strategy {
    /// Every strategy.
    pub const ALL: [Self; 5] =
        [Self::Leased, Self::RowLock, Self::Optimistic, Self::EventLog, Self::Queue];

    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::RowLock => "row_lock",
            Self::Optimistic => "optimistic",
            Self::EventLog => "event_log",
            Self::Queue => "queue",
        }
    }

    /// The strategy of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|strategy| strategy.name() == name)
    }
}
