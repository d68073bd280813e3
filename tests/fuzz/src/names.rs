//! Names, numbers and points in time, each a text of its own.

use std::{cmp::Ordering, fmt::Display, str::FromStr};

use axum::http::{HeaderMap, HeaderValue};
use leasehold::{FencingToken, GrantNumber, HolderId, Resource, Stamp};
use leasehold_kit::trace::TraceContext;
use leasehold_purchase::domain::{
    BUYER_CHARS_MAX, Buyer, ClaimId, Currency, IdempotencyKey, KEY_BYTES_MAX, Moment, SaleId,
};
use leasehold_sidecar::holding::{LeaseId, LinkId, RequestId};

/// Whatever is taken is the same when it is written and read again; tokens are ordered as grants and turns
/// are.
pub fn names(data: &[u8]) {
    if let Some((first, rest)) = data.split_first_chunk::<8>()
        && let Some((second, _)) = rest.split_first_chunk::<8>()
    {
        tokens(i64::from_le_bytes(*first), i64::from_le_bytes(*second));
    }
    let Ok(text) = str::from_utf8(data) else { return };
    reads_back::<Resource>(text);
    reads_back::<HolderId>(text);
    reads_back::<LeaseId>(text);
    reads_back::<LinkId>(text);
    reads_back::<RequestId>(text);
    reads_back::<SaleId>(text);
    reads_back::<ClaimId>(text);
    if let Ok(buyer) = Buyer::new(text) {
        assert!(buyer.as_str().chars().count() <= BUYER_CHARS_MAX);
        assert_eq!(Buyer::new(buyer.as_str()), Ok(buyer));
    }
    if let Ok(key) = IdempotencyKey::new(text) {
        assert!(key.as_str() == text && text.len() <= KEY_BYTES_MAX);
    }
    if let Ok(currency) = Currency::new(text) {
        assert_eq!(currency.as_str(), text);
    }
    if let Ok(moment) = Moment::parse("at", text) {
        assert_eq!(Moment::parse("at", &moment.to_string()), Ok(moment));
        assert_eq!(Moment::from_millis(moment.as_millis()), moment);
    }
    trace(text);
}

fn reads_back<T: FromStr<Err: std::fmt::Debug> + Display + PartialEq + std::fmt::Debug>(
    text: &str,
) {
    if let Ok(read) = text.parse::<T>() {
        let again = read.to_string().parse::<T>().expect("what was read is read again");
        assert_eq!(again, read);
    }
}

fn tokens(first: i64, second: i64) {
    let (Ok(first), Ok(second)) = (FencingToken::try_from(first), FencingToken::try_from(second))
    else {
        return;
    };
    let parts = |token: FencingToken| (token.number(), token.turn());
    assert_eq!(first.cmp(&second), parts(first).cmp(&parts(second)));
    for token in [first, second] {
        assert_eq!(FencingToken::new(token.number(), token.turn()), Ok(token));
        assert_eq!(GrantNumber::new(token.number().get()), Ok(token.number()));
        assert_eq!(token.to_string(), token.as_i64().to_string());
        // Whatever comes after has a larger token, as long as there are numbers.
        let next = FencingToken::of_grant(token.number().next());
        assert!(next > token || next.number() == token.number(), "{token}");
    }
    let id = |token| {
        let resource = Resource::new("r").expect("a name");
        LeaseId::of(&[0; 32], &Stamp { resource, token, holder: HolderId::from_random(1) })
    };
    assert_eq!(id(first) == id(second), first.cmp(&second) == Ordering::Equal);
}

/// A trace is never zero, and the same when it is passed on.
fn trace(text: &str) {
    let Ok(value) = HeaderValue::from_str(text) else { return };
    let of = |value| {
        TraceContext::of(&HeaderMap::from_iter([("traceparent".parse().expect("a name"), value)]))
    };
    let read = of(value);
    assert_ne!(read.trace, 0);
    if let Some(parent) = read.parent {
        let sampled = u8::from(read.is_sampled);
        let passed_on = format!("00-{}-{parent:016x}-{sampled:02x}", read.trace_id());
        assert_eq!(of(HeaderValue::from_str(&passed_on).expect("visible")), read);
    }
}
