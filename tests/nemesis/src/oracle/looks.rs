//! Whoever looks at a sale sees a version as it was: sold, waiting and the terms as that version left them,
//! held without those reservations whose deadline had passed, and of what is left, as much as that
//! makes.
//!
//! Which deadlines had passed, the reader does not learn. So what is missing in `held` has to be the
//! units of those with the earliest deadlines, and of all that had passed for certain.
//!
//! Source: `store/reads.rs`: "reservations whose deadline has passed count as free"; a read is one
//! statement, so it sees one snapshot.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Case, case::SaleCase, course::Step, real_time::RealTime};
use crate::history::{Operation, Outcome};

/// What an answer says of a sale.
#[derive(Debug, Deserialize)]
pub(super) struct Seen {
    pub(super) version: i64,
    sold: i64,
    held: i64,
    waiting: i64,
    left: i64,
    capacity: i64,
    allowance: i64,
}

impl Seen {
    pub(super) fn of(look: &Operation) -> Option<Self> {
        serde_json::from_str(&look.receipt()?.body).ok()
    }
}

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let time = RealTime::of(&sale.marks());
    let mut found = Vec::new();
    let mut by_version: Vec<(&Operation, &Seen, usize)> = Vec::new();
    for (look, seen) in sale.looks.iter().filter(|(look, _)| matches!(look.outcome, Outcome::Ok(_)))
    {
        let Some(seen) = seen else {
            found.push(format!("an answer at {:?} cannot be read", look.end));
            continue;
        };
        let step = seen.version.checked_sub(1).and_then(|before| usize::try_from(before).ok());
        match step.filter(|step| *step < sale.course.steps.len()) {
            Some(step) => by_version.push((look, seen, step)),
            None => found.push(format!("there is no version of {seen:?}")),
        }
    }
    by_version.sort_by_key(|(_, _, step)| *step);
    let mut reserved = Reserved::of(sale);
    for (look, seen, step) in by_version {
        reserved.go_on_to(step);
        let passed = time.database_time(look.start);
        if let Err(why) = is_as_it_was(seen, &sale.course.steps[step], &reserved, passed) {
            found.push(format!("seen at {:?}: {seen:?}, but {why}", look.end));
        }
    }
    found
}

fn is_as_it_was(
    seen: &Seen,
    step: &Step<'_>,
    reserved: &Reserved,
    passed: Option<i64>,
) -> Result<(), String> {
    let was =
        (step.sold, step.waiting, i64::from(step.terms.capacity), i64::from(step.terms.allowance));
    let is = (seen.sold, seen.waiting, seen.capacity, seen.allowance);
    if was != is {
        return Err(format!("sold, waiting, capacity and allowance were {was:?}"));
    }
    let free = (step.limit() - seen.sold - seen.held).max(0);
    if seen.left != if seen.waiting > 0 { 0 } else { free } {
        return Err(format!("{free} were free"));
    }
    if !reserved.may_miss(step.held - seen.held, passed) {
        return Err(format!(
            "{} were reserved, and {passed:?} had passed: {:?}",
            step.held,
            reserved.units.iter().take(9).collect::<Vec<_>>()
        ));
    }
    Ok(())
}

/// The units that are reserved at a version, by deadline.
struct Reserved {
    units: BTreeMap<i64, i64>,
    /// What changes at which step, in order: deadline, units.
    changes: std::iter::Peekable<std::vec::IntoIter<(usize, i64, i64)>>,
}

impl Reserved {
    fn of(sale: &SaleCase<'_>) -> Self {
        let mut changes = Vec::new();
        for life in sale.course.lives.values() {
            let (Some((from, to)), Some(deadline)) = (life.held, life.deadline) else { continue };
            changes.push((from, deadline, i64::from(life.quantity)));
            changes.extend(to.map(|to| (to, deadline, -i64::from(life.quantity))));
        }
        changes.sort_unstable();
        Self { units: BTreeMap::new(), changes: changes.into_iter().peekable() }
    }

    fn go_on_to(&mut self, step: usize) {
        while let Some((_, deadline, units)) = self.changes.next_if(|(at, _, _)| *at <= step) {
            let all = self.units.entry(deadline).or_default();
            *all += units;
            if *all == 0 {
                let _none = self.units.remove(&deadline);
            }
        }
    }

    /// Whether these are the units of the earliest deadlines, and of all up to `passed`.
    fn may_miss(&self, missing: i64, passed: Option<i64>) -> bool {
        let mut sum = 0;
        for (deadline, units) in &self.units {
            let has_passed = passed.is_some_and(|passed| *deadline <= passed);
            if !has_passed && sum >= missing {
                break;
            }
            sum += units;
        }
        sum == missing
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::planted::{Planted, assert_bites, receipt};
    use crate::{history::Asked, oracle::Evidence};

    /// Changes a number in what was seen by the one who looked so many others before.
    fn change(evidence: &mut Evidence, nth: usize, name: &str, by: i64) {
        let looks = evidence.history.operations.iter_mut();
        let mut looks = looks.filter(|operation| operation.asked == Asked::Look);
        let receipt = receipt(looks.nth(nth).unwrap());
        let mut body: serde_json::Value = serde_json::from_str(&receipt.body).unwrap();
        body[name] = (body[name].as_i64().unwrap() + by).into();
        receipt.body = body.to_string();
    }

    pub(crate) const PLANTED: &[Planted] = &[
        ("another number is sold", |evidence| change(evidence, 0, "sold", 1)),
        ("another number is held", |evidence| {
            change(evidence, 0, "held", 1);
            change(evidence, 0, "left", -1);
        }),
        ("another number is left", |evidence| change(evidence, 1, "left", 1)),
        ("another capacity", |evidence| change(evidence, 1, "capacity", 1)),
        ("somebody waits who does not", |evidence| change(evidence, 2, "waiting", 1)),
        ("a version that never was", |evidence| change(evidence, 0, "version", 1000)),
        ("a deadline that had passed counts", |evidence| {
            change(evidence, 2, "held", 2);
            change(evidence, 2, "left", -2);
        }),
        ("a half of a reservation is free", |evidence| {
            change(evidence, 3, "held", 1);
            change(evidence, 3, "left", -1);
        }),
        ("no sale is seen", |evidence| {
            let looks = evidence.history.operations.iter_mut();
            let mut looks = looks.filter(|operation| operation.asked == Asked::Look);
            receipt(looks.next().unwrap()).body.clear();
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
