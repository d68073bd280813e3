//! The rules of selling, one method a command. Each looks, then lets happen what may.

use super::{
    Buyer, Claim, ClaimEvent, ClaimId, ClaimView, Command, Event, Impossible, Kind, Moment,
    Payment, Quantity, Refusal, Reply, Request, SaleChange, SaleView, State, Status, Wanted,
};

/// Most claims in one waiting list.
const WAITING_MAX: u32 = 100_000;

/// A sale, while requests are decided about it.
pub(super) struct Rules {
    pub(super) state: State,
    now: Moment,
    pub(super) events: Vec<Event>,
}

/// The reply to a request that was done, or why it is refused; or that the state contradicts itself.
type Decided = Result<Result<Reply, Refusal>, Impossible>;

impl Rules {
    pub(super) const fn new(state: State, now: Moment) -> Self {
        Self { state, now, events: Vec::new() }
    }

    /// Gives up the reservations whose deadline has passed.
    pub(super) fn expire(&mut self) -> Result<(), Impossible> {
        for id in std::mem::take(&mut self.state.due) {
            self.expire_one(id)?;
        }
        Ok(())
    }

    fn expire_one(&mut self, id: ClaimId) -> Result<(), Impossible> {
        match self.state.claims.get(&id) {
            Some(claim) if claim.is_due(self.now) => {
                let event = ClaimEvent::of(Kind::Expired, claim);
                self.happen(Event::Claim(event))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Offers what is free to those who wait, first come first served: one who wants more than is
    /// free keeps those behind from it, or would wait for ever. Once selling has ended, nobody waits any
    /// more.
    pub(super) fn offer(&mut self) -> Result<(), Impossible> {
        let is_closed = self.state.sale.terms.is_closed(self.now);
        while let Some(claim) = self.state.line.front().and_then(|id| self.state.claims.get(id)) {
            if is_closed || claim.quantity > self.state.sale.terms.limit() {
                // If the capacity was lowered, it would wait for ever, and all behind it.
                let event = ClaimEvent::of(Kind::Cancelled, claim);
                self.happen(Event::Claim(event))?;
                continue;
            }
            if claim.quantity > self.state.free() {
                return Ok(());
            }
            let mut event = ClaimEvent::of(Kind::Offered, claim);
            event.expires_at = Some(self.deadline());
            self.happen(Event::Claim(event))?;
        }
        Ok(())
    }

    /// Whether units are free that belong to those who wait, none of whom is known here any more: how many
    /// are left once they have theirs shows with the next decision. There is one that sees more of them only
    /// if this one is written.
    pub(super) fn is_line_cut_off(&self) -> bool {
        !self.events.is_empty()
            && !self.state.sale.terms.is_closed(self.now)
            && self.state.line_is_short()
            && self.state.free() > 0
    }

    pub(super) fn request(&mut self, request: &Request) -> Decided {
        match &request.command {
            Command::Purchase { buyer, wanted, payment } => {
                self.purchase(request.id, buyer, *wanted, payment.as_ref())
            }
            Command::Reserve { buyer, wanted, wait } => {
                self.reserve(request.id, buyer, *wanted, *wait)
            }
            Command::Confirm { claim, buyer, payment } => {
                self.confirm(*claim, buyer, payment.as_ref())
            }
            Command::Cancel { claim, buyer } => self.cancel(*claim, buyer),
            Command::Refund { claim, units } => self.refund(*claim, *units),
            Command::Change(change) => self.change(change),
        }
    }

    fn purchase(
        &mut self,
        id: ClaimId,
        buyer: &Buyer,
        wanted: Wanted,
        payment: Option<&Payment>,
    ) -> Decided {
        let units = match self.grantable(buyer, wanted) {
            Ok(units) => units,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut event = self.new_claim(Kind::Purchased, id, buyer, units);
        if let Some(payment) = payment {
            if let Err(refusal) = self.fits(payment, event.total_minor) {
                return Ok(Err(refusal));
            }
            event.payment_reference = payment.reference().map(str::to_owned);
        }
        self.happen(Event::Claim(event))?;
        Ok(Ok(self.reply(Kind::Purchased, id)))
    }

    fn reserve(&mut self, id: ClaimId, buyer: &Buyer, wanted: Wanted, wait: bool) -> Decided {
        let (kind, units) = match self.grantable(buyer, wanted) {
            Ok(units) => (Kind::Reserved, units),
            Err(Refusal::SoldOut { .. }) if wait && self.could_ever_have(wanted) => {
                if self.state.waiting >= WAITING_MAX {
                    return Ok(Err(Refusal::WaitingListFull));
                }
                (Kind::Queued, wanted.units.get())
            }
            Err(refusal) => return Ok(Err(refusal)),
        };
        let mut event = self.new_claim(kind, id, buyer, units);
        if kind == Kind::Reserved {
            event.expires_at = Some(self.deadline());
        }
        self.happen(Event::Claim(event))?;
        Ok(Ok(self.reply(kind, id)))
    }

    fn confirm(&mut self, id: ClaimId, buyer: &Buyer, payment: Option<&Payment>) -> Decided {
        // Of more that are due than were read, this one may be among those that were not.
        self.expire_one(id)?;
        let claim = match self.own_claim(id, buyer) {
            Ok(claim) => claim,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if let Some(Err(refusal)) = payment.map(|payment| self.fits(payment, claim.total_minor)) {
            return Ok(Err(refusal));
        }
        let kind = match (claim.status, payment) {
            (Status::Pending, _) => Kind::Confirmed,
            (Status::Expired, Some(_)) if self.may_have_again(&claim) => Kind::Confirmed,
            (Status::Expired | Status::Cancelled, Some(_)) => Kind::PaidUnfulfilled,
            (status, _) => return Ok(Err(Refusal::Status(status))),
        };
        let mut event = ClaimEvent::of(kind, &claim);
        if let Some(reference) = payment.and_then(Payment::reference) {
            event.payment_reference = Some(reference.to_owned());
        }
        let refund = ClaimEvent { kind: Kind::RefundDue, ..event.clone() };
        self.happen(Event::Claim(event))?;
        if kind == Kind::PaidUnfulfilled {
            self.happen(Event::Claim(refund))?;
        }
        Ok(Ok(self.reply(kind, id)))
    }

    /// Whether a reservation that expired, and is paid now, can be granted all the same.
    fn may_have_again(&self, claim: &Claim) -> bool {
        let terms = &self.state.sale.terms;
        let has = self.state.units_of.get(&claim.buyer).copied().unwrap_or(0);
        let within =
            terms.per_buyer_max.is_none_or(|max| has.saturating_add(claim.quantity) <= max);
        within && !terms.is_closed(self.now) && claim.quantity <= self.state.left()
    }

    fn cancel(&mut self, id: ClaimId, buyer: &Buyer) -> Decided {
        self.expire_one(id)?;
        let claim = match self.own_claim(id, buyer) {
            Ok(claim) => claim,
            Err(refusal) => return Ok(Err(refusal)),
        };
        if !matches!(claim.status, Status::Waiting | Status::Pending) {
            return Ok(Err(Refusal::Status(claim.status)));
        }
        self.happen(Event::Claim(ClaimEvent::of(Kind::Cancelled, &claim)))?;
        Ok(Ok(self.reply(Kind::Cancelled, id)))
    }

    fn refund(&mut self, id: ClaimId, units: Option<Quantity>) -> Decided {
        let Some(claim) = self.state.claims.get(&id) else {
            return Ok(Err(Refusal::NoSuchClaim));
        };
        let left = match claim.status {
            Status::Confirmed => claim.units(),
            Status::PaidUnfulfilled => claim.quantity,
            status => return Ok(Err(Refusal::Status(status))),
        };
        let units = units.map_or(left, Quantity::get);
        let whole = units == left;
        // What was never sold can only be paid back whole.
        if units > left || (claim.status == Status::PaidUnfulfilled && !whole) {
            return Ok(Err(Refusal::RefundTooLarge { left }));
        }
        let kind = if whole { Kind::Refunded } else { Kind::PartlyRefunded };
        let mut event = ClaimEvent::of(kind, claim);
        event.quantity = units;
        event.total_minor = self.state.sale.terms.unit_price.times(units).minor();
        self.happen(Event::Claim(event))?;
        Ok(Ok(self.reply(kind, id)))
    }

    fn change(&mut self, change: &SaleChange) -> Decided {
        let terms = match change.apply(&self.state.sale.terms) {
            Ok(terms) => terms,
            Err(invalid) => return Ok(Err(Refusal::Invalid(invalid))),
        };
        let current = self.state.version;
        if change.expected_version.is_some_and(|expected| expected != current) {
            return Ok(Err(Refusal::Version { current }));
        }
        let least = self.state.sold.saturating_add(self.state.held);
        if terms.limit() < least {
            return Ok(Err(Refusal::BelowSold { least }));
        }
        self.happen(Event::Changed(Box::new(terms)))?;
        let view = SaleView::of(&self.state, self.now);
        Ok(Ok(Reply::render(Kind::SaleChanged, &view)))
    }

    /// How many units the buyer can have now.
    fn grantable(&self, buyer: &Buyer, wanted: Wanted) -> Result<u32, Refusal> {
        let terms = &self.state.sale.terms;
        if let Some(opens_at) = terms.opens_at.filter(|opens| self.now < *opens) {
            return Err(Refusal::NotOpen { opens_at });
        }
        if terms.is_closed(self.now) {
            return Err(Refusal::Closed);
        }
        let mut units = wanted.units.get();
        if let Some(max) = terms.per_buyer_max {
            let has = self.state.units_of.get(buyer).copied().unwrap_or(0);
            let more = max.saturating_sub(has);
            if units > more && !(wanted.partial && more > 0) {
                return Err(Refusal::LimitReached { max, has });
            }
            units = units.min(more);
        }
        let left = self.state.left();
        if units > left && !(wanted.partial && left > 0) {
            return Err(Refusal::SoldOut { left });
        }
        Ok(units.min(left))
    }

    /// Whether waiting makes sense at all.
    const fn could_ever_have(&self, wanted: Wanted) -> bool {
        wanted.units.get() <= self.state.sale.terms.limit()
    }

    /// Whether the payment is what the units cost.
    fn fits(&self, payment: &Payment, total_minor: i64) -> Result<(), Refusal> {
        let currency = self.state.sale.terms.unit_price.currency();
        if payment.currency() != currency {
            return Err(Refusal::WrongCurrency { currency });
        }
        if payment.amount_minor() != total_minor {
            return Err(Refusal::WrongAmount { total_minor });
        }
        Ok(())
    }

    fn own_claim(&self, id: ClaimId, buyer: &Buyer) -> Result<Claim, Refusal> {
        let claim = self.state.claims.get(&id).ok_or(Refusal::NoSuchClaim)?;
        if claim.buyer != *buyer {
            return Err(Refusal::NotYours);
        }
        Ok(claim.clone())
    }

    fn new_claim(&self, kind: Kind, id: ClaimId, buyer: &Buyer, units: u32) -> ClaimEvent {
        ClaimEvent {
            kind,
            claim: id,
            buyer: buyer.clone(),
            quantity: units,
            total_minor: self.state.sale.terms.unit_price.times(units).minor(),
            expires_at: None,
            payment_reference: None,
        }
    }

    fn deadline(&self) -> Moment {
        let seconds = self.state.sale.terms.reservation_seconds;
        self.now.plus_millis(i64::from(seconds) * 1000)
    }

    fn happen(&mut self, event: Event) -> Result<(), Impossible> {
        self.state.apply(&event)?;
        self.events.push(event);
        Ok(())
    }

    /// What is answered about a claim. One that was just queued is the last in the waiting list.
    fn reply(&self, kind: Kind, id: ClaimId) -> Reply {
        let position = (kind == Kind::Queued).then_some(self.state.waiting);
        let currency = self.state.sale.terms.unit_price.currency();
        let view = self
            .state
            .claims
            .get(&id)
            .map(|claim| ClaimView::of(claim, self.state.sale.id, currency.as_str(), position));
        Reply::render(kind, &view)
    }
}
