//! A sale's log, played from its first event: how the sale stood after each, and how each claim lived.
//!
//! Counted here once more, and not with the service's own `State`: what both get wrong in the same way
//! would else go unseen. That the two agree, `log` holds.

use std::collections::HashMap;

use leasehold_purchase::{
    domain::{ClaimEvent, Event, Kind, Moment, Status, TRANSITIONS, Terms},
    store::EventRead,
};
use uuid::Uuid;

/// One event, and the sale after it.
#[derive(Debug)]
pub(super) struct Step<'a> {
    /// Its number in the log.
    pub(super) seq: i64,
    /// When it was decided, in milliseconds on the database's clock.
    pub(super) at: i64,
    /// What happened.
    pub(super) kind: Kind,
    /// To which claim, if to one.
    pub(super) claim: Option<&'a ClaimEvent>,
    /// Where that claim stood before.
    pub(super) before: Option<Status>,
    /// The terms from here on.
    pub(super) terms: &'a Terms,
    /// Units sold.
    pub(super) sold: i64,
    /// Units reserved.
    pub(super) held: i64,
    /// Claims that wait.
    pub(super) waiting: i64,
}

impl Step<'_> {
    /// How many units may be sold and reserved.
    pub(super) fn limit(&self) -> i64 {
        self.terms.limit().into()
    }

    /// The rule that takes those out of the waiting list who could never have what they want, or all once
    /// selling has ended.
    pub(super) fn is_given_up_by_rule(&self) -> bool {
        let claim = self.claim.filter(|_| self.kind == Kind::Cancelled);
        self.before == Some(Status::Waiting)
            && claim.is_some_and(|claim| {
                i64::from(claim.quantity) > self.limit()
                    || self.terms.is_closed(Moment::from_millis(self.at))
            })
    }
}

/// What became of one claim. Places are indices of [`Course::steps`].
#[derive(Debug)]
pub(super) struct Life {
    /// How many units.
    pub(super) quantity: u32,
    /// How many were given back after they were bought.
    pub(super) refunded: u32,
    /// Where it stands in the end.
    pub(super) status: Status,
    /// Its deadline, in milliseconds on the database's clock.
    pub(super) deadline: Option<i64>,
    /// Where it was made.
    pub(super) made: usize,
    /// From where to where (exclusive) it was reserved.
    pub(super) held: Option<(usize, Option<usize>)>,
    /// Where it was confirmed, or paid in vain.
    pub(super) paid: Option<usize>,
    /// Where it was cancelled.
    pub(super) cancelled: Option<usize>,
    /// Where units were given back, and how many were by then.
    pub(super) refunds: Vec<(usize, u32)>,
}

/// What a claim counts for: sold, reserved, waiting.
type Share = (i64, i64, i64);

impl Life {
    fn share(&self) -> Share {
        let units = i64::from(self.quantity);
        match self.status {
            Status::Waiting => (0, 0, 1),
            Status::Pending => (0, units, 0),
            Status::Confirmed => (units - i64::from(self.refunded), 0, 0),
            Status::Cancelled | Status::Expired | Status::Refunded | Status::PaidUnfulfilled => {
                (0, 0, 0)
            }
        }
    }
}

/// A log, played.
#[derive(Debug, Default)]
pub(super) struct Course<'a> {
    /// Each event, and the sale after it.
    pub(super) steps: Vec<Step<'a>>,
    /// Each claim.
    pub(super) lives: HashMap<Uuid, Life>,
}

impl<'a> Course<'a> {
    /// Plays a log. What stands before the first terms is left out, and what cannot happen to a claim
    /// changes nothing: that it is there, `log` says.
    pub(super) fn of(events: &'a [EventRead]) -> Self {
        let mut course = Self::default();
        let mut now: Share = (0, 0, 0);
        let mut terms: Option<&Terms> = None;
        for read in events {
            let at = course.steps.len();
            let (claim, before) = match &read.event {
                Event::Created(new) | Event::Changed(new) => {
                    terms = Some(new);
                    (None, None)
                }
                Event::Claim(event) => {
                    let before = course.lives.get(&event.claim.as_uuid()).map(|life| life.status);
                    let (was, is) = course.live(at, event, before);
                    now = (now.0 - was.0 + is.0, now.1 - was.1 + is.1, now.2 - was.2 + is.2);
                    (Some(event), before)
                }
            };
            let Some(terms) = terms else { continue };
            course.steps.push(Step {
                seq: read.seq,
                at: read.at.as_millis(),
                kind: read.event.kind(),
                claim,
                before,
                terms,
                sold: now.0,
                held: now.1,
                waiting: now.2,
            });
        }
        course
    }

    /// What the claim counted for before the event, and after it.
    fn live(&mut self, at: usize, event: &'a ClaimEvent, before: Option<Status>) -> (Share, Share) {
        let row = TRANSITIONS.iter().find(|(from, kind, _)| (*from, *kind) == (before, event.kind));
        let Some((_, _, after)) = row else { return Default::default() };
        let was = self.lives.get(&event.claim.as_uuid()).map(Life::share).unwrap_or_default();
        let life = self.lives.entry(event.claim.as_uuid()).or_insert_with(|| Life {
            quantity: event.quantity,
            refunded: 0,
            status: *after,
            deadline: None,
            made: at,
            held: None,
            paid: None,
            cancelled: None,
            refunds: Vec::new(),
        });
        life.status = *after;
        if let Some(deadline) = event.expires_at {
            life.deadline = Some(deadline.as_millis());
        }
        if before == Some(Status::Pending)
            && let Some((_, end)) = &mut life.held
        {
            *end = Some(at);
        }
        match event.kind {
            Kind::Reserved | Kind::Offered => life.held = Some((at, None)),
            Kind::Confirmed | Kind::PaidUnfulfilled => life.paid = Some(at),
            Kind::Cancelled => life.cancelled = Some(at),
            Kind::PartlyRefunded | Kind::Refunded => {
                if before == Some(Status::Confirmed) {
                    life.refunded = life.refunded.saturating_add(event.quantity);
                }
                life.refunds.push((at, life.refunded));
            }
            Kind::SaleCreated
            | Kind::SaleChanged
            | Kind::Purchased
            | Kind::Queued
            | Kind::Expired
            | Kind::RefundDue => {}
        }
        (was, life.share())
    }
}
