//! What clients ask of the purchase service, and what stands in its queue.

use axum::{
    body::Body as Bytes,
    extract::{FromRequest as _, Request},
    http::{HeaderMap, HeaderValue, Uri},
};
use leasehold_kit::{body::Body, problem::Problem};
use leasehold_purchase::{
    domain::{
        CAPACITY_MAX, Command, Currency, IdempotencyKey, Moment, Money, PRICE_MINOR_MAX,
        QUANTITY_MAX, Quantity, RESERVATION_SECONDS_MAX, ReplayDraft, Sale, SaleChange, SaleDraft,
        SaleId, SaleView, State, Strategy, Terms, WebhookDraft, WithoutLeases,
    },
    fuzzing as queue,
    http::fuzzing::{self, Kind, PageAsked},
};

use crate::http::{assert_refusal, is_object, post, run};

/// A body is refused with a reason, or asks for something within its limits; and what buyers ask for
/// comes out of the queue as it was put in. The first byte says which body it is.
pub fn purchase_requests(data: &[u8]) {
    let Some((which, body)) = data.split_first() else { return };
    let accepted = match which % 9 {
        0 => command(Kind::Purchase, body),
        1 => command(Kind::Reservation, body),
        2 => command(Kind::Confirmation, body),
        3 => command(Kind::Cancellation, body),
        4 => command(Kind::Refund, body),
        5 => draft(body),
        6 => change(body),
        7 => read::<WebhookDraft>(body).is_some_and(|draft| draft.check().is_ok()),
        _ => read::<ReplayDraft>(body).is_some_and(|draft| draft.check().is_ok()),
    };
    assert!(!accepted || is_object(body), "taken although it is no object");
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Option<T> {
    or_refused(run(Body::<T>::from_request(post(body), &()))).map(|Body(read)| read)
}

fn or_refused<T>(read: Result<T, Problem>) -> Option<T> {
    read.map_err(assert_refusal).ok()
}

fn command(kind: Kind, body: &[u8]) -> bool {
    let read = run(fuzzing::command(kind, post(body)));
    let Some(command) = or_refused(read) else { return false };
    let units = match &command {
        Command::Purchase { wanted, .. } | Command::Reserve { wanted, .. } => Some(wanted.units),
        Command::Refund { units, .. } => *units,
        Command::Confirm { .. } | Command::Cancel { .. } | Command::Change(_) => None,
    };
    assert!(units.is_none_or(|units| (1..=QUANTITY_MAX).contains(&Quantity::get(units))));
    let key = IdempotencyKey::new("k").expect("a key");
    assert_eq!(queue::carried(&command, &key), Some(command));
    true
}

fn draft(body: &[u8]) -> bool {
    let Some(Ok(terms)) = read::<SaleDraft>(body).map(SaleDraft::check) else { return false };
    within_limits(&terms);
    true
}

fn change(body: &[u8]) -> bool {
    let Some(change) = read::<SaleChange>(body) else { return false };
    let currency = Currency::new("EUR").expect("a currency");
    let before = Terms {
        name: "n".to_owned(),
        unit_price: Money::price(1, currency).expect("a price"),
        capacity: 10,
        allowance: 0,
        per_buyer_max: None,
        opens_at: Some(Moment::from_millis(1_000_000)),
        closes_at: None,
        reservation_seconds: 1,
        without_leases: WithoutLeases::Refuse,
        strategy: Strategy::default(),
    };
    let Ok(after) = change.apply(&before) else { return false };
    within_limits(&after);
    assert_eq!((after.unit_price, after.strategy), (before.unit_price, before.strategy));
    // The same change a second time changes nothing.
    assert_eq!(change.apply(&after), Ok(after));
    true
}

fn within_limits(terms: &Terms) {
    assert!((1..=CAPACITY_MAX).contains(&terms.capacity) && terms.allowance <= CAPACITY_MAX);
    assert_eq!(terms.limit(), terms.capacity + terms.allowance);
    assert!((0..=PRICE_MINOR_MAX).contains(&terms.unit_price.minor()));
    assert!((1..=RESERVATION_SECONDS_MAX).contains(&terms.reservation_seconds));
    assert!(terms.per_buyer_max.is_none_or(|max| (1..=CAPACITY_MAX).contains(&max)));
    if let (Some(opens), Some(closes)) = (terms.opens_at, terms.closes_at) {
        assert!(opens < closes);
    }
    assert_eq!(SaleChange::default().apply(terms).as_ref(), Ok(terms));
    let sale: SaleId = "00000000-0000-0000-0000-000000000001".parse().expect("an id");
    let state = State::created(Sale { id: sale, terms: terms.clone() });
    let view = SaleView::of(&state, Moment::from_millis(0));
    assert!(serde_json::to_string(&view).is_ok());
}

/// Queries of lists and the header with the key: refused with a reason, or within their limits.
pub fn purchase_heads(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(uri) = format!("/v1/sales?{text}").parse::<Uri>() {
        let mut request = Request::new(Bytes::empty());
        *request.uri_mut() = uri;
        if let Some(asked) = or_refused(run(fuzzing::page(request))) {
            let PageAsked { limit, after_number, after_sale, buyer } = asked;
            assert!(or_refused(limit).is_none_or(|limit| (1..=500).contains(&limit)));
            let numbers = 0..1_000_000_000_000_000_000;
            assert!(or_refused(after_number).is_none_or(|after| numbers.contains(&after)));
            let _sale = or_refused(after_sale);
            let _buyer = or_refused(buyer);
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(data) {
        let headers = HeaderMap::from_iter([("idempotency-key".parse().expect("a name"), value)]);
        if let Some(key) = or_refused(fuzzing::key(&headers)) {
            assert_eq!(IdempotencyKey::new(key.as_str()), Ok(key));
        }
    }
}

/// An entry is written as it was read.
pub fn queue_entries(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let Some(written) = queue::rewritten(text) else { return };
    assert_eq!(queue::rewritten(&written).as_ref(), Some(&written), "{text}");
    let values = [text, &written].map(serde_json::from_str::<serde_json::Value>);
    assert!(values.iter().all(Result::is_ok), "{text}");
}
