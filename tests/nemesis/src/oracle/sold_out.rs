//! Whoever was told that the sale is sold out asked at a moment at which too few units were left, or
//! somebody waited, who comes first.
//!
//! Reservations whose deadline had passed for certain count as free; those of which that is not certain
//! do not. All versions between what had been answered before and what was asked later are such
//! moments, also those inside of one write: others of the same batch are decided between its events.
//!
//! Source: the linearizability of a bounded counter; design, "exact at read: an expired reservation
//! counts as free in the very statement that grants".

use super::{Case, case::SaleCase, least::Least, real_time::RealTime};
use crate::history::{Asked, Operation, Outcome};

/// What is left while somebody waits: less than anybody can ask for, whatever is given up.
const NOTHING: i64 = i64::MIN / 4;

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

/// A refusal: how many units it was about, and what the database's clock showed then, at least.
struct Refusal<'a> {
    asked: &'a Operation,
    wanted: i64,
    passed: Option<i64>,
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let time = RealTime::of(&sale.marks());
    let operations = sale.keys.values().flat_map(|key| key.operations.iter().copied());
    let mut refusals: Vec<Refusal<'_>> = operations
        .filter(|asked| matches!(&asked.outcome, Outcome::Refused(code) if code == "sold_out"))
        .filter_map(|asked| {
            let wanted = match asked.asked {
                Asked::Buy { quantity } | Asked::Reserve { quantity, .. } => i64::from(quantity),
                _ => return None,
            };
            Some(Refusal { asked, wanted, passed: time.database_time(asked.start) })
        })
        .collect();
    refusals.sort_by_key(|refusal| refusal.passed);

    let left =
        sale.course.steps.iter().map(|step| {
            if step.waiting > 0 { NOTHING } else { step.limit() - step.sold - step.held }
        });
    let mut left = Least::of(&left.collect::<Vec<_>>());
    let mut given_up = given_up(sale).into_iter().peekable();
    let mut found = Vec::new();
    for Refusal { asked, wanted, passed } in refusals {
        let has_passed = |deadline: i64| passed.is_some_and(|passed| deadline <= passed);
        while let Some((_, (from, to), units)) = given_up.next_if(|next| has_passed(next.0)) {
            left.add(from, to, units);
        }
        let (first, last) = time.versions(asked.start, asked.end);
        let least = left.least(first - 1, last.unwrap_or(usize::MAX));
        // That there is no version at all between, `in_order` finds.
        if let Some(least) = least.filter(|least| *least >= wanted) {
            found.push(format!(
                "{} asked for {wanted} with key {} from {:?} to {:?} and was told that they are sold out, \
                 {least} were left at any version from {first} to {last:?}",
                asked.buyer, asked.key, asked.start, asked.end
            ));
        }
    }
    found
}

/// From when on units of a reservation are free again, at which versions, and how many; by time.
fn given_up(sale: &SaleCase<'_>) -> Vec<(i64, (usize, usize), i64)> {
    let held = sale.course.lives.values().filter_map(|life| {
        let (from, to) = life.held?;
        Some((life.deadline?, (from, to.unwrap_or(usize::MAX)), i64::from(life.quantity)))
    });
    let mut held: Vec<_> = held.collect();
    held.sort_unstable();
    held
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::planted::{Planted, assert_bites, refused};
    use crate::history::Asked;

    pub(crate) const PLANTED: &[Planted] = &[
        ("refused before anything was sold", |evidence| {
            let refused = refused(evidence, |_| true);
            (refused.start, refused.end) = (Duration::ZERO, Duration::ZERO);
        }),
        ("refused although enough had expired", |evidence| {
            let refused = refused(evidence, |asked| asked == Asked::Buy { quantity: 3 });
            refused.asked = Asked::Buy { quantity: 2 };
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
