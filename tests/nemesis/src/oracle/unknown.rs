//! What nobody could say became of was done whole, once, or not at all: with an answer stored under its key
//! there are the event and the claim that the answer names, as asked for; without one there is no
//! event that it could have caused.
//!
//! Source: design, "unknown is an answer"; the service writes log, claims and replies in one statement.

use std::collections::HashSet;

use uuid::Uuid;

use super::{
    Case,
    case::{Key, SaleCase},
    deeds::Deed,
};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let claims: HashSet<Uuid> = sale.books.claims.iter().map(|claim| claim.id).collect();
    let mut found = Vec::new();
    for (name, key) in sale.keys.iter().filter(|(_, key)| key.is_unknown()) {
        if let Err(why) = is_whole(sale, key, &claims) {
            found.push(format!("key {name} was done by half: {why}"));
        }
    }
    for (deed, tally) in sale.deeds.iter().filter(|(_, tally)| tally.unknown > 0) {
        if !(tally.done - tally.by_rule..=tally.done).contains(&tally.stored) {
            found.push(format!(
                "{deed:?} was done {} times, and {} answers are stored",
                tally.done, tally.stored
            ));
        }
    }
    found
}

fn is_whole(sale: &SaleCase<'_>, key: &Key<'_>, claims: &HashSet<Uuid>) -> Result<(), String> {
    let Some(reply) = key.reply else { return Ok(()) };
    let step = key.step.ok_or_else(|| {
        format!("stored is {} of {:?}, which the log does not have", reply.kind, reply.claim_id)
    })?;
    let done = sale.course.steps[step].claim.and_then(Deed::done);
    let asked = Deed::asked(key.asked());
    if done != asked {
        return Err(format!("{done:?} was done for {asked:?}"));
    }
    match reply.claim_id.filter(|claim| !claims.contains(claim)) {
        Some(gone) => Err(format!("claim {gone} is not there")),
        None => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::planted::{Planted, assert_bites, books, unknown_done};

    pub(crate) const PLANTED: &[Planted] = &[
        ("its answer without its event", |evidence| {
            let (_, claim) = unknown_done(evidence);
            books(evidence).events.retain(|read| match &read.event {
                leasehold_purchase::domain::Event::Claim(event) => event.claim.as_uuid() != claim,
                _ => true,
            });
        }),
        ("its event without its answer", |evidence| {
            let (key, _) = unknown_done(evidence);
            books(evidence).replies.retain(|reply| reply.key != key);
        }),
        ("its answer without its claim", |evidence| {
            let (_, claim) = unknown_done(evidence);
            books(evidence).claims.retain(|row| row.id != claim);
        }),
        ("something else was done", |evidence| {
            let (key, _) = unknown_done(evidence);
            for asked in evidence.history.operations.iter_mut().filter(|asked| asked.key == key) {
                asked.asked = crate::history::Asked::Buy { quantity: 2 };
            }
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
