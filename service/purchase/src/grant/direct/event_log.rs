//! The strategy `event_log`: decided from the sale's events, appended unless one that matters came
//! between.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::Way;
use crate::{
    domain::{Circumstances, Fold, Outcome, Request, SaleId, State, Validation},
    grant::{
        GrantConfig,
        decision::{count, decided},
    },
    store::{Batch, News, Store, StoreError},
};

/// Sales that are kept folded.
const FOLDS_MAX: usize = 1000;

/// A snapshot is taken after so many events, and not before there are as many as claims: taking one
/// costs as much as there are claims.
const SNAPSHOT_EVERY: i64 = 1000;

/// Folds events. What it knows of a sale it keeps, and reads on from there.
#[derive(Debug)]
pub(in crate::grant) struct EventLog {
    store: Store,
    replica: Arc<str>,
    folds: Mutex<HashMap<SaleId, Arc<Kept>>>,
}

impl EventLog {
    pub(in crate::grant) fn new(store: Store, config: &GrantConfig) -> Self {
        Self { store, replica: Arc::clone(&config.replica), folds: Mutex::default() }
    }

    /// What is kept of the sale; at first its snapshot, or its first events.
    async fn kept(&self, sale: SaleId) -> Result<Arc<Kept>, StoreError> {
        if let Some(kept) = self.folds().get(&sale) {
            return Ok(Arc::clone(kept));
        }
        let fold = match self.store.snapshot(sale).await? {
            Some(fold) => fold,
            None => self.begin(sale).await?,
        };
        let mut folds = self.folds();
        if folds.len() >= FOLDS_MAX
            && let Some(any) = folds.keys().next().copied()
        {
            let _forgotten = folds.remove(&any);
        }
        let kept = folds.entry(sale).or_insert_with(|| Arc::new(Kept::new(fold)));
        Ok(Arc::clone(kept))
    }

    async fn begin(&self, sale: SaleId) -> Result<Fold, StoreError> {
        let news = self.store.read_on(sale, 0, &[]).await?;
        let news = news.ok_or_else(|| StoreError::gone(sale))?;
        let first = news.events.first().and_then(|first| Fold::begin(sale, &first.event));
        first.ok_or_else(|| StoreError::Corrupt(format!("a log of sale {sale} without its making")))
    }

    fn folds(&self) -> MutexGuard<'_, HashMap<SaleId, Arc<Kept>>> {
        self.folds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a snapshot if there is much that is not in the last one. If that fails, the next one
    /// comes later.
    async fn snapshot(&self, kept: &Kept) {
        let Some(fold) = kept.snapshot_due() else { return };
        match self.store.keep_snapshot(&fold).await {
            Ok(()) => metrics::counter!("leasehold_snapshots_total").increment(1),
            Err(error) => tracing::debug!(%error, "a snapshot was not kept"),
        }
    }
}

impl Way for EventLog {
    async fn attempt(
        &self,
        sale: SaleId,
        requests: &[Request],
    ) -> Result<Vec<Outcome>, StoreError> {
        let kept = self.kept(sale).await?;
        let (state, now) = loop {
            let news = self.store.read_on(sale, kept.version(), requests).await?;
            let news = news.ok_or_else(|| StoreError::gone(sale))?;
            kept.read_on(&news)?;
            if !news.more {
                break (kept.about(requests, &news), news.now);
            }
        };
        let (version, before) = (state.version, [state.sold, state.held, state.waiting]);
        let circumstances = Circumstances::of(&state);
        let decision = decided(state, now, requests.iter())?;
        if !decision.events.is_empty() {
            #[cfg(feature = "faults")]
            crate::faults::reach("before_write");
            let validation = Validation::of(circumstances, &decision);
            let replica = &self.replica;
            let batch = Batch { sale, stamp: None, version, replica, decision: &decision };
            self.store.append(batch, before, &validation).await?;
            #[cfg(feature = "faults")]
            crate::faults::reach("after_write");
            count(&decision);
        }
        self.snapshot(&kept).await;
        Ok(decision.outcomes)
    }
}

/// A sale's fold, shared by those who decide about it: as far as any of them has read.
#[derive(Debug)]
struct Kept(Mutex<Progress>);

#[derive(Debug)]
struct Progress {
    fold: Fold,
    /// Up to which event there is a snapshot, or one is being taken.
    snapshot: i64,
}

impl Kept {
    fn new(fold: Fold) -> Self {
        let snapshot = fold.version();
        Self(Mutex::new(Progress { fold, snapshot }))
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn version(&self) -> i64 {
        self.lock().fold.version()
    }

    /// Applies what is new; another may have been faster with some of it.
    fn read_on(&self, news: &News) -> Result<(), StoreError> {
        let fold = &mut self.lock().fold;
        for read in &news.events {
            let next = fold.version() + 1;
            if read.seq > next {
                let gap = format!("a log without event {next} of sale {}", fold.whole().sale.id);
                return Err(StoreError::Corrupt(gap));
            }
            if read.seq == next {
                let applied = fold.apply(&read.event);
                applied.map_err(|impossible| StoreError::Corrupt(impossible.to_string()))?;
            }
        }
        Ok(())
    }

    fn about(&self, requests: &[Request], news: &News) -> State {
        self.lock().fold.about(requests, news.now, news.known.clone())
    }

    fn snapshot_due(&self) -> Option<Fold> {
        let mut progress = self.lock();
        let version = progress.fold.version();
        let claims = i64::try_from(progress.fold.whole().claims.len()).unwrap_or(i64::MAX);
        if version - progress.snapshot < claims.max(SNAPSHOT_EVERY) {
            return None;
        }
        progress.snapshot = version;
        Some(progress.fold.clone())
    }
}
