//! Who watches, and the one task that reads for all of them.

use std::{sync::Arc, time::Duration};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::Snapshot;
use crate::store::Store;

/// How often those who watch are told.
const EVERY: Duration = Duration::from_millis(500);

/// How many may watch one replica at once: each costs little, and their number is anybody's choice.
const WATCHING_MAX: usize = 500;

/// The newest snapshot, rendered once for all.
type Rendered = Option<Arc<str>>;

/// Reads for everybody who watches; nothing while nobody does.
#[derive(Clone, Debug)]
pub struct Hub {
    news: watch::Sender<Rendered>,
    places: Arc<Semaphore>,
    somebody: Arc<Notify>,
    stop: CancellationToken,
}

/// One who watches.
#[derive(Debug)]
pub struct Watching {
    news: watch::Receiver<Rendered>,
    stop: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Hub {
    /// A hub that ends with `stop`: those who watch are sent away then, to find another replica.
    #[must_use]
    pub fn new(stop: CancellationToken) -> Self {
        Self {
            news: watch::Sender::new(None),
            places: Arc::new(Semaphore::new(WATCHING_MAX)),
            somebody: Arc::default(),
            stop,
        }
    }

    /// A place to watch from; `None` when all are taken, or the replica is about to stop.
    #[must_use]
    pub fn watch(&self) -> Option<Watching> {
        if self.stop.is_cancelled() {
            return None;
        }
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let news = self.news.subscribe();
        self.somebody.notify_one();
        Some(Watching { news, stop: self.stop.clone(), _place: place })
    }

    /// Reads while somebody watches, until it is stopped.
    pub async fn run(self, store: Store, replica: Arc<str>) {
        loop {
            if self.news.receiver_count() == 0 {
                tokio::select! {
                    () = self.somebody.notified() => {}
                    () = self.stop.cancelled() => return,
                }
            }
            match Snapshot::read(&store, &replica).await {
                Ok(snapshot) => {
                    let text = serde_json::to_string(&snapshot).unwrap_or_default();
                    let _before = self.news.send_replace(Some(text.into()));
                }
                // Whoever watches sees that nothing comes any more, and says so.
                Err(error) => tracing::debug!(%error, "nothing to show on the live page"),
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }
}

impl Watching {
    /// The next snapshot; `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// A snapshot that is missed is followed by a newer one.
    pub async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            tokio::select! {
                changed = self.news.changed() => changed.ok()?,
                () = self.stop.cancelled() => return None,
            }
            if let Some(text) = self.news.borrow_and_update().clone() {
                return Some(text);
            }
        }
    }
}
