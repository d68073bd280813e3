//! In the order in which writes were accepted, tokens never go down; and the log of writes has no
//! gap and adds up.
//!
//! Source: Kleppmann 2016, "How to do distributed locking"; invariant I3 of the lease protocol: after
//! the database accepted token y, it accepts nothing with x < y.

use super::Books;
use crate::Answered;

pub(super) fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let mut found = Vec::new();
    for pair in books.batches.windows(2) {
        if pair[1].token < pair[0].token {
            found.push(format!(
                "write {} of {} with token {} was accepted after token {} of {}",
                pair[1].version, pair[1].replica, pair[1].token, pair[0].token, pair[0].replica
            ));
        }
    }
    for (batch, version) in books.batches.iter().zip(1..) {
        let its = books.purchases.iter().filter(|purchase| purchase.batch == batch.version);
        let (count, units) =
            its.fold((0, 0), |(n, units), purchase| (n + 1, units + purchase.quantity));
        if (batch.version, batch.purchases, batch.units) != (version, count, units) {
            found.push(format!(
                "write {version} does not add up: {batch:?}, purchases {count}, units {units}"
            ));
        }
    }
    if i64::try_from(books.batches.len()) != Ok(books.version) {
        found.push(format!(
            "the log has {} writes, the sale counts {}",
            books.batches.len(),
            books.version
        ));
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_token_that_goes_back_and_a_gap() {
        let (mut books, told) = super::super::books::sound();
        books.batches[1].token = 1023;
        assert_eq!(super::check(&books, &told).len(), 1);
        let (mut books, told) = super::super::books::sound();
        books.batches[0].units = 2;
        assert_eq!(super::check(&books, &told).len(), 1);
        books.version = 3;
        assert_eq!(super::check(&books, &told).len(), 2);
    }
}
