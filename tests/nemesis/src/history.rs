//! What everybody asked, and what they were told. Nothing in it is guessed: what was not answered is
//! [`Outcome::Unknown`], and the oracle must live with both possibilities.
//!
//! All times are since the run began, on the clock of the one process that asks.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a buyer, or the office, asks of a sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Asked {
    /// To buy so many units.
    Buy {
        /// Units.
        quantity: u32,
    },
    /// To reserve so many units, and to wait for them when too few are left.
    Reserve {
        /// Units.
        quantity: u32,
        /// Whether to wait.
        wait: bool,
    },
    /// To buy what is reserved.
    Confirm {
        /// The reservation.
        claim: Uuid,
    },
    /// To give a reservation up, or to leave the waiting list.
    Cancel {
        /// The reservation.
        claim: Uuid,
    },
    /// To give units of a purchase back.
    Refund {
        /// The purchase.
        claim: Uuid,
        /// Units.
        quantity: u32,
    },
    /// To read the sale.
    Look,
}

impl Asked {
    /// The claim that it is about, when there is one already.
    #[must_use]
    pub const fn claim(&self) -> Option<Uuid> {
        match self {
            Self::Confirm { claim } | Self::Cancel { claim } | Self::Refund { claim, .. } => {
                Some(*claim)
            }
            Self::Buy { .. } | Self::Reserve { .. } | Self::Look => None,
        }
    }
}

/// What a request came to, as far as its asker knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It was done, and this is the answer's body, byte for byte.
    Ok(Receipt),
    /// Nothing happened. The problem's code: `sold_out`, say, or that of the last try, such as `unavailable`, of
    /// whoever gave up. Which of them is a decision, [`Outcome::is_decided`] says.
    Refused(String),
    /// Whether it happened is not known: no final answer came, to any try.
    Unknown(String),
}

/// What the rules of a sale say no with. Whoever says so has read the sale and decided; every other code only
/// says that nothing happened: a server that is needed does not answer, too many ask, others were faster.
const DECIDED: [&str; 13] = [
    "not_yours",
    "sold_out",
    "not_open",
    "closed",
    "limit_reached",
    "waiting_list_full",
    "wrong_status",
    "refund_too_large",
    "below_sold",
    "version_mismatch",
    "wrong_amount",
    "wrong_currency",
    "idempotency_key_reused",
];

impl Outcome {
    /// Whether somebody decided it: did it, or refused it by the rules of the sale. Nobody decided what was
    /// only turned away, however final that was to its asker.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        match self {
            Self::Ok(_) => true,
            Self::Refused(code) => DECIDED.contains(&&**code),
            Self::Unknown(_) => false,
        }
    }
}

/// What an answer said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The claim that it is about; `None` for [`Asked::Look`].
    pub claim: Option<Uuid>,
    /// The claim's status: `pending`, `waiting`, `confirmed`, …; empty for [`Asked::Look`].
    pub status: String,
    /// The body.
    pub body: String,
}

/// One request: all tries under one idempotency key by one asker in one go, from the first to the
/// final answer.
///
/// Whoever asks again later with the same key (a replay) makes an operation of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Of which sale.
    pub sale: Uuid,
    /// The idempotency key; empty for [`Asked::Look`], which has none.
    pub key: String,
    /// Who.
    pub buyer: String,
    /// What.
    pub asked: Asked,
    /// When it should have been asked.
    pub intended: Duration,
    /// When the first try was sent.
    pub start: Duration,
    /// When the final answer came, or the asker gave up. An unknown one may take effect later.
    pub end: Duration,
    /// How many tries it took.
    pub tries: u32,
    /// How many of them were not answered, or with something that leaves open whether it happened
    /// (`outcome_unknown`, `internal`, accepted into a queue). Each of those may take effect later,
    /// also when another try was refused meanwhile.
    #[serde(default)]
    pub unanswered: u32,
    /// Which replica gave the final answer, by its index; the load balancer has the one after the last.
    pub replica: usize,
    /// What came of it.
    pub outcome: Outcome,
}

impl Operation {
    /// What was answered, if it was done.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.outcome {
            Outcome::Ok(receipt) => Some(receipt),
            Outcome::Refused(_) | Outcome::Unknown(_) => None,
        }
    }

    /// Whether it is not known to have changed nothing. What was refused in the end may all the same
    /// have happened by an earlier try that was not answered.
    #[must_use]
    pub fn may_have_happened(&self) -> bool {
        let refused = matches!(self.outcome, Outcome::Refused(_)) && self.unanswered == 0;
        self.asked != Asked::Look && !refused
    }
}

/// A lease that somebody held, as it was told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Which client, by its index.
    pub client: usize,
    /// What was held.
    pub resource: String,
    /// The fencing token.
    pub token: u64,
    /// The holder's id, as the fence knows it.
    pub holder: String,
    /// When the client knew that it holds it.
    pub from: Duration,
    /// When it last counted on it: it was about to release it, heard of its loss, or its validity ran
    /// out, whichever came first.
    pub until: Duration,
    /// Whether it was lost rather than released.
    pub lost: bool,
}

/// A fenced write: the client read `before` under its lease and wrote `before + 1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Increment {
    /// Which client, by its index.
    pub client: usize,
    /// Of which resource's counter.
    pub resource: String,
    /// The fencing token that it carried.
    pub token: u64,
    /// What was read before.
    pub before: i64,
    /// When the write was sent.
    pub start: Duration,
    /// When its answer came, or was given up.
    pub end: Duration,
    /// Whether it was accepted, refused as stale, or nobody knows.
    pub written: Written,
}

/// What became of a fenced write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Written {
    /// Accepted.
    Yes,
    /// Refused: a newer holder had claimed the fence.
    Stale,
    /// Not known.
    Unknown,
}

/// All that was asked and told in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Requests to the service, by their end.
    pub operations: Vec<Operation>,
    /// Leases of the lock holders.
    pub holds: Vec<Hold>,
    /// Their writes.
    pub increments: Vec<Increment>,
}

impl History {
    /// Leaves open what became of whatever was refused while a network sent requests a second time, from and to
    /// these moments: the second one may be granted after the first was refused. What was done was done once,
    /// by its key.
    pub fn doubt_what_was_doubled(&mut self, doubled: &[(Duration, Duration)]) {
        for operation in &mut self.operations {
            let was_doubled = |(from, to): &(Duration, Duration)| {
                operation.start <= *to && operation.end >= *from
            };
            let is_refused = matches!(operation.outcome, Outcome::Refused(_));
            if is_refused && doubled.iter().any(was_doubled) {
                operation.unanswered = operation.unanswered.max(operation.tries);
            }
        }
    }

    /// The operations of one sale.
    pub fn of(&self, sale: Uuid) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(move |operation| operation.sale == sale)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Those of the table that say no by what a sale, or a claim, is like; and those that do not.
    #[test]
    fn of_every_code_it_is_known_whether_it_is_a_decision() {
        const NONE: [&str; 2] = ["conflict", "too_many_webhooks"];
        let table = include_str!("../../../service/purchase/docs/errors.md");
        let rows = table.lines().filter_map(|line| line.strip_prefix("| `"));
        let mut decided = Vec::new();
        for row in rows {
            let (code, rest) = row.split_once("` | ").unwrap();
            let by_the_rules = rest.starts_with("409") || rest.starts_with("422");
            let is_one = code == "not_yours" || (by_the_rules && !NONE.contains(&code));
            assert_eq!(Outcome::Refused(code.to_owned()).is_decided(), is_one, "{code}");
            decided.extend(is_one.then_some(code));
        }
        assert_eq!(decided, DECIDED);
        assert!(!Outcome::Refused(String::new()).is_decided());
    }

    #[test]
    fn what_was_refused_while_requests_were_doubled_may_have_happened() {
        let second = Duration::from_secs;
        let operation = |start, end, outcome| Operation {
            sale: Uuid::nil(),
            key: "k".to_owned(),
            buyer: "ada".to_owned(),
            asked: Asked::Buy { quantity: 1 },
            intended: second(start),
            start: second(start),
            end: second(end),
            tries: 1,
            unanswered: 0,
            replica: 0,
            outcome,
        };
        let busy = || Outcome::Refused("busy".to_owned());
        let operations = vec![
            operation(1, 2, busy()),
            operation(2, 4, busy()),
            operation(5, 9, busy()),
            operation(7, 8, busy()),
        ];
        let mut history = History { operations, ..History::default() };
        history.doubt_what_was_doubled(&[(second(3), second(6))]);
        let may: Vec<bool> = history.operations.iter().map(Operation::may_have_happened).collect();
        assert_eq!(may, [false, true, true, false]);
    }
}
