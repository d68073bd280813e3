//! Tidies up now and then. What is sold does not depend on it: reservations whose deadline has passed
//! count as free in every decision, also if nobody tidies for a day. But those who wait would be offered
//! them by the next request only.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use super::granting::Shared;

/// Sales that are tidied at once.
const SALES_MAX: i64 = 100;

/// Replies that are forgotten at once.
const REPLIES_MAX: i64 = 5000;

/// How often old replies are forgotten: they have days.
const FORGET_EVERY: Duration = Duration::from_secs(60);

/// How often so many are forgotten in a row. With [`REPLIES_MAX`] and [`FORGET_EVERY`], thousands a second:
/// faster than they can be made.
const FORGET_ROUNDS_MAX: u32 = 100;

/// Sweeps until granting is closed, or nobody grants any more.
pub(super) async fn sweep(shared: Weak<Shared>) {
    tokio::join!(tidy_sales(&shared), forget_replies(&shared));
}

fn open(shared: &Weak<Shared>) -> Option<Arc<Shared>> {
    shared.upgrade().filter(|shared| !shared.stop.is_cancelled())
}

/// All replicas sweep; they should not all at once.
async fn pause(every: Duration) {
    tokio::time::sleep(every.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
}

async fn tidy_sales(shared: &Weak<Shared>) {
    let Some(every) = open(shared).map(|shared| shared.config.sweep_every) else { return };
    loop {
        pause(every).await;
        let Some(shared) = open(shared) else { return };
        match shared.store.sales_to_tidy(SALES_MAX).await {
            Ok(sales) => {
                for sale in sales {
                    shared.tidy(sale).await;
                }
            }
            Err(error) => tracing::debug!(%error, "nothing could be tidied"),
        }
    }
}

async fn forget_replies(shared: &Weak<Shared>) {
    while let Some(shared) = open(shared) {
        for _ in 0..FORGET_ROUNDS_MAX {
            if shared.stop.is_cancelled() || !forget_some(&shared).await {
                break;
            }
        }
        drop(shared);
        pause(FORGET_EVERY).await;
    }
}

/// Whether there may be more.
async fn forget_some(shared: &Shared) -> bool {
    let age = i64::try_from(shared.config.reply_age.as_millis()).unwrap_or(i64::MAX);
    let (replies, commands) = tokio::join!(
        shared.store.forget_replies(age, REPLIES_MAX),
        shared.store.forget_commands(age, REPLIES_MAX)
    );
    [replies, commands].into_iter().fold(false, |is_more, forgotten| match forgotten {
        Ok(0) => is_more,
        Ok(count) => {
            tracing::debug!(count, "old replies forgotten");
            is_more || count >= REPLIES_MAX.unsigned_abs()
        }
        Err(error) => {
            tracing::debug!(%error, "old replies could not be forgotten");
            is_more
        }
    })
}

/// How often a replica looks for what is to be tidied.
pub(super) const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// For how long a repeated request gets its first answer again.
pub(super) const REPLY_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
