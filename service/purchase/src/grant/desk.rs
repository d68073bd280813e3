//! Where the orders of one sale queue up in this replica.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::sync::{mpsc, oneshot};

use super::GrantError;
use crate::domain::{Order, Outcome, Sale};

/// What an order comes to, for the one who waits.
pub(super) type Answer = Result<Outcome, GrantError>;

/// Who may say what became of an order: whoever moves it away from `QUEUED`.
const QUEUED: u8 = 0;
const TAKEN: u8 = 1;
const ABANDONED: u8 = 2;

/// An order in the queue.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) order: Order,
    stage: Arc<AtomicU8>,
    answer: oneshot::Sender<Answer>,
    /// Whether a write with it was sent whose outcome is not known.
    pub(super) maybe_written: bool,
}

impl Ticket {
    /// Whether its buyer still waits.
    pub(super) fn is_wanted(&self) -> bool {
        self.stage.load(Ordering::Acquire) != ABANDONED
    }

    /// Takes the order for granting; `false` when its buyer has stopped waiting, and was told that
    /// nothing happened.
    pub(super) fn take(&self) -> bool {
        self.stage.compare_exchange(QUEUED, TAKEN, Ordering::AcqRel, Ordering::Acquire)
            != Err(ABANDONED)
    }

    /// Gives the order back after nothing was written with it.
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
    pub(super) sale: Sale,
    queue: mpsc::Sender<Ticket>,
}

impl Desk {
    /// A desk, and the end of its queue at which orders are granted.
    pub(super) fn new(sale: Sale, queue_max: usize) -> (Arc<Self>, mpsc::Receiver<Ticket>) {
        let (queue, tickets) = mpsc::channel(queue_max);
        (Arc::new(Self { sale, queue }), tickets)
    }

    /// Whether the combiner behind it has retired: a new desk is needed.
    pub(super) fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Queues an order and waits for what it comes to, at most for `patience`.
    ///
    /// Whoever is told [`GrantError::Busy`] can be sure that nothing happened: the order was taken
    /// out of the queue by the same exchange that the combiner needs to take it in.
    pub(super) async fn submit(&self, order: Order, patience: Duration) -> Result<Answer, Closed> {
        let stage = Arc::new(AtomicU8::new(QUEUED));
        let (answer, told) = oneshot::channel();
        let ticket = Ticket { order, stage: Arc::clone(&stage), answer, maybe_written: false };
        match self.queue.try_send(ticket) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Ok(Err(GrantError::Busy)),
            Err(mpsc::error::TrySendError::Closed(ticket)) => {
                return Err(Closed(Box::new(ticket.order)));
            }
        }
        Ok(match tokio::time::timeout(patience, told).await {
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

/// The combiner has retired; the order comes back.
#[derive(Debug)]
pub(super) struct Closed(pub(super) Box<Order>);
