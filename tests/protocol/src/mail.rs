//! Questions and answers under way.

use crate::asked::Said;

/// One question on its way from one attempt to one node, and its answer on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Letter {
    /// Never asked.
    Unsent,
    /// Asked and not delivered: it may be at any moment, or never.
    OnItsWay,
    /// Delivered; what the node said is on its way back.
    Answered(Said),
    /// Delivered and heard, or delivered when nobody listened any more.
    Done,
}

/// What was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// For a grant.
    Grant,
    /// To commit.
    Commit,
    /// To renew.
    Renew,
    /// To release.
    Release,
}

/// All questions of one attempt to one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mail {
    letters: [Letter; 4],
    /// The node handed the lease over to this attempt, or says so.
    pub handed_over: bool,
    /// The node was out when the attempt's renewal began, and has not forgotten again since.
    pub renewed_without: bool,
}

impl Mail {
    /// Nothing was asked.
    pub const NONE: Self = {
        let letters = [Letter::Unsent; 4];
        Self { letters, handed_over: false, renewed_without: false }
    };

    /// How the question stands.
    #[must_use]
    pub const fn of(&self, kind: Kind) -> Letter {
        self.letters[kind as usize]
    }

    /// Notes how it stands now.
    pub const fn set(&mut self, kind: Kind, letter: Letter) {
        self.letters[kind as usize] = letter;
    }
}
