//! No update of a fenced counter is lost: each accepted write made the value of the one before it one
//! larger, the value is their number, what was told to be written is there once, what was refused as
//! stale is not, and what nobody knows of is there once at most.
//!
//! Source: `jepsen-io/etcd`, workload `lock`: a set guarded by a lock, lost updates counted.

use std::collections::BTreeMap;

use super::{Case, Counter};
use crate::history::{Increment, Written};

/// How often a write of this token and value was told to be there, may be, and is there.
#[derive(Debug, Default)]
struct Count {
    told: u32,
    unknown: u32,
    there: u32,
}

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let mut of_resource: BTreeMap<&str, Vec<&Increment>> = BTreeMap::new();
    for write in &case.evidence.history.increments {
        of_resource.entry(&write.resource).or_default().push(write);
    }
    let mut found = Vec::new();
    for (resource, counter) in &case.evidence.counters {
        let asked = of_resource.remove(&**resource).unwrap_or_default();
        let all = [in_sequence(counter), as_told(counter, &asked)].concat();
        found.extend(all.into_iter().map(|why| format!("{resource}: {why}")));
    }
    for (resource, asked) in of_resource {
        let told = asked.iter().filter(|write| write.written == Written::Yes).count();
        if told > 0 {
            found.push(format!("{resource}: {told} writes were accepted, and there is no counter"));
        }
    }
    found
}

fn in_sequence(counter: &Counter) -> Vec<String> {
    let mut found = Vec::new();
    let mut before = 0;
    for (token, holder, value) in &counter.writes {
        if *value != before + 1 {
            found.push(format!("{holder} wrote {value} with token {token}, where {before} stood"));
        }
        before = *value;
    }
    if i64::try_from(counter.writes.len()) != Ok(counter.value) {
        found.push(format!("{} after {} writes", counter.value, counter.writes.len()));
    }
    found
}

fn as_told(counter: &Counter, asked: &[&Increment]) -> Vec<String> {
    let mut counts: BTreeMap<(u64, i64), Count> = BTreeMap::new();
    for write in asked {
        let count = counts.entry((write.token, write.before.saturating_add(1))).or_default();
        match write.written {
            Written::Yes => count.told += 1,
            Written::Unknown => count.unknown += 1,
            Written::Stale => {}
        }
    }
    for (token, _, value) in &counter.writes {
        counts.entry((*token, *value)).or_default().there += 1;
    }
    let wrong = counts
        .iter()
        .filter(|(_, count)| !(count.told..=count.told + count.unknown).contains(&count.there));
    wrong
        .map(|((token, value), count)| {
            format!("{value} with token {token} was written {} times: {count:?}", count.there)
        })
        .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::planted::{Planted, assert_bites, counter};
    use crate::history::Written;

    pub(crate) const PLANTED: &[Planted] = &[
        ("an update is overwritten", |evidence| {
            counter(evidence).value -= 1;
        }),
        ("two read the same value", |evidence| {
            let writes = &mut counter(evidence).writes;
            writes[1].2 = writes[0].2;
        }),
        ("an accepted write is gone", |evidence| {
            let _lost = counter(evidence).writes.pop();
            counter(evidence).value -= 1;
        }),
        ("a stale write is there", |evidence| {
            let mut writes = evidence.history.increments.iter_mut();
            let accepted = writes.find(|write| write.written == Written::Yes).unwrap();
            accepted.written = Written::Stale;
        }),
        ("a write that nobody sent", |evidence| evidence.history.increments.clear()),
        ("a counter is gone", |evidence| evidence.counters.clear()),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
