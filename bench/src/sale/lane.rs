//! What buyers ask, and how much there is of it.

use super::{database, plain};

/// What is to sell so that there is enough for all.
pub(crate) const ENOUGH: u32 = 100_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A sale with this strategy.
    Strategy(&'static str),
    /// A sale with this strategy, and nothing left.
    SoldOut(&'static str),
    /// One statement behind HTTP, without anything else.
    Statement,
    /// The same statement without HTTP: the database's own limit.
    Database,
    /// HTTP that reads an order and refuses it, without looking anything up: the least that a refusal costs.
    Read,
    Nothing,
}

impl Lane {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Strategy(name) => name.to_owned(),
            Self::SoldOut(name) => format!("{name}, sold out"),
            Self::Statement => "one statement".to_owned(),
            Self::Database => "the database's limit".to_owned(),
            Self::Read => "read and refused".to_owned(),
            Self::Nothing => "no-op endpoint".to_owned(),
        }
    }

    /// What its connections to Postgres call themselves.
    pub(crate) const fn application(self) -> &'static str {
        match self {
            Self::Strategy(_) | Self::SoldOut(_) => "leasehold-purchase",
            Self::Statement | Self::Read | Self::Nothing => plain::NAME,
            Self::Database => database::APPLICATION,
        }
    }
}
