//! How large a batch should be, from what commits take. Pure: measured times in, a size out.
//!
//! A commit takes a fixed time (the way to Postgres and back, its disk) and some for each request. Small
//! batches pay the fixed part more often. Large ones keep their first buyer waiting for the last one's
//! row, and the replica idle meanwhile: it answers those of one batch while the next is written. So a batch
//! is as large as makes the fixed part a small share of it, and no larger.

use std::time::Duration;

/// How much a measurement counts after the next one.
const FORGET: f64 = 0.95;

/// What the fixed part may be of a commit's time.
const FIXED_SHARE: f64 = 0.1;

/// Requests that are always taken, if there are as many.
const LEAST: usize = 50;

/// Measurements before which nothing is known.
const ENOUGH: f64 = 5.0;

/// Commits as they were lately, as the sums of a line of least squares: seconds over requests.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pace {
    count: f64,
    requests: f64,
    seconds: f64,
    requests_squared: f64,
    products: f64,
}

impl Pace {
    /// Notes how long the commit of so many requests took.
    pub(super) fn note(&mut self, requests: usize, took: Duration) {
        let (requests, seconds) = (float(requests), took.as_secs_f64());
        self.count = self.count * FORGET + 1.0;
        self.requests = self.requests * FORGET + requests;
        self.seconds = self.seconds * FORGET + seconds;
        self.requests_squared = self.requests_squared * FORGET + requests * requests;
        self.products = self.products * FORGET + requests * seconds;
    }

    /// How many requests to take, `most` at most.
    pub(super) fn batch(&self, most: usize) -> usize {
        let spread = self.count * self.requests_squared - self.requests * self.requests;
        // Of batches of one size no line can be drawn.
        if self.count < ENOUGH || spread < self.count * self.count {
            return most;
        }
        let each = (self.count * self.products - self.requests * self.seconds) / spread;
        let fixed = (self.seconds - each * self.requests) / self.count;
        if each <= 0.0 {
            return most;
        }
        let size = fixed.max(0.0) * (1.0 / FIXED_SHARE - 1.0) / each;
        // Saturates, and the bounds are far below where floats lose whole numbers.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
        let size = size as usize;
        size.clamp(LEAST.min(most), most)
    }
}

#[expect(clippy::cast_precision_loss, reason = "batches are far below 2^52")]
const fn float(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(fixed_us: u64, each_us: u64, sizes: impl IntoIterator<Item = usize>) -> Pace {
        let mut pace = Pace::default();
        for size in sizes {
            pace.note(size, Duration::from_micros(fixed_us + each_us * size as u64));
        }
        pace
    }

    fn sizes() -> impl Iterator<Item = usize> + Clone {
        [600, 20, 150, 300, 7, 80].into_iter().cycle().take(40)
    }

    #[test]
    fn a_slow_disk_makes_large_batches_and_a_fast_one_small_ones() {
        assert_eq!(after(1_000, 50, sizes()).batch(1000), 180);
        assert!((899..=900).contains(&after(5_000, 50, sizes()).batch(1000)));
        assert_eq!(after(50_000, 50, sizes()).batch(1000), 1000);
        assert_eq!(after(10, 50, sizes()).batch(1000), LEAST);
        assert_eq!(after(10, 50, sizes()).batch(10), 10);
    }

    #[test]
    fn what_is_not_known_limits_nothing() {
        assert_eq!(Pace::default().batch(1000), 1000);
        assert_eq!(after(1_000, 50, [600, 20]).batch(1000), 1000);
        // One size only, and times that do not grow with it.
        assert_eq!(after(1_000, 50, [1; 40]).batch(1000), 1000);
        assert_eq!(after(1_000, 0, sizes()).batch(1000), 1000);
    }

    #[test]
    fn what_was_long_ago_is_forgotten() {
        let mut pace = after(50_000, 50, sizes());
        for size in sizes().cycle().take(400) {
            pace.note(size, Duration::from_micros(1_000 + 50 * size as u64));
        }
        assert_eq!(pace.batch(1000), 180);
    }

    #[test]
    fn nothing_that_is_measured_makes_a_batch_empty_or_too_large() {
        for (size, millis) in [(0, 0), (1, 1_000_000), (usize::MAX, 0), (3, 5), (1, 0)] {
            let mut pace = after(1_000, 50, sizes());
            pace.note(size, Duration::from_millis(millis));
            assert!((1..=1000).contains(&pace.batch(1000)), "{size} {millis}");
        }
    }
}
