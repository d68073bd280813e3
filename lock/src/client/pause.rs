//! How long to wait before the nodes are asked again.

use std::time::Duration;

use super::{config::LeaseConfig, error::AcquireError};
use crate::node::NodeErrorKind;

/// How often the longest pause may double while nodes are silent.
const BACKOFF_DOUBLINGS_MAX: u32 = 5;

/// When to ask again although nobody handed the lease over: when it should have expired, or at
/// random up to the longest pause, whichever is sooner.
pub(super) fn pause_after(config: &LeaseConfig, error: &AcquireError, silent: u32) -> Duration {
    let max = config.retry_max.saturating_mul(1 << silent.min(BACKOFF_DOUBLINGS_MAX));
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

pub(super) fn random_between(min: Duration, max: Duration) -> Duration {
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
