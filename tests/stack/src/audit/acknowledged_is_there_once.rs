//! Who was told yes has exactly one purchase: the one that was named.
//!
//! Source: the first promise, "nothing acknowledged lost"; Jepsen's `set-full` checks the same of
//! acknowledged additions.

use std::collections::HashMap;

use super::Books;
use crate::{Answered, Told};

pub(super) fn check(books: &Books, told: &[Answered]) -> Vec<String> {
    let mut of_buyer: HashMap<&str, Vec<_>> = HashMap::new();
    for purchase in books.purchases() {
        of_buyer.entry(&purchase.buyer).or_default().push(purchase.id);
    }
    told.iter()
        .filter_map(|answered| {
            let Told::Yes(id) = answered.told else { return None };
            let there = of_buyer.get(answered.buyer.as_str()).map_or(&[][..], Vec::as_slice);
            (there != [id]).then(|| format!("{} was told {id}, there is {there:?}", answered.buyer))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_lost_and_a_doubled_purchase() {
        let (mut books, told) = super::super::books::sound();
        let lost = books.claims.remove(0);
        assert_eq!(super::check(&books, &told).len(), 1);
        books.claims.extend([lost.clone(), lost]);
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
