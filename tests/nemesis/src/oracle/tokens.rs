//! Fencing tokens of accepted writes never go down, and no token, nor the number of the grant that it was
//! made from, is of two holders.
//!
//! A token is a grant's number shifted by ten bits, with the turn in the low ten; the turns of one grant
//! share a holder. A sale's books name replicas, which is coarser: a replica has many holders.
//!
//! Source: Kleppmann 2016, "How to do distributed locking"; invariant I3 of the lease protocol: after
//! the database accepted token y, it accepts nothing with x < y.

use std::collections::HashMap;

use super::{Case, case::SaleCase};

/// How many bits of a token are the turn.
const TURN_BITS: u32 = 10;

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let mut found = case.each_sale(of_sale);
    found.extend(of_counters(case));
    found.extend(of_lock_holders(case));
    found
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let fenced =
        sale.books.batches.iter().filter_map(|batch| {
            Some((batch.token?.cast_unsigned(), &*batch.replica, batch.version))
        });
    in_order(fenced)
}

fn of_counters(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (resource, counter) in &case.evidence.counters {
        let writes =
            counter.writes.iter().map(|(token, holder, value)| (*token, &**holder, *value));
        found.extend(in_order(writes).into_iter().map(|why| format!("{resource}: {why}")));
    }
    found
}

/// Writes in the order in which they were accepted: token, who, and what the write is called.
fn in_order<'a>(writes: impl Iterator<Item = (u64, &'a str, i64)>) -> Vec<String> {
    let mut found = Vec::new();
    let mut newest: Option<(u64, &str)> = None;
    let mut owners = HashMap::new();
    for (token, who, name) in writes {
        if let Some((before, other)) = newest.filter(|(before, _)| *before > token) {
            found.push(format!(
                "write {name} of {who} with token {token} was accepted after {before} of {other}"
            ));
        }
        newest = Some((token, who));
        let owner = *owners.entry(token >> TURN_BITS).or_insert(who);
        if owner != who {
            found.push(format!("write {name} of {who} has token {token}, which is of {owner}"));
        }
    }
    found
}

/// What lock holders say that they held, and wrote under, against what was written.
fn of_lock_holders(case: &Case<'_>) -> Vec<String> {
    let (history, counters) = (&case.evidence.history, &case.evidence.counters);
    let mut found = Vec::new();
    let mut tokens = HashMap::new();
    let mut holders: HashMap<(&str, u64), &str> = HashMap::new();
    for hold in &history.holds {
        let resource = &*hold.resource;
        let twin = tokens.insert((resource, hold.token), hold.client);
        if let Some(other) = twin {
            let client = hold.client;
            found.push(format!(
                "{resource}: clients {other} and {client} held it with token {}",
                hold.token
            ));
        }
        let number = hold.token >> TURN_BITS;
        let owner = *holders.entry((resource, number)).or_insert(&hold.holder);
        if owner != hold.holder {
            found.push(format!("{resource}: grant {number} is of {owner} and of {}", hold.holder));
        }
    }
    for (resource, counter) in counters {
        for (token, holder, value) in &counter.writes {
            let owner = holders.get(&(&**resource, token >> TURN_BITS));
            if let Some(owner) = owner.filter(|owner| *owner != holder) {
                found.push(format!("{resource}: {holder} wrote {value} with a token of {owner}"));
            }
        }
    }
    for write in &history.increments {
        let client = tokens.get(&(&*write.resource, write.token));
        if client.is_some_and(|client| *client != write.client) {
            found.push(format!(
                "{}: client {} wrote with token {} of client {client:?}",
                write.resource, write.client, write.token
            ));
        }
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::planted::{Planted, assert_bites, books, counter};

    pub(crate) const PLANTED: &[Planted] = &[
        ("a token goes back", |evidence| {
            let last = books(evidence).batches.last_mut().unwrap();
            last.token = Some(1024);
        }),
        ("a token of two replicas", |evidence| {
            let batches = &mut books(evidence).batches;
            let at = batches.iter().position(|batch| batch.token.is_some()).unwrap();
            batches[at].replica = "twin".to_owned();
            batches[at + 1].token = batches[at].token.map(|token| token + 1);
        }),
        ("a counter's token goes back", |evidence| {
            let last = counter(evidence).writes.last_mut().unwrap();
            last.0 = 1;
        }),
        ("a counter's token of two holders", |evidence| {
            let writes = &mut counter(evidence).writes;
            writes[1].0 = writes[0].0 + 1;
        }),
        ("two hold with one token", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[1].token = holds[0].token;
        }),
        ("two hold under one grant", |evidence| {
            let holds = &mut evidence.history.holds;
            holds[1].token = holds[0].token + 1;
        }),
        ("one writes with another's token", |evidence| {
            counter(evidence).writes[0].1 = "nobody".to_owned();
        }),
        ("a client writes with another's token", |evidence| {
            evidence.history.increments[0].client += 1;
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
