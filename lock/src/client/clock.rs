//! The only place that reads a clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::model::{GRANT_NUMBER_MAX, GrantNumber, HINT_AHEAD_MAX, Moment};

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

/// A hybrid logical clock: the wall clock, but above every number seen, within a bound.
///
/// Only the number of round trips depends on it, never the order of tokens: a node mints above its
/// own fence whatever the hint says. The bound keeps one number that is far in the future (of one
/// resource, or made up) from making this client's hints unacceptable to every node.
#[derive(Debug, Default)]
pub(crate) struct Hints {
    highest: AtomicU64,
}

/// How far a hint follows the numbers seen ahead of this client's wall clock: half of what nodes
/// accept, so that clocks may differ by the other half.
const AHEAD_MAX_US: u64 = HINT_AHEAD_MAX.as_secs() * 1_000_000 / 2;

impl Hints {
    /// The next hint: the wall clock, or one above the highest number seen or given out.
    pub(crate) fn next(&self, wall: GrantNumber) -> GrantNumber {
        let bound = wall.get().saturating_add(AHEAD_MAX_US).min(GRANT_NUMBER_MAX);
        let bump = |highest: u64| wall.get().max(highest.saturating_add(1)).min(bound);
        let keep = |highest: u64| Some(highest.max(bump(highest)));
        let before = self.highest.fetch_update(Ordering::Relaxed, Ordering::Relaxed, keep);
        GrantNumber::new(bump(before.unwrap_or_default())).unwrap_or(GrantNumber::ONE)
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

    #[test]
    fn a_number_far_in_the_future_does_not_carry_the_hints_away() {
        let number = |n| GrantNumber::new(n).unwrap();
        let hints = Hints::default();
        hints.observe(number(GRANT_NUMBER_MAX));
        assert_eq!(hints.next(number(1000)), number(1000 + AHEAD_MAX_US));
        assert_eq!(hints.next(number(2000)), number(2000 + AHEAD_MAX_US));
    }
}
