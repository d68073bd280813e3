//! At no version of its log has a sale sold and reserved less than nothing, or more than capacity and
//! allowance were at that version; and what its claims add up to in the end is what its row says.
//!
//! Source: the first promise. The paper `ACIDRain` (SIGMOD 2017) lists twelve shops that broke it.

use super::{Case, case::SaleCase};

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    case.each_sale(|sale| [on_the_way(sale), in_the_end(sale)].concat())
}

fn on_the_way(sale: &SaleCase<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let is_wrong = |sold: i64, held: i64, limit: i64| sold < 0 || held < 0 || sold + held > limit;
    let mut steps = sale.course.steps.iter();
    if let Some(step) = steps.find(|step| is_wrong(step.sold, step.held, step.limit())) {
        found.push(format!(
            "{} units sold and {} reserved of {} after event {}",
            step.sold,
            step.held,
            step.limit(),
            step.seq
        ));
    }
    for (id, life) in &sale.course.lives {
        if life.refunded > life.quantity {
            found.push(format!(
                "{} of {} units of {id} were given back",
                life.refunded, life.quantity
            ));
        }
    }
    found
}

fn in_the_end(sale: &SaleCase<'_>) -> Vec<String> {
    let books = sale.books;
    let sum = |status: &str| -> i64 {
        let its = books.claims.iter().filter(|claim| claim.status == status);
        its.map(|claim| i64::from(claim.quantity) - i64::from(claim.refunded)).sum()
    };
    let (sold, held) = (sum("confirmed"), sum("pending"));
    let limit = i64::from(books.capacity) + i64::from(books.allowance);
    let mut found = Vec::new();
    if sold + held > limit {
        found.push(format!("{sold} units sold and {held} reserved of {limit} in the end"));
    }
    if (sold, held) != (books.sold.into(), books.held.into()) {
        found.push(format!(
            "claims have {sold} units sold and {held} reserved, the sale counts {} and {}",
            books.sold, books.held
        ));
    }
    found
}

#[cfg(test)]
pub(super) mod tests {
    use leasehold_purchase::domain::{Event, Kind};

    use super::super::planted::{Planted, assert_bites, books, claim_event};

    pub(crate) const PLANTED: &[Planted] = &[
        ("more is bought than there is", |evidence| {
            let (_, event) = claim_event(evidence, Kind::Purchased);
            event.quantity += 3;
        }),
        ("the capacity was never raised", |evidence| {
            books(evidence).events.retain(|read| !matches!(read.event, Event::Changed(_)));
        }),
        ("a claim is counted twice in the sale's row", |evidence| books(evidence).sold += 1),
        ("a row has more units than the sale", |evidence| books(evidence).claims[0].quantity += 9),
        ("more is given back than was bought", |evidence| {
            let (_, event) = claim_event(evidence, Kind::PartlyRefunded);
            event.quantity = 7;
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }
}
