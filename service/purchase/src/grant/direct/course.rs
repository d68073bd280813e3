//! What became of a request so far, and what to do next.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    grant::{GrantConfig, GrantError, Pause, Retries},
    store::StoreError,
};

/// Pauses while a server is away, or rolls back.
const AWAY: Retries = Retries {
    instant: 0,
    delayed: u32::MAX,
    pause: Pause::Exponential {
        first: Duration::from_millis(10),
        factor: 2.0,
        max: Duration::from_millis(320),
    },
    jitter: true,
};

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The whole transaction again, after a pause.
    Again(Duration),
    /// The answer.
    Over(GrantError),
}

/// The attempts at one request.
#[derive(Debug)]
pub(super) struct Course {
    retries: Retries,
    outage_patience: Duration,
    /// How often another was faster.
    conflicts: u32,
    /// The sale's version when another was last faster.
    current: Option<i64>,
    /// How often a server did not answer or rolled back, since it last did otherwise.
    failures: u32,
    away_since: Option<Instant>,
    /// Whether a write was sent whose outcome is not known. The next attempt finds out: it looks the
    /// key up.
    maybe_written: bool,
}

impl Course {
    pub(super) fn new(config: &GrantConfig) -> Self {
        Self {
            retries: config.retries,
            outage_patience: config.outage_patience,
            conflicts: 0,
            current: None,
            failures: 0,
            away_since: None,
            maybe_written: false,
        }
    }

    /// After an attempt that failed. `random` is in 0..1.
    pub(super) fn after(&mut self, error: &StoreError, random: f64) -> Next {
        match error {
            // The bound is checked by the write again: another was faster.
            StoreError::Moved { .. } | StoreError::KeyTaken | StoreError::OverCapacity => {
                (self.failures, self.away_since) = (0, None);
                if let StoreError::Moved { current } = error {
                    self.current = current.or(self.current);
                }
                self.conflicts = self.conflicts.saturating_add(1);
                let pause = self.retries.next(self.conflicts, random);
                pause.map_or_else(|| Next::Over(self.is_late()), Next::Again)
            }
            StoreError::Unavailable(_) | StoreError::Unknown(_) | StoreError::NotMigrated => {
                self.maybe_written |= matches!(error, StoreError::Unknown(_));
                self.failures = self.failures.saturating_add(1);
                let away = self.away_since.get_or_insert_with(Instant::now).elapsed();
                match AWAY.next(self.failures, random) {
                    Some(pause) if away < self.outage_patience => Next::Again(pause),
                    _ => Next::Over(self.gives_up(GrantError::Unavailable(error.to_string()))),
                }
            }
            other => Next::Over(self.gives_up(GrantError::Internal(other.to_string()))),
        }
    }

    /// There is no time for another attempt.
    pub(super) fn is_late(&self) -> GrantError {
        self.gives_up(match self.conflicts {
            0 => GrantError::Busy,
            tries => GrantError::Conflict { tries, current: self.current },
        })
    }

    /// With this error, unless the request may have been granted.
    pub(super) fn gives_up(&self, error: GrantError) -> GrantError {
        if self.maybe_written { GrantError::Unknown } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn course() -> Course {
        let retries = Retries { instant: 1, delayed: 1, pause: Pause::Fixed(MS), jitter: false };
        Course::new(&GrantConfig { retries, outage_patience: 50 * MS, ..GrantConfig::new("test") })
    }

    fn away() -> StoreError {
        StoreError::Unavailable(sqlx::Error::PoolTimedOut)
    }

    #[test]
    fn a_request_that_others_overtake_ends_as_a_conflict() {
        let mut course = course();
        let after = |course: &mut Course, error| course.after(&error, 0.5);
        assert_eq!(after(&mut course, StoreError::KeyTaken), Next::Again(Duration::ZERO));
        assert_eq!(course.is_late(), GrantError::Conflict { tries: 1, current: None });
        let moved = |current| StoreError::Moved { current };
        assert_eq!(after(&mut course, moved(Some(7))), Next::Again(MS));
        let conflict = GrantError::Conflict { tries: 3, current: Some(8) };
        assert_eq!(after(&mut course, moved(Some(8))), Next::Over(conflict));
        // What is said without a version takes none away.
        let conflict = GrantError::Conflict { tries: 4, current: Some(8) };
        assert_eq!(after(&mut course, moved(None)), Next::Over(conflict));
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_away_is_waited_for_as_long_as_said() {
        let mut course = course();
        assert_eq!(course.after(&away(), 1.0), Next::Again(10 * MS));
        tokio::time::advance(40 * MS).await;
        assert_eq!(course.after(&away(), 1.0), Next::Again(20 * MS));
        tokio::time::advance(10 * MS).await;
        assert!(matches!(course.after(&away(), 1.0), Next::Over(GrantError::Unavailable(_))));
        // Whoever had an answer in between begins anew.
        assert_eq!(
            course.after(&StoreError::Moved { current: None }, 1.0),
            Next::Again(Duration::ZERO)
        );
        assert_eq!(course.after(&away(), 1.0), Next::Again(10 * MS));
    }

    #[test]
    fn what_may_have_been_written_is_never_said_not_to_have_happened() {
        let mut course = course();
        let unknown = StoreError::Unknown(sqlx::Error::PoolTimedOut);
        assert!(matches!(course.after(&unknown, 0.0), Next::Again(_)));
        assert_eq!(course.is_late(), GrantError::Unknown);
        assert_eq!(course.gives_up(GrantError::Busy), GrantError::Unknown);
        let corrupt = StoreError::Corrupt(String::new());
        assert_eq!(course.after(&corrupt, 0.0), Next::Over(GrantError::Unknown));
    }
}
