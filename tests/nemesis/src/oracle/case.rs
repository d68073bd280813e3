//! The evidence, put in order once for all checkers: sale by sale, and key by key.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use leasehold_purchase::domain::Kind;
use leasehold_stack::audit::{Books, ReplyRow};
use serde::Deserialize;
use uuid::Uuid;

use super::{
    Evidence,
    course::Course,
    deeds::{Deed, Tally, tally},
    looks::Seen,
};
use crate::history::{Asked, Operation, Receipt};

/// What is examined.
#[derive(Debug)]
pub struct Case<'a> {
    pub(super) evidence: &'a Evidence,
    pub(super) sales: Vec<SaleCase<'a>>,
    /// Operations of sales whose books are not there.
    pub(super) without_books: Vec<&'a Operation>,
}

/// One sale.
#[derive(Debug)]
pub(super) struct SaleCase<'a> {
    pub(super) id: Uuid,
    pub(super) books: &'a Books,
    pub(super) course: Course<'a>,
    /// Every key that was asked, in order.
    pub(super) keys: BTreeMap<&'a str, Key<'a>>,
    /// Stored answers to keys that nobody asked.
    pub(super) strange: Vec<&'a ReplyRow>,
    /// Who only looked, and what was seen.
    pub(super) looks: Vec<(&'a Operation, Option<Seen>)>,
    /// What was asked, told, stored and done, added up.
    pub(super) deeds: BTreeMap<Deed<'a>, Tally>,
}

/// All that was asked under one key.
#[derive(Debug)]
pub(super) struct Key<'a> {
    /// At least one, by their end.
    pub(super) operations: Vec<&'a Operation>,
    pub(super) reply: Option<&'a ReplyRow>,
    /// The event that its answer is about, as an index of the course's steps.
    pub(super) step: Option<usize>,
}

/// What an answer says that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Told {
    pub(super) kind: Kind,
    pub(super) claim: Uuid,
    /// How many units were given back by then.
    pub(super) refunded: u32,
}

#[derive(Deserialize)]
struct ClaimBody {
    refunded: u32,
}

impl Told {
    /// What an answer said; `None` when it says nothing that could be the answer.
    pub(super) fn of_receipt(asked: Asked, receipt: &Receipt) -> Option<Self> {
        let kind = match (asked, &*receipt.status) {
            (Asked::Buy { .. }, "confirmed") => Kind::Purchased,
            (Asked::Reserve { .. }, "pending") => Kind::Reserved,
            (Asked::Reserve { wait: true, .. }, "waiting") => Kind::Queued,
            (Asked::Confirm { .. }, "confirmed") => Kind::Confirmed,
            (Asked::Confirm { .. }, "paid_unfulfilled") => Kind::PaidUnfulfilled,
            (Asked::Cancel { .. }, "cancelled") => Kind::Cancelled,
            (Asked::Refund { .. }, "confirmed") => Kind::PartlyRefunded,
            (Asked::Refund { .. }, "refunded") => Kind::Refunded,
            _ => return None,
        };
        let claim = receipt.claim?;
        let asked_about = asked.claim().is_none_or(|asked| asked == claim);
        asked_about.then(|| Self::new(kind, claim, &receipt.body))
    }

    /// What a stored answer says; `None` when it is not about a claim.
    pub(super) fn of_reply(reply: &ReplyRow) -> Option<Self> {
        Some(Self::new(Kind::from_name(&reply.kind)?, reply.claim_id?, &reply.body))
    }

    fn new(kind: Kind, claim: Uuid, body: &str) -> Self {
        // Only refunds can happen to a claim more than once.
        let refunded = match kind {
            Kind::PartlyRefunded | Kind::Refunded => serde_json::from_str::<ClaimBody>(body).ok(),
            _ => None,
        };
        Self { kind, claim, refunded: refunded.map_or(0, |body| body.refunded) }
    }
}

impl<'a> Key<'a> {
    pub(super) fn asked(&self) -> &'a Operation {
        self.operations[0]
    }

    /// The first answer.
    pub(super) fn receipt(&self) -> Option<&'a Receipt> {
        self.operations.iter().find_map(|operation| operation.receipt())
    }

    /// What the first answer said.
    pub(super) fn told(&self) -> Option<Told> {
        Told::of_receipt(self.asked().asked, self.receipt()?)
    }

    /// Nobody was told that it was done, and it may have been.
    pub(super) fn is_unknown(&self) -> bool {
        self.receipt().is_none() && self.operations.iter().any(|asked| asked.may_have_happened())
    }

    /// Whoever asked was told that nothing happened, each time.
    pub(super) fn is_refused(&self) -> bool {
        !self.operations.iter().any(|asked| asked.may_have_happened())
    }

    /// Before this it cannot have happened.
    pub(super) fn since(&self) -> Option<Duration> {
        let may = self.operations.iter().filter(|asked| asked.may_have_happened());
        may.map(|asked| asked.start).min()
    }

    /// By then it had happened, if anybody was told so.
    pub(super) fn until(&self) -> Option<Duration> {
        let done = self.operations.iter().filter(|asked| asked.receipt().is_some());
        done.map(|asked| asked.end).min()
    }
}

impl<'a> SaleCase<'a> {
    fn new(id: Uuid, books: &'a Books, operations: &[&'a Operation]) -> Self {
        let mut keys: BTreeMap<&str, Key<'a>> = BTreeMap::new();
        let mut looks = Vec::new();
        for operation in operations {
            if operation.asked == Asked::Look {
                looks.push((*operation, Seen::of(operation)));
                continue;
            }
            let key = keys.entry(&operation.key).or_insert_with(|| Key {
                operations: Vec::new(),
                reply: None,
                step: None,
            });
            key.operations.push(operation);
        }
        let mut strange = Vec::new();
        for reply in &books.replies {
            match keys.get_mut(&*reply.key) {
                Some(key) => key.reply = Some(reply),
                None => strange.push(reply),
            }
        }
        let course = Course::of(&books.events);
        for key in keys.values_mut() {
            let told = key.told().or_else(|| Told::of_reply(key.reply?));
            key.step = told.and_then(|told| course.step_of(told));
        }
        let deeds = tally(&course, &keys, &books.replies);
        Self { id, books, course, keys, strange, looks, deeds }
    }
}

impl Course<'_> {
    /// The event that an answer is about.
    pub(super) fn step_of(&self, told: Told) -> Option<usize> {
        let life = self.lives.get(&told.claim)?;
        let at = match told.kind {
            Kind::Purchased | Kind::Reserved | Kind::Queued => Some(life.made),
            Kind::Confirmed | Kind::PaidUnfulfilled => life.paid,
            Kind::Cancelled => life.cancelled,
            Kind::PartlyRefunded | Kind::Refunded => life
                .refunds
                .iter()
                .find(|(at, by_then)| {
                    *by_then == told.refunded && self.steps[*at].kind == told.kind
                })
                .map(|(at, _)| *at),
            Kind::SaleCreated
            | Kind::SaleChanged
            | Kind::Offered
            | Kind::Expired
            | Kind::RefundDue => None,
        };
        at.filter(|at| self.steps.get(*at).is_some_and(|step| step.kind == told.kind))
    }
}

impl<'a> Case<'a> {
    /// Puts the evidence in order.
    #[must_use]
    pub fn new(evidence: &'a Evidence) -> Self {
        let mut of_sale: HashMap<Uuid, Vec<&Operation>> = HashMap::new();
        for operation in &evidence.history.operations {
            of_sale.entry(operation.sale).or_default().push(operation);
        }
        let sales = evidence.books.iter().map(|(id, books)| {
            let operations = of_sale.remove(id).unwrap_or_default();
            SaleCase::new(*id, books, &operations)
        });
        let sales = sales.collect();
        let mut without_books: Vec<&Operation> = of_sale.into_values().flatten().collect();
        without_books.sort_by_key(|operation| operation.end);
        Self { evidence, sales, without_books }
    }

    /// What a checker of one sale finds in all of them.
    pub(super) fn each_sale(&self, check: impl Fn(&SaleCase<'a>) -> Vec<String>) -> Vec<String> {
        let each = self.sales.iter().flat_map(|sale| {
            check(sale).into_iter().map(|found| format!("sale {}: {found}", sale.id))
        });
        each.collect()
    }

    /// Whether the service had this long to tidy up, after all was healed.
    pub(super) fn had_time_to_tidy(&self) -> bool {
        let evidence = self.evidence;
        evidence
            .healed_at
            .is_some_and(|healed| evidence.read_at.saturating_sub(healed) > evidence.tidies_within)
    }
}
