//! A sale as it stands, and how each event changes it.

use std::collections::{HashMap, VecDeque};

use super::{
    Buyer, Claim, ClaimEvent, ClaimId, Event, Fingerprint, IdempotencyKey, Kind, Moment, Reply,
    Sale, Status, Terms, claim::after,
};

/// What a key was answered before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// What was asked then.
    pub fingerprint: Fingerprint,
    /// What was answered.
    pub reply: Reply,
}

/// Keys that were answered before.
pub type Known = HashMap<IdempotencyKey, Stored>;

/// A sale as it stands. The counts are of the whole sale; claims, buyers and replies are those that
/// the decision at hand is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Its id and terms.
    pub sale: Sale,
    /// How many events it has had: the number of the last one in its log.
    pub version: i64,
    /// Units that are sold, without those given back.
    pub sold: u32,
    /// Units that are reserved.
    pub held: u32,
    /// Claims in the waiting list.
    pub waiting: u32,
    /// Reservations whose deadline has passed and which still count as held, oldest first.
    pub due: Vec<ClaimId>,
    /// Whether there are more of them than `due` has.
    pub more_due: bool,
    /// The earliest deadline of the other reservations.
    pub next_expiry: Option<Moment>,
    /// The first of the waiting list, in order.
    pub line: VecDeque<ClaimId>,
    /// Claims, among them those of `due` and `line`.
    pub claims: HashMap<ClaimId, Claim>,
    /// How many units buyers have, reserved and waited for ones included.
    pub units_of: HashMap<Buyer, u32>,
    /// What the keys at hand were answered before.
    pub known: Known,
}

/// An event that cannot happen to the sale as it stands: a fault of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} cannot happen to claim {claim}, which is {}", kind.name(), from.map_or("not there", Status::name))]
pub struct Impossible {
    /// What was to happen.
    pub kind: Kind,
    /// To which claim.
    pub claim: ClaimId,
    /// Where it stands, if it is there.
    pub from: Option<Status>,
}

/// What a claim counts for.
#[derive(Clone, Copy, Default)]
struct Share {
    sold: u32,
    held: u32,
    waiting: u32,
    units: u32,
}

impl Share {
    fn of(claim: &Claim) -> Self {
        let units = claim.units();
        match claim.status {
            Status::Waiting => Self { waiting: 1, units, ..Self::default() },
            Status::Pending => Self { held: units, units, ..Self::default() },
            _ => Self { sold: units, units, ..Self::default() },
        }
    }
}

impl State {
    /// A sale that was just made.
    #[must_use]
    pub fn created(sale: Sale) -> Self {
        Self {
            sale,
            version: 1,
            sold: 0,
            held: 0,
            waiting: 0,
            due: Vec::new(),
            more_due: false,
            next_expiry: None,
            line: VecDeque::new(),
            claims: HashMap::new(),
            units_of: HashMap::new(),
            known: Known::new(),
        }
    }

    /// Units that are neither sold nor reserved.
    #[must_use]
    pub const fn free(&self) -> u32 {
        self.sale.terms.limit().saturating_sub(self.sold.saturating_add(self.held))
    }

    /// Units that whoever comes now may have: none while somebody waits, who comes first.
    #[must_use]
    pub const fn left(&self) -> u32 {
        if self.waiting > 0 { 0 } else { self.free() }
    }

    /// Whether somebody waits of whom nothing is known here but the number.
    #[must_use]
    pub fn line_is_short(&self) -> bool {
        self.line.is_empty() && self.waiting > 0
    }

    /// Whether some of what comes before any request is still to be done, after a decision that did as much
    /// of it as was read: reservations to give up, or units to offer to those who wait; or to take these out
    /// of the list, since selling has ended.
    #[must_use]
    pub fn is_half_tidied(&self, now: Moment) -> bool {
        let is_next = self.free() > 0 || self.sale.terms.is_closed(now);
        self.more_due || (self.line_is_short() && is_next)
    }

    /// Adds a claim that is not there yet, and what it counts for. The waiting list stays as it is.
    pub(super) fn count_in(&mut self, claim: Claim) {
        let is = Share::of(&claim);
        self.sold += is.sold;
        self.held += is.held;
        self.waiting += is.waiting;
        *self.units_of.entry(claim.buyer.clone()).or_default() += is.units;
        let _none = self.claims.insert(claim.id, claim);
    }

    /// Forgets what the last decision was about, and keeps what the next one needs.
    pub fn forget(&mut self) {
        self.known.clear();
        self.units_of.clear();
        let line = &self.line;
        self.claims.retain(|id, _| line.contains(id));
    }

    /// The sale after the event. Both decisions and the rebuilding of a sale from its log use it.
    ///
    /// # Errors
    ///
    /// When the event cannot happen to the claim as it stands; nothing is changed then.
    pub fn apply(&mut self, event: &Event) -> Result<(), Impossible> {
        match event {
            Event::Created(terms) | Event::Changed(terms) => {
                self.sale.terms = Terms::clone(terms);
            }
            Event::Claim(event) => self.apply_to_claim(event)?,
        }
        self.version += 1;
        Ok(())
    }

    fn apply_to_claim(&mut self, event: &ClaimEvent) -> Result<(), Impossible> {
        let before = self.claims.get(&event.claim);
        let from = before.map(|claim| claim.status);
        let impossible = Impossible { kind: event.kind, claim: event.claim, from };
        let to = after(from, event.kind).ok_or(impossible)?;
        let was = before.map_or_else(Share::default, Share::of);
        let claim = self.claims.entry(event.claim).or_insert_with(|| Claim {
            id: event.claim,
            buyer: event.buyer.clone(),
            quantity: event.quantity,
            refunded: 0,
            status: to,
            expires_at: None,
            total_minor: event.total_minor,
            payment_reference: None,
        });
        claim.status = to;
        if event.expires_at.is_some() {
            claim.expires_at = event.expires_at;
        }
        if event.payment_reference.is_some() {
            claim.payment_reference.clone_from(&event.payment_reference);
        }
        if from == Some(Status::Confirmed) {
            claim.refunded = claim.refunded.saturating_add(event.quantity);
        }
        let is = Share::of(claim);
        self.sold = self.sold - was.sold + is.sold;
        self.held = self.held - was.held + is.held;
        let line_was_whole = self.line.len() == self.waiting as usize;
        self.waiting = self.waiting - was.waiting + is.waiting;
        let units = self.units_of.entry(event.buyer.clone()).or_default();
        *units = units.saturating_sub(was.units).saturating_add(is.units);
        match (from, to) {
            (Some(Status::Waiting), _) => self.line.retain(|id| *id != event.claim),
            (_, Status::Waiting) if line_was_whole => self.line.push_back(event.claim),
            _ => {}
        }
        if to == Status::Pending {
            let earlier = self.next_expiry.into_iter().chain(event.expires_at).min();
            self.next_expiry = earlier;
        }
        Ok(())
    }
}
