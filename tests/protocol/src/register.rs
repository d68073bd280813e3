//! The store that the lease protects: one row, read and written in transactions of one step each.
//!
//! The rule is the one of the fence in Postgres (`leasehold::fence` and its SQL function), stated
//! here anew since the original is SQL.

use leasehold::model::{FencingToken, HolderId, Stamp};

use crate::config::RegisterRule;

/// The register.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Register {
    /// The fence: token and holder last raised to.
    stored: Option<(FencingToken, HolderId)>,
    /// The newest token that any operation was accepted with, whatever the rule stores.
    newest: Option<(FencingToken, HolderId)>,
}

/// What the register said to one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the transaction took place.
    pub accepted: bool,
    /// Whether it took place although a newer token had been accepted, or an equal one of another.
    pub out_of_order: bool,
}

impl Register {
    /// The transaction in which a holder reads.
    pub fn read(&mut self, rule: RegisterRule, stamp: &Stamp) -> Outcome {
        match rule {
            RegisterRule::Unfenced | RegisterRule::OnlyAtWrite => {
                Outcome { accepted: true, out_of_order: false }
            }
            RegisterRule::Fenced
            | RegisterRule::TwoTransactions
            | RegisterRule::EqualTokenOfAnother => self.claim(rule, stamp),
        }
    }

    /// The transaction in which it writes what follows from what it read.
    pub fn write(&mut self, rule: RegisterRule, stamp: &Stamp) -> Outcome {
        match rule {
            RegisterRule::Unfenced | RegisterRule::TwoTransactions => self.accept(stamp),
            RegisterRule::Fenced
            | RegisterRule::OnlyAtWrite
            | RegisterRule::EqualTokenOfAnother => self.claim(rule, stamp),
        }
    }

    /// The newest token that was accepted, as a grant's number.
    #[must_use]
    pub fn newest(&self) -> Option<FencingToken> {
        self.newest.map(|(token, _)| token)
    }

    fn claim(&mut self, rule: RegisterRule, stamp: &Stamp) -> Outcome {
        let Stamp { token, holder, .. } = *stamp;
        let equal_is_enough = rule == RegisterRule::EqualTokenOfAnother;
        let accepted = self.stored.is_none_or(|(newest, by)| {
            token > newest || (token == newest && (holder == by || equal_is_enough))
        });
        if !accepted {
            return Outcome { accepted, out_of_order: false };
        }
        self.stored = Some((token, holder));
        self.accept(stamp)
    }

    fn accept(&mut self, stamp: &Stamp) -> Outcome {
        let Stamp { token, holder, .. } = *stamp;
        let out_of_order = self
            .newest
            .is_some_and(|(newest, by)| token < newest || (token == newest && holder != by));
        if !out_of_order {
            self.newest = Some((token, holder));
        }
        Outcome { accepted: true, out_of_order }
    }
}
