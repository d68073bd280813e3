//! Who was told no has no purchase. An unknown answer may be either.
//!
//! Source: design, "unknown is an answer": a refusal must be as final as a yes.

use std::collections::HashSet;

use super::Books;
use crate::{Answered, Told};

pub(super) fn check(books: &Books, told: &[Answered]) -> Vec<String> {
    let keys: HashSet<&str> = books.replies.iter().map(|reply| reply.key.as_str()).collect();
    let buyers: HashSet<&str> = books.purchases().map(|purchase| purchase.buyer.as_str()).collect();
    told.iter()
        .filter(|answered| answered.told == Told::No)
        .filter(|answered| keys.contains(&*answered.key) || buyers.contains(&*answered.buyer))
        .map(|answered| format!("{} was told no and has a purchase", answered.buyer))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::Told;

    #[test]
    fn finds_a_purchase_of_a_refused_buyer() {
        let (books, mut told) = super::super::books::sound();
        told[1].told = Told::No;
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
