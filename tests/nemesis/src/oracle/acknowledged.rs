//! Who was told that something is done finds it done, exactly once: the answer stored under its key, its
//! event in the log, its claim in the table, for the buyer and the units that were asked for. It can
//! be undone by nothing but what somebody asked for.
//!
//! Source: the first promise, "nothing acknowledged lost"; Jepsen's `set-full` checks the same of
//! acknowledged additions.

use std::collections::HashMap;

use leasehold_stack::audit::ClaimRow;
use uuid::Uuid;

use super::{
    Case,
    case::{Key, SaleCase},
    deeds::{Deed, Tally},
};
use crate::history::Operation;

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let mut found = case.each_sale(of_sale);
    let lost = case.without_books.iter().filter(|asked| asked.may_have_happened());
    let lost = lost.filter(|asked| asked.receipt().is_some());
    found
        .extend(lost.map(|asked| format!("sale {} of key {} is not there", asked.sale, asked.key)));
    found
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let rows: HashMap<Uuid, &ClaimRow> =
        sale.books.claims.iter().map(|claim| (claim.id, claim)).collect();
    let mut found = Vec::new();
    for (name, key) in &sale.keys {
        if key.receipt().is_some()
            && let Err(why) = is_there(sale, key, &rows)
        {
            found.push(format!("{} was told under key {name}, but {why}", key.asked().buyer));
        }
    }
    for (deed, tally) in &sale.deeds {
        if tally.told > tally.done {
            found.push(format!("{deed:?} was told {} times and done {}", tally.told, tally.done));
        }
    }
    found.extend(sale.books.claims.iter().filter_map(|row| too_much_undone(sale, row)));
    found
}

fn is_there(
    sale: &SaleCase<'_>,
    key: &Key<'_>,
    rows: &HashMap<Uuid, &ClaimRow>,
) -> Result<(), String> {
    let told = key.told().ok_or_else(|| format!("that answers nothing: {:?}", key.receipt()))?;
    let reply = key.reply.ok_or("no answer is stored")?;
    if (&*reply.kind, reply.claim_id) != (told.kind.name(), Some(told.claim)) {
        return Err(format!("stored is {} of {:?}", reply.kind, reply.claim_id));
    }
    let step = key.step.ok_or_else(|| format!("the log has no {} of it", told.kind.name()))?;
    let event = sale.course.steps[step].claim;
    let (done, asked) = (event.and_then(Deed::done), Deed::asked(key.asked()));
    if done != asked {
        return Err(format!("{done:?} was done for {asked:?}"));
    }
    let row = rows.get(&told.claim).ok_or_else(|| format!("claim {} is gone", told.claim))?;
    let asked: &Operation = key.asked();
    if row.buyer != asked.buyer && !matches!(done, Some(Deed::Refund(..))) {
        return Err(format!("claim {} is of {}", told.claim, row.buyer));
    }
    if !may_stand(told.kind.name(), &row.status) {
        return Err(format!("claim {} is {}", told.claim, row.status));
    }
    Ok(())
}

/// Where a claim may stand after this happened to it, whatever happened since.
fn may_stand(kind: &str, status: &str) -> bool {
    match kind {
        "purchased" | "confirmed" => matches!(status, "confirmed" | "refunded"),
        "partly_refunded" => matches!(status, "confirmed" | "refunded"),
        "refunded" => status == "refunded",
        "paid_unfulfilled" => matches!(status, "paid_unfulfilled" | "refunded"),
        "cancelled" => matches!(status, "cancelled" | "paid_unfulfilled" | "refunded"),
        _ => true,
    }
}

/// Whether more, or less, of a purchase was given back than anybody asked for.
fn too_much_undone(sale: &SaleCase<'_>, row: &ClaimRow) -> Option<String> {
    if !matches!(&*row.status, "confirmed" | "refunded") {
        return None;
    }
    let (first, last) = (Deed::Refund(row.id, 0), Deed::Refund(row.id, u32::MAX));
    let (mut least, mut most) = (0, 0);
    for (deed, Tally { told, unknown, .. }) in sale.deeds.range(first..=last) {
        let Deed::Refund(_, units) = deed else { continue };
        least += i64::from(*units) * i64::from(*told);
        most += i64::from(*units) * i64::from(told + unknown);
    }
    let refunded = i64::from(row.refunded);
    // The money of one that was paid in vain goes back without a unit.
    let in_vain = row.status == "refunded" && refunded == 0;
    (!in_vain && !(least..=most).contains(&refunded)).then(|| {
        format!("{refunded} units of {} are given back, asked for were {least} to {most}", row.id)
    })
}

#[cfg(test)]
pub(super) mod tests {
    use leasehold_purchase::domain::Kind;

    use super::super::planted::{Planted, assert_bites, books, claim_event, told};
    use crate::history::Asked;

    pub(crate) const PLANTED: &[Planted] = &[
        ("a purchase is in no table", |evidence| {
            let _lost = books(evidence).claims.remove(0);
        }),
        ("a purchase is not in the log", |evidence| {
            let (at, _) = claim_event(evidence, Kind::Purchased);
            let _lost = books(evidence).events.remove(at);
        }),
        ("a confirmation is not in the log", |evidence| {
            let (at, _) = claim_event(evidence, Kind::Confirmed);
            let _lost = books(evidence).events.remove(at);
        }),
        ("a cancellation had no effect", |evidence| {
            let (at, event) = claim_event(evidence, Kind::Cancelled);
            let claim = event.claim.as_uuid();
            let _lost = books(evidence).events.remove(at);
            let row = books(evidence).claims.iter_mut().find(|row| row.id == claim);
            row.unwrap().status = "pending".to_owned();
        }),
        ("a refund is not in the log", |evidence| {
            let (at, _) = claim_event(evidence, Kind::PartlyRefunded);
            let _lost = books(evidence).events.remove(at);
        }),
        ("a refund that nobody asked for", |evidence| {
            let row = books(evidence).claims.iter_mut().find(|row| row.status == "confirmed");
            row.unwrap().refunded += 1;
        }),
        ("an answer is not stored", |evidence| {
            let _lost = books(evidence).replies.remove(0);
        }),
        ("another buyer has it", |evidence| {
            books(evidence).claims[0].buyer = "nobody".to_owned();
        }),
        ("fewer units than asked for", |evidence| {
            let bought = told(evidence, |asked| matches!(asked, Asked::Buy { .. }));
            bought.asked = Asked::Buy { quantity: 9 };
        }),
        ("an answer that is none", |evidence| {
            let bought = told(evidence, |asked| matches!(asked, Asked::Cancel { .. }));
            let crate::history::Outcome::Ok(receipt) = &mut bought.outcome else { return };
            receipt.status = "confirmed".to_owned();
        }),
        ("a sale is gone", |evidence| evidence.books.clear()),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
