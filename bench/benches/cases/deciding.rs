//! The service's part: a batch decided, and a sale folded from its log.

use std::hint::black_box;

use leasehold_purchase::domain::{
    Buyer, ClaimId, Command, Decision, Event, Fold, IdempotencyKey, Moment, Quantity, Request,
    Sale, SaleDraft, SaleId, State, Terms, Wanted, decide,
};
use uuid::Uuid;

const NOW: Moment = Moment::from_millis(1_800_000_000_000);

fn terms(capacity: i64) -> Terms {
    let draft = SaleDraft {
        name: "concert".to_owned(),
        capacity,
        unit_price_minor: 2500,
        currency: "EUR".to_owned(),
        ..SaleDraft::default()
    };
    draft.check().expect("within all limits")
}

fn sale(capacity: i64) -> Sale {
    Sale { id: SaleId::from_uuid(Uuid::from_u128(1)), terms: terms(capacity) }
}

/// So many purchases of one unit, each of another buyer.
fn requests(count: u32) -> Vec<Request> {
    let request = |number: u32| {
        let buyer = Buyer::new(&format!("buyer-{number}")).expect("a short name");
        let wanted = Wanted { units: Quantity::new(1).expect("one unit"), partial: false };
        let key = Uuid::from_u128(u128::from(number)).to_string();
        let key = IdempotencyKey::new(&key).expect("as clients send it");
        let id = ClaimId::from_uuid(Uuid::from_u128(u128::from(number) + 1));
        Request::new(key, id, Command::Purchase { buyer, wanted, payment: None })
    };
    (0..count).map(request).collect()
}

fn decided(state: State, requests: &[Request]) -> Decision {
    decide(state, NOW, requests).expect("the state is sound")
}

/// Includes a copy of the state, which a decision takes for itself.
fn batch(capacity: i64, count: u32) -> Box<dyn FnMut()> {
    let mut state = State::created(sale(capacity));
    // Somebody was first; of a capacity of one, nothing is left.
    state = decided(state, &requests(1)).state;
    state.forget();
    let requests: Vec<Request> = requests(count + 1).split_off(1);
    Box::new(move || {
        black_box(decided(black_box(&state).clone(), black_box(&requests)));
    })
}

pub(super) fn one() -> Box<dyn FnMut()> {
    batch(1_000_000, 1)
}

pub(super) fn hundred() -> Box<dyn FnMut()> {
    batch(1_000_000, 100)
}

pub(super) fn thousand() -> Box<dyn FnMut()> {
    batch(1_000_000, 1000)
}

pub(super) fn sold_out() -> Box<dyn FnMut()> {
    batch(1, 100)
}

/// A sale of a thousand purchases from its first event on.
pub(super) fn fold() -> Box<dyn FnMut()> {
    let sale = sale(1_000_000);
    let first = Event::Created(Box::new(sale.terms.clone()));
    let id = sale.id;
    let events = decided(State::created(sale), &requests(1000)).events;
    Box::new(move || {
        let mut fold = Fold::begin(id, black_box(&first)).expect("it makes a sale");
        for event in black_box(&events) {
            fold.apply(event).expect("it happened");
        }
        black_box(fold.version());
    })
}
