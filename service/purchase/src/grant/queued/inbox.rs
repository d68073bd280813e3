//! Commands of one partition that arrived at this replica, on their way into the queue.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    domain::{Request, SaleId},
    grant::GrantError,
    queue::{Partition, PutError, Queue},
};

/// Commands that are put at once.
const PUT_MAX: usize = 500;

/// Pause before commands are put again that no node took.
const AGAIN_PAUSE: Duration = Duration::from_millis(50);

/// A command that is to be put.
#[derive(Debug)]
pub(super) struct Put {
    command: (SaleId, Request),
    /// Whoever sets it first decides: it is put, or taken back.
    is_taken: Arc<AtomicBool>,
    done: oneshot::Sender<Result<(), GrantError>>,
}

/// Where commands wait to be put.
#[derive(Debug)]
pub(super) struct Inbox(mpsc::Sender<Put>);

impl Inbox {
    /// An inbox for at most so many, and its other end.
    pub(super) fn new(most: usize) -> (Self, mpsc::Receiver<Put>) {
        let (inbox, puts) = mpsc::channel(most);
        (Self(inbox), puts)
    }

    /// Puts a command, and returns once a quorum of nodes has it.
    ///
    /// # Errors
    ///
    /// [`GrantError::Unknown`] when nodes may have it; else nothing happened.
    pub(super) async fn put(
        &self,
        sale: SaleId,
        request: Request,
        deadline: Instant,
    ) -> Result<(), GrantError> {
        let (done, put) = oneshot::channel();
        let is_taken = Arc::new(AtomicBool::new(false));
        let command = Put { command: (sale, request), is_taken: Arc::clone(&is_taken), done };
        self.0.try_send(command).map_err(|_| GrantError::Busy)?;
        match tokio::time::timeout_at(deadline, put).await {
            Ok(Ok(put)) => put,
            Ok(Err(_)) | Err(_) if is_taken.swap(true, Ordering::AcqRel) => {
                Err(GrantError::Unknown)
            }
            Ok(Err(_)) | Err(_) => Err(GrantError::Busy),
        }
    }
}

impl Put {
    /// Takes it to be put, unless it was taken back, or whoever asked hung up.
    fn take(&self) -> bool {
        !self.done.is_closed() && !self.is_taken.swap(true, Ordering::AcqRel)
    }

    /// No node has it: it may be taken back.
    fn give_back(&self) {
        self.is_taken.store(false, Ordering::Release);
    }
}

/// Puts commands of a partition.
pub(super) struct Putter {
    pub(super) queue: Queue,
    pub(super) partition: Partition,
    /// Who is to be told what they came to.
    pub(super) from: Arc<str>,
    /// For how long too few nodes may answer before commands are refused.
    pub(super) patience: Duration,
    pub(super) stop: CancellationToken,
}

impl Putter {
    /// Puts what comes into the inbox, in order, until granting is closed and the inbox empty. What
    /// arrives during one put is the next.
    pub(super) async fn run(self, mut puts: mpsc::Receiver<Put>) {
        let mut some: Vec<Put> = Vec::new();
        let mut away_since = None;
        loop {
            if some.is_empty() {
                if puts.is_empty() {
                    // Nobody waits: what comes after a while has patience of its own.
                    away_since = None;
                }
                let count = tokio::select! {
                    biased;
                    count = puts.recv_many(&mut some, PUT_MAX) => count,
                    () = self.stop.cancelled() => {
                        puts.close();
                        puts.recv_many(&mut some, PUT_MAX).await
                    }
                };
                if count == 0 {
                    return;
                }
            }
            some.retain(Put::take);
            if some.is_empty() {
                continue;
            }
            let commands: Vec<_> = some.iter().map(|put| put.command.clone()).collect();
            let (from, stop) = (&self.from, &self.stop);
            let put = self.queue.put(self.partition, from, &commands, self.patience, stop).await;
            if let Err(PutError::Unavailable(why)) = &put {
                let away = away_since.get_or_insert_with(Instant::now).elapsed();
                if away < self.patience && !self.stop.is_cancelled() {
                    tracing::debug!(queue.partition = %self.partition, why, "commands are put later");
                    some.iter().for_each(Put::give_back);
                    tokio::time::sleep(AGAIN_PAUSE).await;
                    continue;
                }
            } else {
                away_since = None;
            }
            let answer = put.map_err(|error| self.error(error));
            for Put { done, .. } in some.drain(..) {
                let _gone = done.send(answer.clone());
            }
        }
    }

    fn error(&self, error: PutError) -> GrantError {
        match error {
            PutError::Full => GrantError::Busy,
            PutError::Unavailable(why) => GrantError::Unavailable(why),
            PutError::Unknown(why) => {
                tracing::warn!(
                    queue.partition = %self.partition, why,
                    "it is not known whether commands are queued"
                );
                GrantError::Unknown
            }
        }
    }
}
