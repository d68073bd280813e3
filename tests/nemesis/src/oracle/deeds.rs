//! What happens to a sale because somebody asks for it, added up: how often it was asked, told, stored
//! and done.
//!
//! Several keys may ask for the same, and then nothing but its answer tells which of them an event is
//! of. So events are held against keys by number, and against answers one by one.

use std::collections::BTreeMap;

use leasehold_purchase::domain::{ClaimEvent, Kind};
use leasehold_stack::audit::ReplyRow;
use uuid::Uuid;

use super::{
    case::{Key, Told},
    course::Course,
};
use crate::history::{Asked, Operation};

/// Something that may be done, by whatever key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Deed<'a> {
    /// Bought directly: by whom, how many units.
    Buy(&'a str, u32),
    /// Reserved, or waited for: by whom, how many units.
    Reserve(&'a str, u32),
    /// Confirmed, or paid in vain: which claim.
    Confirm(Uuid),
    /// Cancelled: which claim.
    Cancel(Uuid),
    /// Given back: of which claim, how many units.
    Refund(Uuid, u32),
}

/// How often.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Keys that were told that it is done.
    pub(super) told: u32,
    /// Keys that were not told, and may have done it.
    pub(super) unknown: u32,
    /// Keys that were only told that nothing happened.
    pub(super) refused: u32,
    /// Answers that were stored.
    pub(super) stored: u32,
    /// Events.
    pub(super) done: u32,
    /// Those of the events that may have happened without being asked for.
    pub(super) by_rule: u32,
}

impl<'a> Deed<'a> {
    /// What is asked; `None` for who only looks.
    pub(super) fn asked(operation: &'a Operation) -> Option<Self> {
        Some(match operation.asked {
            Asked::Buy { quantity } => Self::Buy(&operation.buyer, quantity),
            Asked::Reserve { quantity, .. } => Self::Reserve(&operation.buyer, quantity),
            Asked::Confirm { claim } => Self::Confirm(claim),
            Asked::Cancel { claim } => Self::Cancel(claim),
            Asked::Refund { claim, quantity } => Self::Refund(claim, quantity),
            Asked::Look => return None,
        })
    }

    /// What happened; `None` when nobody has to ask for it.
    pub(super) fn done(event: &'a ClaimEvent) -> Option<Self> {
        let (claim, buyer) = (event.claim.as_uuid(), event.buyer.as_str());
        Some(match event.kind {
            Kind::Purchased => Self::Buy(buyer, event.quantity),
            Kind::Reserved | Kind::Queued => Self::Reserve(buyer, event.quantity),
            Kind::Confirmed | Kind::PaidUnfulfilled => Self::Confirm(claim),
            Kind::Cancelled => Self::Cancel(claim),
            Kind::PartlyRefunded | Kind::Refunded => Self::Refund(claim, event.quantity),
            Kind::SaleCreated
            | Kind::SaleChanged
            | Kind::Offered
            | Kind::Expired
            | Kind::RefundDue => return None,
        })
    }
}

/// Adds up everything of one sale.
pub(super) fn tally<'a>(
    course: &Course<'a>,
    keys: &BTreeMap<&str, Key<'a>>,
    replies: &[ReplyRow],
) -> BTreeMap<Deed<'a>, Tally> {
    let mut deeds: BTreeMap<Deed<'a>, Tally> = BTreeMap::new();
    for key in keys.values() {
        let Some(deed) = Deed::asked(key.asked()) else { continue };
        let tally = deeds.entry(deed).or_default();
        if key.receipt().is_some() {
            tally.told += 1;
        } else if key.is_unknown() {
            tally.unknown += 1;
        } else {
            tally.refused += 1;
        }
    }
    for step in &course.steps {
        let Some(deed) = step.claim.and_then(Deed::done) else { continue };
        let tally = deeds.entry(deed).or_default();
        tally.done += 1;
        tally.by_rule += u32::from(step.is_given_up_by_rule());
    }
    for reply in replies {
        let step = Told::of_reply(reply).and_then(|told| course.step_of(told));
        let claim = step.and_then(|at| course.steps[at].claim);
        if let Some(deed) = claim.and_then(Deed::done) {
            deeds.entry(deed).or_default().stored += 1;
        }
    }
    deeds
}
