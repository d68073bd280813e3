//! One batch: read, decide, write, answer.

use leasehold::Lease;
use tokio::time::Instant;

use super::combiner::Combiner;
use crate::{
    domain::{Decision, Moment, Outcome, State, is_certain},
    grant::decision::{count, decided},
    store::{About, Batch, StoreError},
};

/// A sale as this turn knows it, between its batches.
pub(super) struct Book {
    state: State,
    /// The database's time when it was read, and when that answer came: the time since then is at
    /// most what has passed there.
    read_at: Moment,
    read: Instant,
}

impl Book {
    pub(super) fn new((state, read_at): (State, Moment)) -> Self {
        Self { state, read_at, read: Instant::now() }
    }

    /// The database's time by now, or a little earlier.
    pub(super) fn now(&self) -> Moment {
        let passed = i64::try_from(self.read.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.read_at.plus_millis(passed)
    }

    /// Whether a deadline has passed since it was read: then units are free that it counts as held.
    fn is_stale(&self) -> bool {
        self.state.more_due
            || self.state.line_is_short()
            || self.state.next_expiry.is_some_and(|deadline| deadline <= self.now())
    }

    pub(super) const fn state(&self) -> &State {
        &self.state
    }
}

impl Combiner {
    /// One batch: decide what is pending and write. Returns what the first of the pending requests came to,
    /// for them to be told. `book` is the sale as the batch before left it, `None` to begin the turn; and so
    /// it is left after a failure.
    pub(super) async fn grant_once(
        &mut self,
        lease: Option<&Lease>,
        book: &mut Option<Book>,
    ) -> Result<Vec<Outcome>, StoreError> {
        let known = book.take().filter(|book| !book.is_stale());
        let requests = self.pending.iter().map(|ticket| &ticket.request);
        let known = match known {
            Some(book) if is_certain(&book.state, book.now(), requests) => book,
            // The fence is claimed by the first read of a turn; under it the others need no claim.
            Some(_) => self.read(None).await?,
            None => self.read(lease).await?,
        };
        let (version, now) = (known.state.version, known.now());
        let requests = self.pending.iter().map(|ticket| &ticket.request);
        let (read_at, read) = (known.read_at, known.read);
        let decision = decided(known.state, now, requests)?;
        let is_written = !decision.events.is_empty();
        if is_written {
            self.write(lease, version, &decision).await?;
        }
        let Decision { outcomes, mut state, .. } = decision;
        // What is due, and who waits, comes first; what is left of it after this batch is read with the next.
        self.tidy = is_written && state.is_half_tidied(now);
        self.sold_out = !self.tidy && state.left() == 0;
        state.forget();
        *book = Some(Book { state, read_at, read });
        Ok(outcomes)
    }

    /// Reads the sale, and what the pending requests are about; with a lease it claims the fence
    /// before it reads.
    pub(super) async fn read(&self, lease: Option<&Lease>) -> Result<Book, StoreError> {
        let requests = self.pending.iter().map(|ticket| &ticket.request);
        let about =
            if self.tidy { About::requests(requests) } else { About::at_a_glance(requests) };
        let read = self.store.read_sale(self.desk.sale, lease.map(Lease::stamp), &about).await?;
        Ok(Book::new(read.ok_or_else(|| StoreError::gone(self.desk.sale))?))
    }

    async fn write(
        &mut self,
        lease: Option<&Lease>,
        version: i64,
        decision: &Decision,
    ) -> Result<(), StoreError> {
        #[cfg(feature = "faults")]
        crate::faults::reach("before_write");
        let batch = Batch {
            sale: self.desk.sale,
            stamp: lease.map(Lease::stamp),
            version,
            replica: &self.config.replica,
            decision,
        };
        let begun = Instant::now();
        let written = self.store.write_batch(batch).await;
        #[cfg(feature = "faults")]
        crate::faults::reach("after_write");
        metrics::histogram!("leasehold_write_seconds").record(begun.elapsed().as_secs_f64());
        if matches!(written, Err(StoreError::Unknown(_))) {
            for ticket in &mut self.pending {
                ticket.maybe_written = true;
            }
        }
        written?;
        self.pace.note(decision.answers.len(), begun.elapsed());
        count(decision);
        Ok(())
    }

    /// Answers the first of the pending requests.
    pub(super) fn answer(&mut self, outcomes: Vec<Outcome>) {
        for (ticket, outcome) in self.pending.drain(..outcomes.len()).zip(outcomes) {
            ticket.answer(Ok(outcome));
        }
    }
}
