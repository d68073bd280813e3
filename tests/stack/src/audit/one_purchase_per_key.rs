//! Every purchase has one stored reply, and every reply its own purchase.
//!
//! Source: IETF draft "The Idempotency-Key HTTP Header Field": a key names one result.

use std::collections::HashMap;

use uuid::Uuid;

use super::Books;
use crate::Answered;

pub(super) fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let mut replies: HashMap<Uuid, u32> = HashMap::new();
    for reply in &books.replies {
        *replies.entry(reply.purchase_id).or_default() += 1;
    }
    let mut found = Vec::new();
    for purchase in &books.purchases {
        match replies.remove(&purchase.id) {
            Some(1) => {}
            Some(n) => found.push(format!("{n} keys have purchase {}", purchase.id)),
            None => found.push(format!("purchase {} has no reply", purchase.id)),
        }
    }
    found.extend(
        replies.keys().map(|id| format!("a reply names purchase {id}, which is not there")),
    );
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_replies_and_purchases_without_each_other() {
        let (mut books, told) = super::super::books::sound();
        books.replies[0].purchase_id = books.replies[1].purchase_id;
        assert_eq!(super::check(&books, &told).len(), 2);
        books.purchases.clear();
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
