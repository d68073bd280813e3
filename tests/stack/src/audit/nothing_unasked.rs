//! Every purchase belongs to a buyer who was told yes, or who could not be told.
//!
//! Source: the converse of "nothing acknowledged lost".

use std::collections::HashSet;

use super::Books;
use crate::{Answered, Told};

pub(super) fn check(books: &Books, told: &[Answered]) -> Vec<String> {
    let possible: HashSet<&str> = told
        .iter()
        .filter(|answered| answered.told != Told::No)
        .map(|answered| answered.buyer.as_str())
        .collect();
    books
        .purchases()
        .filter(|purchase| !possible.contains(&*purchase.buyer))
        .map(|purchase| {
            format!("purchase {} of {} was asked for by nobody", purchase.id, purchase.buyer)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_purchase_that_nobody_asked_for() {
        let (mut books, told) = super::super::books::sound();
        books.claims[0].buyer = "nobody".to_owned();
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
