//! Where the requests of one sale queue up in this replica.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::Instant,
};

use crate::{
    domain::{Request, SaleId},
    grant::{Answer, GrantError},
};

/// Who may say what became of a request: whoever moves it away from `QUEUED`.
const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const ABANDONED: u8 = 2;

/// A request in the queue.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) request: Request,
    stage: Arc<AtomicU8>,
    answer: oneshot::Sender<Answer>,
    /// Whether a write with it was sent whose outcome is not known.
    pub(super) maybe_written: bool,
}

impl Ticket {
    /// Whether its buyer still waits. One who hung up was told nothing, so the request may be dropped;
    /// whether it was granted earlier, its key tells.
    pub(super) fn is_wanted(&self) -> bool {
        !self.answer.is_closed() && self.stage.load(Ordering::Acquire) != ABANDONED
    }

    /// Takes the request for granting; `false` when its buyer has stopped waiting, and was told that
    /// nothing happened.
    pub(super) fn take(&self) -> bool {
        let taken = self.stage.compare_exchange(QUEUED, TAKEN, Ordering::AcqRel, Ordering::Acquire);
        taken != Err(ABANDONED) && !self.answer.is_closed()
    }

    /// Gives the request back after nothing was written with it.
    pub(super) fn put_back(&self) {
        if !self.maybe_written {
            let _same =
                self.stage.compare_exchange(TAKEN, QUEUED, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    pub(super) fn answer(self, answer: Answer) {
        let _gone = self.answer.send(answer);
    }

    /// Answers with the error, or with "unknown" if it may have been written.
    pub(super) fn fail(self, error: &GrantError) {
        let error = if self.maybe_written { GrantError::Unknown } else { error.clone() };
        self.answer(Err(error));
    }
}

/// The queue of one sale.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) sale: SaleId,
    queue: mpsc::Sender<Ticket>,
    /// Wakes the combiner although nobody asks for anything.
    pub(super) tidy: Notify,
}

impl Desk {
    /// A desk, and the end of its queue at which requests are granted.
    pub(super) fn new(sale: SaleId, queue_max: usize) -> (Arc<Self>, mpsc::Receiver<Ticket>) {
        let (queue, tickets) = mpsc::channel(queue_max);
        (Arc::new(Self { sale, queue, tidy: Notify::new() }), tickets)
    }

    /// Whether the combiner behind it has retired: a new desk is needed.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Queues a request and waits for what it comes to, at most until `deadline`.
    ///
    /// Whoever is told [`GrantError::Busy`] can be sure that nothing happened: the request was taken
    /// out of the queue by the same exchange that the combiner needs to take it in.
    pub(super) async fn submit(
        &self,
        request: Request,
        deadline: Instant,
    ) -> Result<Answer, Closed> {
        let stage = Arc::new(AtomicU8::new(QUEUED));
        let (answer, told) = oneshot::channel();
        let ticket = Ticket { request, stage: Arc::clone(&stage), answer, maybe_written: false };
        match self.queue.try_send(ticket) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Ok(Err(GrantError::Busy)),
            Err(mpsc::error::TrySendError::Closed(ticket)) => {
                return Err(Closed(Box::new(ticket.request)));
            }
        }
        Ok(match tokio::time::timeout_at(deadline, told).await {
            Ok(Ok(answer)) => answer,
            // The combiner ended without a word, or did not end in time.
            Ok(Err(_)) | Err(_) => {
                let withdrawn =
                    stage.compare_exchange(QUEUED, ABANDONED, Ordering::AcqRel, Ordering::Acquire);
                Err(if withdrawn.is_ok() { GrantError::Busy } else { GrantError::Unknown })
            }
        })
    }
}

/// The combiner has retired; the request comes back.
#[derive(Debug)]
pub(super) struct Closed(pub(super) Box<Request>);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use uuid::Uuid;

    use super::*;
    use crate::domain::{Buyer, ClaimId, Command, IdempotencyKey, Quantity, SaleId, Wanted};

    const PATIENCE: Duration = Duration::from_secs(1);

    fn desk(queue_max: usize) -> (Arc<Desk>, mpsc::Receiver<Ticket>) {
        let sale = SaleId::from_uuid(Uuid::from_u128(1));
        Desk::new(sale, queue_max)
    }

    fn request() -> Request {
        let wanted = Wanted { units: Quantity::new(1).unwrap(), partial: false };
        Request::new(
            IdempotencyKey::new("k").unwrap(),
            ClaimId::from_uuid(Uuid::from_u128(2)),
            Command::Purchase { buyer: Buyer::new("ada").unwrap(), wanted, payment: None },
        )
    }

    /// Submits a request, lets the combiner's end do something with its ticket half-way through the
    /// buyer's patience, and returns what the buyer is told, and the ticket if it was kept.
    async fn told(then: impl FnOnce(Ticket) -> Option<Ticket>) -> (Answer, Option<Ticket>) {
        let (desk, mut queue) = desk(1);
        let submitting = desk.submit(request(), Instant::now() + PATIENCE);
        let granting = async {
            let ticket = queue.recv().await.unwrap();
            tokio::time::sleep(PATIENCE / 2).await;
            let kept = then(ticket);
            tokio::time::sleep(PATIENCE).await;
            kept
        };
        let (answer, kept) = tokio::join!(submitting, granting);
        (answer.unwrap(), kept)
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_told_that_nothing_happened_can_not_be_granted_any_more() {
        let (answer, ticket) = told(Some).await;
        assert_eq!(answer, Err(GrantError::Busy));
        let ticket = ticket.unwrap();
        assert!(!ticket.is_wanted());
        assert!(!ticket.take());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_was_taken_ends_as_unknown_and_one_that_was_put_back_does_not() {
        let (answer, _ticket) = told(|ticket| {
            assert!(ticket.take() && ticket.take());
            Some(ticket)
        })
        .await;
        assert_eq!(answer, Err(GrantError::Unknown));
        let (answer, _ticket) = told(|ticket| {
            assert!(ticket.take());
            ticket.put_back();
            Some(ticket)
        })
        .await;
        assert_eq!(answer, Err(GrantError::Busy));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_have_been_written_is_never_said_not_to_have_happened() {
        let (answer, _ticket) = told(|mut ticket| {
            assert!(ticket.take());
            ticket.maybe_written = true;
            ticket.put_back();
            Some(ticket)
        })
        .await;
        assert_eq!(answer, Err(GrantError::Unknown));
        let (answer, _ticket) = told(|mut ticket| {
            ticket.maybe_written = true;
            ticket.fail(&GrantError::Busy);
            None
        })
        .await;
        assert_eq!(answer, Err(GrantError::Unknown));
    }

    #[tokio::test(start_paused = true)]
    async fn a_combiner_that_ends_without_a_word_leaves_nothing_open() {
        let (answer, _none) = told(|ticket| {
            drop(ticket);
            None
        })
        .await;
        assert_eq!(answer, Err(GrantError::Busy));
    }

    #[tokio::test(start_paused = true)]
    async fn the_request_of_a_buyer_who_hung_up_is_not_wanted() {
        let (desk, mut queue) = desk(1);
        let deadline = Instant::now() + PATIENCE;
        assert!(
            tokio::time::timeout(PATIENCE / 2, desk.submit(request(), deadline)).await.is_err()
        );
        let ticket = queue.recv().await.unwrap();
        assert!(!ticket.is_wanted() && !ticket.take());
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_is_busy_and_a_closed_one_gives_the_request_back() {
        let (desk, mut queue) = desk(1);
        let deadline = Instant::now() + PATIENCE;
        let (first, second) =
            tokio::join!(desk.submit(request(), deadline), desk.submit(request(), deadline));
        assert_eq!(
            (first.unwrap(), second.unwrap()),
            (Err(GrantError::Busy), Err(GrantError::Busy))
        );
        queue.close();
        assert_eq!(desk.submit(request(), deadline).await.unwrap_err().0.key, request().key);
    }
}
