//! Strategies in which each request is a transaction of its own, tried again when another was faster.

mod course;
mod event_log;
mod optimistic;
mod row_lock;

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

pub(super) use event_log::EventLog;
pub(super) use optimistic::Optimistic;
pub(super) use row_lock::RowLock;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, sleep, timeout_at},
};
use tokio_util::task::TaskTracker;

use self::course::{Course, Next};
use super::{Answer, GrantConfig, GrantError, Strategy};
use crate::{
    domain::{Outcome, Request, SaleId},
    store::StoreError,
};

/// One whole transaction: read, decide, write. Retries are around it, never in it: in a transaction
/// that failed nothing can be tried again, and what it had read is old.
pub(super) trait Way: fmt::Debug + Send + Sync + 'static {
    /// The outcomes of the first of these requests, as many as were decided.
    fn attempt(
        &self,
        sale: SaleId,
        requests: &[Request],
    ) -> impl Future<Output = Result<Vec<Outcome>, StoreError>> + Send;
}

/// Grants one request a transaction.
#[derive(Debug)]
pub(super) struct Direct<W> {
    way: Arc<W>,
    config: GrantConfig,
    /// So many transactions at once; those who wait come first come, first served.
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    attempts: TaskTracker,
}

impl<W: Way> Direct<W> {
    pub(super) fn new(way: W, (config, places): (&GrantConfig, &Arc<Semaphore>)) -> Self {
        Self {
            way: Arc::new(way),
            config: config.clone(),
            places: Arc::clone(places),
            waiting: AtomicUsize::new(0),
            attempts: TaskTracker::new(),
        }
    }

    /// One attempt, in a task of its own: a buyer who hangs up must not cut a transaction in two.
    async fn attempt(
        &self,
        sale: SaleId,
        requests: Arc<[Request]>,
        place: OwnedSemaphorePermit,
    ) -> Result<Vec<Outcome>, StoreError> {
        let way = Arc::clone(&self.way);
        let attempt = self.attempts.spawn(async move {
            let ended = way.attempt(sale, &requests).await;
            drop(place);
            ended
        });
        attempt.await.unwrap_or_else(|ended| Err(StoreError::Corrupt(ended.to_string())))
    }
}

impl<W: Way> Strategy for Direct<W> {
    async fn submit(&self, sale: SaleId, request: Request, deadline: Instant) -> Answer {
        let _waiting =
            Waiting::new(&self.waiting, self.config.queue_max).ok_or(GrantError::Busy)?;
        let requests: Arc<[Request]> = Arc::new([request]);
        let mut course = Course::new(&self.config);
        loop {
            let place = timeout_at(deadline, Arc::clone(&self.places).acquire_owned()).await;
            let Ok(Ok(place)) = place else { return Err(course.gives_up(GrantError::Busy)) };
            let attempt = self.attempt(sale, Arc::clone(&requests), place);
            let Ok(ended) = timeout_at(deadline, attempt).await else {
                return Err(GrantError::Unknown);
            };
            let pause = match ended.map(|outcomes| outcomes.into_iter().next()) {
                Ok(Some(outcome)) => return Ok(outcome),
                // Only tidied: there was too much of that.
                Ok(None) => {
                    self.tidy(sale).await;
                    continue;
                }
                Err(error) => match course.after(&error, fastrand::f64()) {
                    Next::Again(pause) => pause,
                    Next::Over(error) => return Err(error),
                },
            };
            if Instant::now() + pause >= deadline {
                return Err(course.is_late());
            }
            sleep(pause).await;
        }
    }

    async fn tidy(&self, sale: SaleId) {
        // Whoever buys is more urgent.
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return };
        if let Err(error) = self.attempt(sale, Arc::new([]), place).await {
            tracing::debug!(sale.id = %sale, %error, "a sale was not tidied");
        }
    }

    async fn close(&self) {
        let _more = self.attempts.close();
        self.attempts.wait().await;
    }
}

/// Counts one who waits, also if it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize, most: usize) -> Option<Self> {
        let one = Self(count);
        (count.fetch_add(1, Ordering::Relaxed) < most).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _before = self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
