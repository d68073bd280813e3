//! A sale's log counts from one without a gap, ends at the sale's version, and every event is of one
//! accepted write.
//!
//! Source: design, "append-only event log"; event stores call it a stream's revision.

use super::Books;
use crate::Answered;

/// What is missing in the log, or does not follow what stands before it.
#[must_use]
pub fn check(books: &Books, _told: &[Answered]) -> Vec<String> {
    let mut found = Vec::new();
    for (event, seq) in books.events.iter().zip(1..) {
        if event.seq != seq {
            found.push(format!("event {} stands where {seq} should", event.seq));
            break;
        }
    }
    if i64::try_from(books.events.len()) != Ok(books.version) {
        found.push(format!(
            "the log has {} events, the sale counts {}",
            books.events.len(),
            books.version
        ));
    }
    let mut before = 0;
    for batch in &books.batches {
        if batch.version - i64::from(batch.events) != before {
            found.push(format!("{batch:?} does not follow version {before}"));
        }
        before = batch.version;
    }
    if before != books.version {
        found.push(format!("writes end at {before}, the sale at {}", books.version));
    }
    for pair in books.events.windows(2) {
        if pair[1].at < pair[0].at {
            found.push(format!("event {} is of a time before the one before it", pair[1].seq));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::books::sound;

    #[test]
    fn finds_a_gap_in_the_log_and_one_between_writes() {
        let (mut books, told) = sound();
        let _gone = books.events.remove(1);
        assert_eq!(super::check(&books, &told).len(), 2);
        let (mut books, told) = sound();
        books.batches[1].events = 2;
        assert_eq!(super::check(&books, &told).len(), 1);
        let (mut books, told) = sound();
        let _gone = books.batches.pop();
        assert_eq!(super::check(&books, &told).len(), 1);
        let (mut books, told) = sound();
        books.events[2].at = books.events[0].at;
        assert_eq!(super::check(&books, &told).len(), 1);
    }
}
