//! Seeks a lease that others hold, for those of this process who wait for it.
//!
//! Each attempt that fails puts this client on the nodes' lists of waiters; whoever releases the
//! lease has each node tell the client that has waited longest. When a quorum has, the seeker asks
//! again. It also asks when the lease should have expired, and now and then in case a message was
//! lost.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    attempt::attempt,
    error::AcquireError,
    inbox::{Inbox, Order},
    leases::Shared,
    wakes,
};
use crate::{
    model::{Resource, quorum},
    node::NodeErrorKind,
};

/// How often the longest pause may double while nodes are silent.
const BACKOFF_DOUBLINGS_MAX: u32 = 5;

/// How much longer than the first node's word the others' is waited for. They are told at the same
/// time, so more means that theirs is lost.
const GRACE: Duration = Duration::from_millis(2);

/// Seeks a lease until it is found, or nobody waits for it any more.
pub(super) async fn run(mut seeking: Seeking, yields: bool) {
    seek(&seeking.shared, &seeking.resource, yields).await;
    seeking.is_over = true;
}

/// That somebody seeks the lease. Dropped before its end, with the runtime, it leaves the line to
/// nobody.
pub(super) struct Seeking {
    shared: Arc<Shared>,
    resource: Resource,
    is_over: bool,
}

impl Seeking {
    pub(super) const fn new(shared: Arc<Shared>, resource: Resource) -> Self {
        Self { shared, resource, is_over: false }
    }
}

impl Drop for Seeking {
    fn drop(&mut self) {
        if !self.is_over {
            self.shared.lines.abandon(|resource| *resource == self.resource);
        }
    }
}

async fn seek(shared: &Arc<Shared>, resource: &Resource, yields: bool) {
    let _seeker = wakes::listen(shared);
    let mut silent_rounds = 0;
    let mut asks = !yields;
    while let Some(stir) = shared.lines.sought(resource) {
        let pause = if asks {
            match attempt(shared, resource, Some(shared.client)).await {
                Ok(lease) => return shared.lines.found(lease),
                Err(error) => {
                    let is_final = !error.is_retryable();
                    silent_rounds = if error.is_unavailable() { silent_rounds + 1 } else { 0 };
                    let pause = pause_after(shared, &error, silent_rounds);
                    shared.lines.not_found(resource, error, is_final);
                    pause
                }
            }
        } else {
            let enlist = Order::Enlist { resource: resource.clone() };
            let _no_runtime = Inbox::leave(shared, enlist);
            // Who was woken takes it at once, and releases it to us: this is for one that cannot.
            random_between(shared.config.retry_max / 16, shared.config.retry_max / 4)
        };
        asks = true;
        wait_until_told(shared, resource, &stir, pause).await;
    }
}

/// Until a quorum of nodes says that the lease is free, or `pause` is over.
async fn wait_until_told(
    shared: &Shared,
    resource: &Resource,
    stir: &tokio::sync::Notify,
    pause: Duration,
) {
    let mut until = after(shared, pause);
    let quorum = u32::try_from(quorum(shared.nodes.len())).unwrap_or(u32::MAX);
    while tokio::time::timeout_at(until, stir.notified()).await.is_ok() {
        match shared.lines.woken_by(resource) {
            // Stirred for another reason: nobody waits any more, or a node may vote now.
            0 => return,
            told if told >= quorum => return,
            _ => until = until.min(after(shared, GRACE)),
        }
    }
}

fn after(shared: &Shared, span: Duration) -> Instant {
    shared.clock.instant(shared.clock.now().after(span))
}

/// When to ask again although nobody said that the lease is free: when it should have expired, or
/// at random up to the longest pause, whichever is sooner.
fn pause_after(shared: &Shared, error: &AcquireError, silent_rounds: u32) -> Duration {
    let config = &shared.config;
    let max = config.retry_max.saturating_mul(1 << silent_rounds.min(BACKOFF_DOUBLINGS_MAX));
    let pause = random_between(config.retry_min, max);
    match error {
        AcquireError::Contended { free_in: Some(free_in), .. } => {
            // Those who wait for the same expiry must not all come at once.
            let expired =
                free_in.saturating_add(random_between(Duration::from_millis(1), config.retry_min));
            pause.min(expired).max(config.retry_min)
        }
        AcquireError::Unavailable { failures, tally, .. } => {
            let mut outside: Vec<Duration> = failures
                .iter()
                .filter_map(|failure| match failure.kind {
                    NodeErrorKind::Outside(left) => left,
                    _ => None,
                })
                .collect();
            outside.sort_unstable();
            // So many of them must vote before there can be a quorum.
            let missing = tally.unknown.saturating_sub(tally.nodes - tally.quorum);
            let left = missing.checked_sub(1).and_then(|last| outside.get(last));
            match left.map(|left| left.saturating_add(config.retry_min)) {
                // Sooner is in vain, and later is not needed.
                Some(left) if outside.len() == failures.len() => left,
                // Another node that is silent may answer again at any time.
                Some(left) => pause.min(left),
                None => pause,
            }
        }
        _ => pause,
    }
}

fn random_between(min: Duration, max: Duration) -> Duration {
    min.saturating_add(max.saturating_sub(min).mul_f64(fastrand::f64()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds_also_when_the_bounds_are_equal() {
        let ms = Duration::from_millis;
        for _ in 0..1000 {
            assert!((ms(5)..=ms(50)).contains(&random_between(ms(5), ms(50))));
            assert_eq!(random_between(ms(5), ms(5)), ms(5));
            assert_eq!(random_between(ms(5), ms(1)), ms(5));
        }
    }
}
