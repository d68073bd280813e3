//! Units sold and reserved never exceed capacity and allowance, and the sale's counters are the sums
//! of its claims.
//!
//! Source: the first promise. The paper `ACIDRain` (SIGMOD 2017) lists twelve shops that broke it.

use super::Books;
use crate::Answered;

pub(super) fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let sum = |status: &str| -> i64 {
        let its = books.claims.iter().filter(|claim| claim.status == status);
        its.map(|claim| i64::from(claim.quantity - claim.refunded)).sum()
    };
    let (sold, held) = (sum("confirmed"), sum("pending"));
    let limit = i64::from(books.capacity) + i64::from(books.allowance);
    let mut found = Vec::new();
    if sold + held > limit {
        found.push(format!("{} units sold and reserved of {limit}", sold + held));
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
mod tests {
    #[test]
    fn finds_a_unit_too_many() {
        let (mut books, told) = super::super::books::sound();
        books.claims[0].quantity = 2;
        books.sold = 3;
        assert_eq!(super::check(&books, &told), ["3 units sold and reserved of 2"]);
        books.sold = 2;
        assert_eq!(super::check(&books, &told).len(), 2);
    }
}
