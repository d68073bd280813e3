//! Sound evidence, made by the service's own rules: each request is decided as the service would, and
//! what is stored and told of it is written down.

use std::time::Duration;

use leasehold_purchase::domain::{
    Buyer, ClaimId, Command, Currency, Decision, Event, Fold, IdempotencyKey, Known, Moment,
    Outcome as Decided, Payment, Quantity, Refusal, Request, SaleChange, SaleDraft, SaleId,
    SaleView, Stored, Wanted, decide,
};
use leasehold_purchase::store::EventRead;
use leasehold_stack::audit::{BatchRow, Books, ClaimRow, ReplyRow};
use uuid::Uuid;

use crate::history::{Asked, Operation, Outcome, Receipt};

/// When the run begins, on the database's clock.
const START: i64 = 1_000_000_000_000;

/// What a request takes.
const TAKES: u64 = 10;

/// The price of a unit.
const PRICE: i64 = 5;

/// One sale, from its making on.
pub(super) struct Story {
    pub(super) sale: Uuid,
    pub(super) operations: Vec<Operation>,
    fold: Fold,
    known: Known,
    events: Vec<EventRead>,
    batches: Vec<BatchRow>,
    replies: Vec<ReplyRow>,
    /// Milliseconds since the run began.
    now: u64,
    asked: u32,
}

/// What the asker learns of an answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    Comes,
    IsLost,
}

impl Story {
    pub(super) fn new(capacity: i64) -> Self {
        let sale = Uuid::from_u128(1);
        let draft = SaleDraft {
            name: "concert".to_owned(),
            capacity,
            unit_price_minor: PRICE,
            currency: "EUR".to_owned(),
            reservation_seconds: Some(10),
            ..SaleDraft::default()
        };
        let created = Event::Created(Box::new(draft.check().unwrap()));
        let at = Moment::from_millis(START);
        Self {
            sale,
            operations: Vec::new(),
            fold: Fold::begin(SaleId::from_uuid(sale), &created).unwrap(),
            known: Known::new(),
            events: vec![EventRead { seq: 1, at, event: created }],
            batches: vec![BatchRow {
                version: 1,
                token: None,
                replica: "r0".to_owned(),
                events: 1,
                units: 0,
            }],
            replies: Vec::new(),
            now: 0,
            asked: 0,
        }
    }

    /// Lets time pass.
    pub(super) fn wait(&mut self, seconds: u64) {
        self.now += seconds * 1000;
    }

    pub(super) fn now(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    fn moment(&self) -> Moment {
        Moment::from_millis(START + i64::try_from(self.now).unwrap() + 2)
    }

    /// Asks under a new key, which is returned.
    pub(super) fn ask(&mut self, buyer: &str, asked: Asked, answer: Answer) -> String {
        self.asked += 1;
        let key = format!("k{:02}", self.asked);
        self.ask_with(&key, buyer, asked, answer);
        key
    }

    /// Asks under this key.
    pub(super) fn ask_with(&mut self, key: &str, buyer: &str, asked: Asked, answer: Answer) {
        let decided = self.run(key, self.command(buyer, asked));
        let outcome = match decided {
            _ if answer == Answer::IsLost => Outcome::Unknown("no answer".to_owned()),
            Decided::Done(reply) | Decided::Replayed(reply) => Outcome::Ok(receipt(&reply.body)),
            Decided::Refused(refusal) => Outcome::Refused(code(&refusal).to_owned()),
            Decided::KeyReused => panic!("{key} was used for something else"),
        };
        self.note(key, buyer, asked, outcome);
    }

    /// Asks in vain: nothing arrives anywhere, and nobody answers.
    pub(super) fn shout(&mut self, buyer: &str, asked: Asked) {
        self.note("lost", buyer, asked, Outcome::Unknown("nobody answers".to_owned()));
    }

    /// Reads the sale.
    pub(super) fn look(&mut self) {
        let whole = self.fold.whole();
        let mut view = SaleView::of(whole, self.moment());
        let due = whole.claims.values().filter(|claim| claim.is_due(self.moment()));
        view.held -= due.map(|claim| claim.quantity).sum::<u32>();
        let free = whole.sale.terms.limit() - view.sold - view.held;
        view.left = if view.waiting > 0 { 0 } else { free };
        let body = serde_json::to_string(&view).unwrap();
        let receipt = Receipt { claim: None, status: String::new(), body };
        self.note("", "ada", Asked::Look, Outcome::Ok(receipt));
    }

    /// Gives up what is due, and offers what is free.
    pub(super) fn tidy(&mut self) {
        let decision = self.decide(&[]);
        self.write(decision, &[]);
    }

    /// Sets the capacity, unless more is sold.
    pub(super) fn resize(&mut self, capacity: i64) {
        let change = SaleChange { capacity: Some(capacity), ..SaleChange::default() };
        let key = format!("office-{}", self.events.len());
        let _done = self.run(&key, Command::Change(change));
    }

    /// The claim that was made under a key.
    pub(super) fn claim(&self, key: &str) -> Uuid {
        self.replies.iter().find(|reply| reply.key == key).and_then(|reply| reply.claim_id).unwrap()
    }

    /// Whether something was done under a key.
    pub(super) fn is_done(&self, key: &str) -> bool {
        self.replies.iter().any(|reply| reply.key == key)
    }

    fn command(&self, buyer: &str, asked: Asked) -> Command {
        let buyer = Buyer::new(buyer).unwrap();
        let units = |units: u32| Quantity::new(units.into()).unwrap();
        let wanted = |quantity| Wanted { units: units(quantity), partial: false };
        let id = ClaimId::from_uuid;
        match asked {
            Asked::Buy { quantity } => {
                Command::Purchase { buyer, wanted: wanted(quantity), payment: None }
            }
            Asked::Reserve { quantity, wait } => {
                Command::Reserve { buyer, wanted: wanted(quantity), wait }
            }
            Asked::Confirm { claim } => {
                let total = self.fold.whole().claims[&id(claim)].total_minor;
                let paid = Payment::new(total, Currency::new("EUR").unwrap(), None).unwrap();
                Command::Confirm { claim: id(claim), buyer, payment: Some(paid) }
            }
            Asked::Cancel { claim } => Command::Cancel { claim: id(claim), buyer },
            Asked::Refund { claim, quantity } => {
                Command::Refund { claim: id(claim), units: Some(units(quantity)) }
            }
            Asked::Look => panic!("a look is no command"),
        }
    }

    fn run(&mut self, key: &str, command: Command) -> Decided {
        let id = ClaimId::from_uuid(Uuid::from_u128(100 + self.operations.len() as u128));
        let request = Request::new(IdempotencyKey::new(key).unwrap(), id, command);
        let requests = [request];
        let decision = self.decide(&requests);
        let outcome = decision.outcomes[0].clone();
        self.write(decision, &requests);
        outcome
    }

    fn decide(&self, requests: &[Request]) -> Decision {
        let state = self.fold.about(requests, self.moment(), self.known.clone());
        decide(state, self.moment(), requests).unwrap()
    }

    fn write(&mut self, decision: Decision, requests: &[Request]) {
        if decision.events.is_empty() {
            return;
        }
        let events = decision.events.len();
        for event in decision.events {
            self.fold.apply(&event).unwrap();
            self.events.push(EventRead { seq: self.fold.version(), at: decision.at, event });
        }
        for (answer, request) in decision.answers.into_iter().zip(requests) {
            self.replies.push(ReplyRow {
                key: answer.key.as_str().to_owned(),
                kind: answer.reply.kind.name().to_owned(),
                claim_id: receipt(&answer.reply.body).claim,
                body: answer.reply.body.to_string(),
            });
            let stored = Stored { fingerprint: request.fingerprint, reply: answer.reply };
            let _none = self.known.insert(answer.key, stored);
        }
        // Another replica's turn, every third write.
        let turn = self.batches.len() / 3;
        self.batches.push(BatchRow {
            version: self.fold.version(),
            token: Some(i64::try_from(turn + 1).unwrap() << 10),
            replica: format!("r{}", turn % 2),
            events: i32::try_from(events).unwrap(),
            units: 0,
        });
    }

    fn note(&mut self, key: &str, buyer: &str, asked: Asked, outcome: Outcome) {
        let start = self.now();
        self.now += TAKES;
        self.operations.push(Operation {
            sale: self.sale,
            key: key.to_owned(),
            buyer: buyer.to_owned(),
            asked,
            intended: start,
            start,
            end: start + Duration::from_millis(5),
            tries: 1,
            unanswered: u32::from(matches!(outcome, Outcome::Unknown(_))),
            replica: self.operations.len() % 2,
            outcome,
        });
    }

    /// The books as of now.
    pub(super) fn books(&self) -> Books {
        let state = self.fold.whole();
        let mut claims: Vec<ClaimRow> = state
            .claims
            .values()
            .map(|claim| ClaimRow {
                id: claim.id.as_uuid(),
                buyer: claim.buyer.as_str().to_owned(),
                quantity: claim.quantity.cast_signed(),
                refunded: claim.refunded.cast_signed(),
                status: claim.status.name().to_owned(),
                expires_at: claim.expires_at.map(Moment::as_millis),
            })
            .collect();
        claims.sort_by_key(|claim| claim.id);
        Books {
            capacity: state.sale.terms.capacity.cast_signed(),
            allowance: state.sale.terms.allowance.cast_signed(),
            sold: state.sold.cast_signed(),
            held: state.held.cast_signed(),
            waiting: state.waiting.cast_signed(),
            version: state.version,
            read_at: self.moment(),
            claims,
            batches: self.batches.clone(),
            replies: self.replies.clone(),
            events: self.events.clone(),
        }
    }
}

fn receipt(body: &str) -> Receipt {
    let json: serde_json::Value = serde_json::from_str(body).unwrap();
    let claim = json["purchase_id"].as_str().or_else(|| json["reservation_id"].as_str());
    Receipt {
        claim: claim.map(|claim| claim.parse().unwrap()),
        status: json["status"].as_str().unwrap_or_default().to_owned(),
        body: body.to_owned(),
    }
}

const fn code(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::SoldOut { .. } => "sold_out",
        Refusal::Status(_) => "wrong_status",
        Refusal::RefundTooLarge { .. } => "refund_too_large",
        _ => "invalid_request",
    }
}
