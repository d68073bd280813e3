//! Waiting for a lease: attempts with random pauses, up to a deadline.

use std::time::Duration;

use super::{
    error::AcquireError,
    lease::Lease,
    leases::{Leases, Shared},
};
use crate::model::Resource;

/// How many times the pause may double while nodes are silent: 2^5 times the longest pause.
const BACKOFF_DOUBLINGS_MAX: u32 = 5;

pub(super) async fn acquire(
    leases: &Leases,
    shared: &Shared,
    resource: &Resource,
    wait: Duration,
) -> Result<Lease, AcquireError> {
    let begun = shared.clock.now();
    let deadline = begun.after(wait);
    let mut attempts = 0;
    let mut silent_rounds = 0;
    loop {
        let error = match leases.try_acquire(resource).await {
            Ok(lease) => return Ok(lease),
            Err(error) => error,
        };
        attempts += 1;
        let now = shared.clock.now();
        if wait.is_zero() || !error.is_retryable() {
            return Err(error);
        }
        if now >= deadline {
            let resource = resource.clone();
            return Err(AcquireError::DeadlineReached {
                resource,
                waited: now - begun,
                attempts,
                last: Box::new(error),
            });
        }
        silent_rounds = if error.is_unavailable() { silent_rounds + 1 } else { 0 };
        let pause = pause(shared.config.retry_min, shared.config.retry_max, silent_rounds);
        tokio::time::sleep(pause.min(deadline - now)).await;
    }
}

/// A random pause between the two bounds; the upper one doubles with every silent round, so that
/// nodes which are down are not stormed.
fn pause(min: Duration, max: Duration, silent_rounds: u32) -> Duration {
    let max = max.saturating_mul(1 << silent_rounds.min(BACKOFF_DOUBLINGS_MAX));
    min + max.saturating_sub(min).mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_stay_within_their_bounds_also_when_the_bounds_are_equal() {
        let ms = Duration::from_millis;
        for _ in 0..1000 {
            assert!((ms(5)..=ms(50)).contains(&pause(ms(5), ms(50), 0)));
            assert!((ms(5)..=ms(1600)).contains(&pause(ms(5), ms(50), 100)));
            assert_eq!(pause(ms(5), ms(5), 0), ms(5));
        }
    }
}
