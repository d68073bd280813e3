//! When to send again.

use std::time::Duration;

use super::BACKOFF_MAX;

/// The time before the next attempt after so many failed ones (from 1): doubles each time, and up to as
/// much again at random (`jitter`, from 0 to 1), so that receivers that come back are not met by everything
/// at once. Never more than [`BACKOFF_MAX`].
pub(super) fn wait(shortest: Duration, failed: u32, jitter: f64) -> Duration {
    let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
    // Half of the longest, so that jitter has room below it.
    let base = shortest.saturating_mul(doubled).min(BACKOFF_MAX / 2);
    base + base.mul_f64(jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_doubles_up_to_five_minutes() {
        let second = Duration::from_secs(1);
        let seconds = |failed, jitter| wait(second, failed, jitter).as_secs_f64();
        assert_eq!(seconds(1, 0.0), 1.0);
        assert_eq!(seconds(1, 1.0), 2.0);
        assert_eq!(seconds(4, 0.0), 8.0);
        assert_eq!(seconds(4, 0.5), 12.0);
        assert_eq!(seconds(12, 0.0), 150.0);
        assert_eq!(seconds(12, 1.0), 300.0);
        assert_eq!(seconds(u32::MAX, 1.0), 300.0);
        assert_eq!(seconds(0, 0.0), 1.0);
    }
}
