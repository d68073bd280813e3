//! What buyers ask, and how much there is of it.

/// What is to sell so that there is enough for all.
pub(crate) const ENOUGH: u32 = 100_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A sale with this strategy.
    Strategy(&'static str),
    /// A sale with this strategy, and nothing left.
    SoldOut(&'static str),
    Statement,
    Nothing,
}

impl Lane {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Strategy(name) => name.to_owned(),
            Self::SoldOut(name) => format!("{name}, sold out"),
            Self::Statement => "one statement".to_owned(),
            Self::Nothing => "no-op endpoint".to_owned(),
        }
    }
}
