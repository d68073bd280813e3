//! What the engine and the holder of a lease share.

use std::{
    sync::atomic::{AtomicU8, AtomicU64, Ordering},
    time::Duration,
};

use tokio::sync::Notify;

use crate::model::{Binding, Loss, Moment};

/// One grant: written by the engine, read by whoever holds the lease in the current turn.
#[derive(Debug)]
pub(super) struct Grant {
    /// Where the engine keeps it.
    pub(super) work: usize,
    pub(super) binding: Binding,
    pub(super) granted_at: Moment,
    valid_until: AtomicU64,
    renewals_end: AtomicU64,
    loss: AtomicU8,
    lost: Notify,
}

impl Grant {
    pub(super) fn new(
        work: usize,
        binding: Binding,
        granted_at: Moment,
        valid_until: Moment,
        renewals_end: Moment,
    ) -> Self {
        Self {
            work,
            binding,
            granted_at,
            valid_until: AtomicU64::new(nanos(valid_until)),
            renewals_end: AtomicU64::new(nanos(renewals_end)),
            loss: AtomicU8::new(0),
            lost: Notify::new(),
        }
    }

    /// Until when the holder may act, unless the lease is renewed or lost.
    pub(super) fn valid_until(&self) -> Moment {
        Moment::at(Duration::from_nanos(self.valid_until.load(Ordering::Acquire)))
    }

    pub(super) fn set_valid_until(&self, moment: Moment) {
        self.valid_until.store(nanos(moment), Ordering::Release);
    }

    /// No renewal begins from here on.
    pub(super) fn renewals_end(&self) -> Moment {
        Moment::at(Duration::from_nanos(self.renewals_end.load(Ordering::Acquire)))
    }

    /// The lease was passed on: its next holder has a lifetime of its own. Says whether the engine may
    /// already count on there being no renewal any more.
    pub(super) fn prolong(&self, renewals_end: Moment) -> bool {
        let before = self.renewals_end.fetch_max(nanos(renewals_end), Ordering::AcqRel);
        before < self.valid_until.load(Ordering::Acquire)
    }

    pub(super) fn loss(&self) -> Option<Loss> {
        match self.loss.load(Ordering::Acquire) {
            0 => None,
            1 => Some(Loss::Expired),
            2 => Some(Loss::Taken),
            _ => Some(Loss::LifetimeOver),
        }
    }

    /// The first loss counts. Says whether this was the first.
    pub(super) fn set_loss(&self, loss: Loss) -> bool {
        let code = match loss {
            Loss::Expired => 1,
            Loss::Taken => 2,
            Loss::LifetimeOver => 3,
        };
        let first =
            self.loss.compare_exchange(0, code, Ordering::AcqRel, Ordering::Acquire).is_ok();
        self.lost.notify_waiters();
        first
    }

    pub(super) async fn lost(&self) -> Loss {
        loop {
            let told = self.lost.notified();
            if let Some(loss) = self.loss() {
                return loss;
            }
            told.await;
        }
    }

    /// How long the holder may still act at `now` if no renewal succeeds.
    pub(super) fn remaining(&self, now: Moment) -> Duration {
        if self.loss().is_some() { Duration::ZERO } else { self.valid_until() - now }
    }
}

fn nanos(moment: Moment) -> u64 {
    u64::try_from(moment.since_origin().as_nanos()).unwrap_or(u64::MAX)
}
