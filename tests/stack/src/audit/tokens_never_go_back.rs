//! In the order in which writes were accepted, tokens never go down.
//!
//! Source: Kleppmann 2016, "How to do distributed locking"; invariant I3 of the lease protocol: after
//! the database accepted token y, it accepts nothing with x < y.

use super::Books;
use crate::Answered;

pub(super) fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let mut found = Vec::new();
    let fenced: Vec<_> =
        books.batches.iter().filter_map(|batch| Some((batch, batch.token?))).collect();
    for pair in fenced.windows(2) {
        let [(earlier, before), (later, token)] = [pair[0], pair[1]];
        if token < before {
            found.push(format!(
                "write {} of {} with token {token} was accepted after token {before} of {}",
                later.version, later.replica, earlier.replica
            ));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    #[test]
    fn finds_a_token_that_goes_back() {
        let (mut books, told) = super::super::books::sound();
        books.batches[2].token = Some(1023);
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
