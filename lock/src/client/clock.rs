//! The only place that reads a clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::model::{GRANT_NUMBER_MAX, GrantNumber, Moment};

/// A monotonic clock with an origin of its own, and the wall clock as a hint.
///
/// The monotonic clock is tokio's, so that tests can stop it. It may stand still while the machine
/// is suspended: a lease then seems valid for too long after waking up, and the fencing token is
/// what refuses its late writes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::at(self.origin.elapsed())
    }

    /// The instant as tokio's timers want it.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        // A moment that far in the future is never waited for to its end.
        const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
        self.origin + moment.since_origin().min(FAR)
    }

    /// Microseconds since 1970, never 0.
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn wall(&self) -> GrantNumber {
        let since_1970 =
            SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since_1970.as_micros()).unwrap_or(GRANT_NUMBER_MAX);
        GrantNumber::new(micros.clamp(1, GRANT_NUMBER_MAX)).unwrap_or(GrantNumber::ONE)
    }
}

/// A hybrid logical clock: the wall clock, but always above every number seen.
///
/// Only the number of round trips depends on it, never the order of tokens.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    highest: AtomicU64,
}

impl Hints {
    /// The next hint: the wall clock, or one above the highest number seen or given out.
    pub(crate) fn next(&self, wall: GrantNumber) -> GrantNumber {
        let bump =
            |highest: u64| Some(wall.get().max(highest.saturating_add(1)).min(GRANT_NUMBER_MAX));
        let before = self.highest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, bump);
        let highest = before.unwrap_or_default();
        GrantNumber::new(bump(highest).unwrap_or(1)).unwrap_or(GrantNumber::ONE)
    }

    /// Lifts later hints above a number that was seen.
    pub(crate) fn observe(&self, number: GrantNumber) {
        let _before = self.highest.fetch_max(number.get(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_follow_the_wall_clock_and_stay_above_what_was_seen() {
        let number = |n| GrantNumber::new(n).unwrap();
        let hints = Hints::default();
        assert_eq!(hints.next(number(100)), number(100));
        assert_eq!(hints.next(number(100)), number(101));
        hints.observe(number(500));
        hints.observe(number(400));
        assert_eq!(hints.next(number(200)), number(501));
        assert_eq!(hints.next(number(900)), number(900));
    }
}
