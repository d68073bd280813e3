//! How often a decision that was overtaken is taken again, and after which pauses.

use std::time::Duration;

/// The pauses between retries that are not made at once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pause {
    /// Always the same.
    Fixed(Duration),
    /// Each `factor` times the one before it, up to `max`.
    Exponential {
        /// The first one.
        first: Duration,
        /// At least 1.
        factor: f64,
        /// The longest one.
        max: Duration,
    },
}

/// When a request whose decision was overtaken is decided again: first at once, then after pauses.
/// However many retries there are, they end with the patience of the request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Retries {
    /// Retries that are made at once. Default: 3.
    pub instant: u32,
    /// Retries after a pause each, beyond them. Default: 60.
    pub delayed: u32,
    /// How long those pauses are. Default: from 2 ms on, doubled up to 100 ms.
    pub pause: Pause,
    /// Whether each pause is a random part of that, so that those who collided do not do so again.
    /// Default: yes.
    pub jitter: bool,
}

impl Default for Retries {
    fn default() -> Self {
        let (first, max) = (Duration::from_millis(2), Duration::from_millis(100));
        let pause = Pause::Exponential { first, factor: 2.0, max };
        Self { instant: 3, delayed: 60, pause, jitter: true }
    }
}

impl Retries {
    /// The pause before the next retry, after this many tries that failed; `None` when that was the
    /// last one. `random` is in 0..1.
    #[must_use]
    pub fn next(&self, failed: u32, random: f64) -> Option<Duration> {
        let Some(delayed) = failed.checked_sub(self.instant).filter(|n| *n > 0) else {
            return Some(Duration::ZERO);
        };
        if delayed > self.delayed {
            return None;
        }
        let whole = match self.pause {
            Pause::Fixed(pause) => pause,
            Pause::Exponential { first, factor, max } => {
                let times = factor.max(1.0).powi(i32::try_from(delayed - 1).unwrap_or(i32::MAX));
                let seconds = (first.as_secs_f64() * times).min(max.as_secs_f64());
                Duration::from_secs_f64(seconds)
            }
        };
        Some(if self.jitter { whole.mul_f64(random.clamp(0.0, 1.0)) } else { whole })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn pauses(retries: &Retries, random: f64) -> Vec<Duration> {
        (1..).map_while(|failed| retries.next(failed, random)).collect()
    }

    #[test]
    fn instant_ones_come_first_then_pauses_up_to_the_longest_then_none() {
        let pause = Pause::Exponential { first: MS, factor: 3.0, max: 20 * MS };
        let retries = Retries { instant: 2, delayed: 5, pause, jitter: false };
        let expected = [0, 0, 1, 3, 9, 20, 20].map(|ms| ms * MS);
        assert_eq!(pauses(&retries, 0.5), expected);
        let fixed = Retries { pause: Pause::Fixed(7 * MS), delayed: 2, ..retries };
        assert_eq!(pauses(&fixed, 0.5), [0, 0, 7, 7].map(|ms| ms * MS));
        let none = Retries { instant: 0, delayed: 0, ..retries };
        assert_eq!(pauses(&none, 0.5), Vec::<Duration>::new());
    }

    #[test]
    fn with_jitter_a_pause_is_any_part_of_it() {
        let retries = Retries { instant: 0, delayed: 1, pause: Pause::Fixed(8 * MS), jitter: true };
        assert_eq!(
            [0.0, 0.25, 1.0].map(|r| retries.next(1, r).unwrap()),
            [0, 2, 8].map(|ms| ms * MS)
        );
    }

    #[test]
    fn no_number_of_retries_overflows() {
        let pause = Pause::Exponential { first: Duration::MAX, factor: f64::MAX, max: 9 * MS };
        let retries = Retries { instant: 0, delayed: u32::MAX, pause, jitter: true };
        assert_eq!(retries.next(u32::MAX, 2.0), Some(9 * MS));
    }
}
