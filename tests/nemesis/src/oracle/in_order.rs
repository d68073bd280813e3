//! A sale's log is in the order of real time: what was answered before something else was asked stands
//! before it, and whoever looks sees all that was answered before, and nothing that was asked later.
//!
//! Source: Herlihy and Wing 1990, "Linearizability": real time's order is kept. With `looks` and
//! `sold_out`, a sale's counters are linearizable, and its log is the order; `against_stateright`
//! compares the three with a checker that searches for one.

use super::{Case, case::SaleCase, real_time::inversions};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(of_sale)
}

fn of_sale(sale: &SaleCase<'_>) -> Vec<String> {
    let marks = sale.marks();
    let wrong = inversions(&marks).into_iter().map(|(ended, began)| {
        let (before, after) = (ended.asked, began.asked);
        format!(
            "{:?} {} of {} ended at {:?}, {:?} {} of {} began at {:?}, and stands before it: {:?}, {:?}",
            before.asked,
            before.key,
            before.buyer,
            ended.end,
            after.asked,
            after.key,
            after.buyer,
            began.start,
            ended.place,
            began.place,
        )
    });
    wrong.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::planted::{Planted, assert_bites, told};
    use crate::history::{Asked, Operation};

    fn change_times(first: &mut Operation, second: &mut Operation) {
        std::mem::swap(&mut first.start, &mut second.start);
        std::mem::swap(&mut first.end, &mut second.end);
    }

    pub(crate) const PLANTED: &[Planted] = &[
        ("two orders were done in the wrong order", |evidence| {
            let [first, .., last] = &mut evidence.history.operations[..7] else { panic!() };
            change_times(first, last);
        }),
        ("what was answered is not seen", |evidence| {
            let look = told(evidence, |asked| asked == Asked::Look);
            look.start += Duration::from_secs(1);
            look.end = look.start;
        }),
        ("what was not asked yet is seen", |evidence| {
            let mut operations = evidence.history.operations.iter_mut();
            let look = operations.rfind(|operation| operation.asked == Asked::Look).unwrap();
            (look.start, look.end) = (Duration::ZERO, Duration::ZERO);
        }),
        ("it was done before it was asked for", |evidence| {
            let bought = told(evidence, |asked| matches!(asked, Asked::Buy { .. }));
            bought.start += Duration::from_secs(5);
            bought.end += Duration::from_secs(5);
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
