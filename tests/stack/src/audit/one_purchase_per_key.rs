//! Every claim has one stored reply that made it, and every reply its own claim.
//!
//! Source: IETF draft "The Idempotency-Key HTTP Header Field": a key names one result.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Books, ReplyRow};
use crate::Answered;

pub(super) fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let mut replies: HashMap<Uuid, u32> = HashMap::new();
    let made = |reply: &&ReplyRow| matches!(&*reply.kind, "purchased" | "reserved" | "queued");
    for claim in books.replies.iter().filter(made).filter_map(|reply| reply.claim_id) {
        *replies.entry(claim).or_default() += 1;
    }
    let mut found = Vec::new();
    for claim in &books.claims {
        match replies.remove(&claim.id) {
            Some(1) => {}
            Some(n) => found.push(format!("{n} keys have claim {}", claim.id)),
            None => found.push(format!("claim {} has no reply", claim.id)),
        }
    }
    found.extend(replies.keys().map(|id| format!("a reply names claim {id}, which is not there")));
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_replies_and_claims_without_each_other() {
        let (mut books, told) = super::super::books::sound();
        books.replies[0].claim_id = books.replies[1].claim_id;
        assert_eq!(super::check(&books, &told).len(), 2);
        books.claims.clear();
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
