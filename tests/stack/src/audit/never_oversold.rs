//! Units sold never exceed the capacity, and the sale's counter is the sum of its purchases.
//!
//! Source: the first promise. The paper `ACIDRain` (SIGMOD 2017) lists twelve shops that broke it.

use super::Books;
use crate::Answered;

pub(super) fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let bought: i64 = books.purchases.iter().map(|purchase| i64::from(purchase.quantity)).sum();
    let mut found = Vec::new();
    if bought > i64::from(books.capacity) {
        found.push(format!("{bought} units sold of {}", books.capacity));
    }
    if bought != i64::from(books.sold) {
        found.push(format!("purchases have {bought} units, the sale counts {}", books.sold));
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_unit_too_many() {
        let (mut books, told) = super::super::books::sound();
        books.purchases[0].quantity = 2;
        books.sold = 3;
        assert_eq!(super::check(&books, &told), ["3 units sold of 2"]);
        books.sold = 2;
        assert_eq!(super::check(&books, &told).len(), 2);
    }
}
