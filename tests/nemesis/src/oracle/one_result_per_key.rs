//! Whoever asks with one key, wherever and however often, gets one result: the same answer byte for byte,
//! which is the one that is stored; and no two keys share an event.
//!
//! Source: IETF draft "The Idempotency-Key HTTP Header Field": a key names one result.

use std::collections::{HashMap, HashSet};

use super::{
    Case,
    case::{Key, SaleCase, Told},
};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (name, key) in &sale.keys {
        found.extend(differs(key).map(|why| format!("key {name}: {why}")));
    }
    let (mut keys, mut events) = (HashSet::new(), HashMap::new());
    for reply in &sale.books.replies {
        if !keys.insert(&*reply.key) {
            found.push(format!("key {} has two stored answers", reply.key));
        }
        if let Some(told) = Told::of_reply(reply)
            && let Some(other) = events.insert(told, &*reply.key)
        {
            found.push(format!("keys {other} and {} have one {told:?}", reply.key));
        }
    }
    found
}

fn differs(key: &Key<'_>) -> Option<String> {
    let first = key.receipt()?;
    let mut others = key.operations.iter().filter_map(|operation| operation.receipt());
    if let Some(other) = others.find(|other| *other != first) {
        return Some(format!("was answered {first:?}, and then {other:?}"));
    }
    let stored = key.reply?;
    (stored.body != first.body)
        .then(|| format!("was answered {}, and stored is {}", first.body, stored.body))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::planted::{Planted, assert_bites, books, receipt, replayed};

    pub(crate) const PLANTED: &[Planted] = &[
        ("a replay is another answer", |evidence| {
            let last = replayed(evidence);
            receipt(last).body.push(' ');
        }),
        ("a replay names another claim", |evidence| {
            let last = replayed(evidence);
            receipt(last).claim = Some(uuid::Uuid::nil());
        }),
        ("another answer is stored", |evidence| books(evidence).replies[0].body.push(' ')),
        ("two answers are stored", |evidence| {
            let twice = books(evidence).replies[0].clone();
            books(evidence).replies.push(twice);
        }),
        ("two keys have one claim", |evidence| {
            let mut twin = books(evidence).replies[0].clone();
            twin.key = "twin".to_owned();
            books(evidence).replies.push(twin);
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
