//! The only place that reads a clock.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::model::{GRANT_NUMBER_MAX, GrantNumber, HINT_AHEAD_MAX, Moment};

/// A monotonic clock with an origin of its own, and the wall clock as a hint.
///
/// It is tokio's, so that tests can stop it, and the time in which the machine was suspended is
/// added on Linux, since leases run out on the nodes meanwhile. Elsewhere a lease seems valid for too
/// long after the machine woke up, and the fencing token is what refuses its late writes.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    /// Microseconds for which the machine had been suspended at the origin.
    before_us: u64,
    /// The same by now, as far as it was seen; it never falls.
    suspended_us: AtomicU64,
}

impl Clock {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub(crate) fn new() -> Self {
        let before_us = suspended_us();
        Self { origin: Instant::now(), before_us, suspended_us: AtomicU64::new(before_us) }
    }

    pub(crate) fn now(&self) -> Moment {
        let _before = self.suspended_us.fetch_max(suspended_us(), Ordering::Relaxed);
        Moment::at(self.origin.elapsed() + self.suspended())
    }

    /// As [`Clock::now`], for what decides nothing and must cost little: a suspension that nobody has
    /// looked for yet is missing.
    pub(crate) fn glance(&self) -> Moment {
        Moment::at(self.origin.elapsed() + self.suspended())
    }

    /// The instant as tokio's timers want it, if the machine is not suspended before.
    pub(crate) fn instant(&self, moment: Moment) -> Instant {
        // No process gets that old, and an instant has room for it.
        const FAR: Duration = Duration::from_secs(1000 * 365 * 24 * 60 * 60);
        self.origin + moment.since_origin().saturating_sub(self.suspended()).min(FAR)
    }

    fn suspended(&self) -> Duration {
        let by_now = self.suspended_us.load(Ordering::Relaxed);
        Duration::from_micros(by_now.saturating_sub(self.before_us))
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

/// For how long the machine has been suspended since it was started: what the clock that goes on is
/// ahead of the one that stands still. That one is read last, so that a pause between the two makes
/// it too little and never too much.
#[cfg(target_os = "linux")]
fn suspended_us() -> u64 {
    use rustix::time::{ClockId, Timespec, clock_gettime};
    let micros = |time: Timespec| time.tv_sec.saturating_mul(1_000_000) + time.tv_nsec / 1000;
    let goes_on = micros(clock_gettime(ClockId::Boottime));
    let stands_still = micros(clock_gettime(ClockId::Monotonic));
    u64::try_from(goes_on.saturating_sub(stands_still)).unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
const fn suspended_us() -> u64 {
    0
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
    fn the_time_in_which_the_machine_was_suspended_counts() {
        let clock = Clock::new();
        let (before, slept) = (clock.now(), Duration::from_secs(3600));
        let by_now = clock.before_us + 3_600_000_000;
        clock.suspended_us.store(by_now, Ordering::Relaxed);
        let woken = clock.now();
        assert!(woken - before >= slept);
        // A timer for what is due now does not wait for another hour.
        assert!(clock.instant(woken) <= clock.origin + clock.origin.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_due_is_due_however_old_the_clock_is() {
        let clock = Clock::new();
        tokio::time::advance(Duration::from_secs(2 * 365 * 24 * 60 * 60)).await;
        let soon = clock.now().after(Duration::from_secs(5));
        let before = clock.now();
        tokio::time::sleep_until(clock.instant(soon)).await;
        assert_eq!(clock.now() - before, Duration::from_secs(5));
    }

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
