//! A sale in memory, driven request by request.

use uuid::Uuid;

use crate::domain::{
    Buyer, Claim, ClaimId, Command, Currency, Decision, Event, Fold, IdempotencyKey, Kind, Known,
    Moment, Outcome, Payment, Quantity, Refusal, Request, Sale, SaleDraft, SaleId, State, Status,
    Terms, Wanted, decide,
};

/// When every sale here is made.
pub(super) const START: Moment = Moment::from_millis(1_000_000_000_000);

/// For how long units are reserved here.
pub(super) const RESERVED: i64 = 60_000;

pub(super) struct World {
    pub(super) state: State,
    pub(super) now: Moment,
    pub(super) log: Vec<Event>,
    /// The same sale from its events: it must decide the same.
    fold: Fold,
    keys: u32,
}

pub(super) fn terms(capacity: u32) -> Terms {
    let draft = SaleDraft {
        name: "concert".to_owned(),
        capacity: capacity.into(),
        unit_price_minor: 2500,
        currency: "EUR".to_owned(),
        reservation_seconds: Some(RESERVED / 1000),
        ..SaleDraft::default()
    };
    draft.check().unwrap()
}

pub(super) fn units(units: u32) -> Quantity {
    Quantity::new(units.into()).unwrap()
}

pub(super) fn buyer(name: &str) -> Buyer {
    Buyer::new(name).unwrap()
}

pub(super) fn paid(amount_minor: i64) -> Payment {
    Payment::new(amount_minor, Currency::new("EUR").unwrap(), Some("pay-1".to_owned())).unwrap()
}

pub(super) fn purchase(name: &str, wanted: u32) -> Command {
    let wanted = Wanted { units: units(wanted), partial: false };
    Command::Purchase { buyer: buyer(name), wanted, payment: None }
}

pub(super) fn reserve(name: &str, wanted: u32) -> Command {
    let wanted = Wanted { units: units(wanted), partial: false };
    Command::Reserve { buyer: buyer(name), wanted, wait: false }
}

pub(super) fn wait(name: &str, wanted: u32) -> Command {
    let wanted = Wanted { units: units(wanted), partial: false };
    Command::Reserve { buyer: buyer(name), wanted, wait: true }
}

impl World {
    pub(super) fn new(terms: Terms) -> Self {
        let sale = Sale { id: SaleId::from_uuid(Uuid::from_u128(1)), terms };
        let made = Event::Created(Box::new(sale.terms.clone()));
        let fold = Fold::begin(sale.id, &made).unwrap();
        Self { state: State::created(sale), now: START, log: Vec::new(), fold, keys: 0 }
    }

    /// A request under a key of its own; the claim that it may make is numbered as the key.
    pub(super) fn request(&mut self, command: Command) -> Request {
        self.keys += 1;
        let key = IdempotencyKey::new(&format!("k{}", self.keys)).unwrap();
        Request::new(key, id(self.keys), command)
    }

    /// Has the requests decided as one batch, as the store would: what is due is read with the sale.
    pub(super) fn batch(&mut self, requests: &[Request]) -> Vec<Outcome> {
        let now = self.now;
        let Decision { outcomes, events, answers, state, at } =
            decide(self.read(), now, requests).unwrap();
        assert_eq!(at, now);
        let folded = self.fold.about(requests, now, self.state.known.clone());
        let folded = decide(folded, now, requests).unwrap();
        assert_eq!((&folded.outcomes, &folded.events), (&outcomes, &events));
        let done = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Done(_))).count();
        assert_eq!(done, answers.len(), "every answer is one that is stored");
        self.state = state;
        self.state.known.extend(answers.into_iter().map(|answer| {
            let stored =
                crate::domain::Stored { fingerprint: answer.fingerprint, reply: answer.reply };
            (answer.key, stored)
        }));
        self.happened(&events);
        outcomes
    }

    /// The sale as it stands, with what is due.
    pub(super) fn read(&self) -> State {
        let mut due: Vec<&Claim> =
            self.state.claims.values().filter(|claim| claim.is_due(self.now)).collect();
        due.sort_by_key(|claim| (claim.expires_at, claim.id));
        let due = due.iter().map(|claim| claim.id).collect();
        State { due, ..self.state.clone() }
    }

    fn happened(&mut self, events: &[Event]) {
        for event in events {
            self.fold.apply(event).unwrap();
            self.log.push(event.clone());
        }
    }

    /// Writes the events of a decision that was made from an earlier state; `false` when they would
    /// sell more than there is.
    pub(super) fn append(&mut self, events: &[Event]) -> bool {
        let mut state = self.state.clone();
        for event in events {
            state.apply(event).unwrap();
        }
        if state.sold + state.held > state.sale.terms.limit() {
            return false;
        }
        self.state = state;
        self.happened(events);
        true
    }

    /// The fold taken up again from a snapshot decides as the one that has seen all events.
    pub(super) fn check_snapshot(&self) {
        let whole = self.fold.whole();
        let claims = whole.claims.values().cloned().collect();
        let line = whole.line.iter().copied().collect();
        let resumed = Fold::resume(whole.sale.clone(), whole.version, claims, line);
        let about = |fold: &Fold| fold.about(&[], self.now, Known::new());
        assert_eq!(about(&resumed), about(&self.fold));
        let has = |state: &State| state.units_of.values().sum::<u32>();
        assert_eq!(has(resumed.whole()), has(whole));
    }

    /// One request; what happened, or why not.
    pub(super) fn ask(&mut self, command: Command) -> Result<Kind, Refusal> {
        let request = self.request(command);
        match self.batch(&[request]).remove(0) {
            Outcome::Done(reply) => Ok(reply.kind),
            Outcome::Refused(refusal) => Err(refusal),
            other => panic!("a new key gave {other:?}"),
        }
    }

    /// The id of the claim that the last request may have made.
    pub(super) fn last(&self) -> ClaimId {
        id(self.keys)
    }

    pub(super) fn status(&self, claim: ClaimId) -> Status {
        self.state.claims[&claim].status
    }

    /// The id of no claim at all.
    pub(super) fn nobody() -> ClaimId {
        id(0)
    }

    pub(super) const fn pass(&mut self, millis: i64) {
        self.now = self.now.plus_millis(millis);
    }

    pub(super) fn confirm(&mut self, claim: ClaimId, name: &str) -> Result<Kind, Refusal> {
        self.ask(Command::Confirm { claim, buyer: buyer(name), payment: None })
    }

    pub(super) fn pay(&mut self, claim: ClaimId, name: &str, amount: i64) -> Result<Kind, Refusal> {
        self.ask(Command::Confirm { claim, buyer: buyer(name), payment: Some(paid(amount)) })
    }

    pub(super) fn cancel(&mut self, claim: ClaimId, name: &str) -> Result<Kind, Refusal> {
        self.ask(Command::Cancel { claim, buyer: buyer(name) })
    }

    /// Sold, held, waiting.
    pub(super) const fn counts(&self) -> (u32, u32, u32) {
        (self.state.sold, self.state.held, self.state.waiting)
    }
}

fn id(number: u32) -> ClaimId {
    ClaimId::from_uuid(Uuid::from_u128(number.into()))
}
