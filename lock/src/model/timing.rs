//! How long things may take, and how long a lease may be acted on.

use std::time::Duration;

/// Shortest lease lifetime: below it the allowance for drift eats the lease.
pub const TTL_MIN: Duration = Duration::from_millis(20);

/// Longest lease lifetime: a day. A lease that should last longer is renewed.
pub const TTL_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Fixed part of the drift allowance: Redis expires keys with a resolution of a millisecond.
const DRIFT_FIXED: Duration = Duration::from_millis(2);

/// Allowance for clocks that run at different rates over this span.
pub(super) fn drift(span: Duration) -> Duration {
    span / 100 + DRIFT_FIXED
}

/// The lifetime of a lease and the time limit of one node, checked against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    ttl: Duration,
    node_timeout: Duration,
}

/// Two durations that do not fit together; both are in the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimingError {
    /// The lifetime is outside `TTL_MIN..=TTL_MAX`.
    #[error("a ttl of {ttl:?} is not between {TTL_MIN:?} and {TTL_MAX:?}")]
    Ttl {
        /// What was given.
        ttl: Duration,
    },
    /// The lifetime has a part of a millisecond, which Redis cannot keep.
    #[error("a ttl of {ttl:?} is not a whole number of milliseconds")]
    Fraction {
        /// What was given.
        ttl: Duration,
    },
    /// Two rounds against a silent node would use the lease up.
    #[error(
        "a node timeout of {node_timeout:?} does not fit a ttl of {ttl:?}: it must be above zero, \
         and two of it plus the drift of {drift:?} must be below the ttl"
    )]
    NodeTimeout {
        /// The lifetime.
        ttl: Duration,
        /// The time limit of one node.
        node_timeout: Duration,
        /// The allowance for drift that follows from the lifetime.
        drift: Duration,
    },
}

impl Timing {
    /// Checks a lifetime and a node's time limit against each other.
    ///
    /// # Errors
    ///
    /// When `ttl` is not a whole number of milliseconds in [`TTL_MIN`]..=[`TTL_MAX`], or when one
    /// silent node in each of the two rounds that a grant may need would use the lease up:
    /// `2 * node_timeout + drift >= ttl`.
    pub fn new(ttl: Duration, node_timeout: Duration) -> Result<Self, TimingError> {
        if !(TTL_MIN..=TTL_MAX).contains(&ttl) {
            return Err(TimingError::Ttl { ttl });
        }
        if !ttl.subsec_nanos().is_multiple_of(1_000_000) {
            return Err(TimingError::Fraction { ttl });
        }
        let timing = Self { ttl, node_timeout };
        let drift = timing.drift();
        let used_up = node_timeout.saturating_mul(2).saturating_add(drift);
        if node_timeout.is_zero() || used_up >= ttl {
            return Err(TimingError::NodeTimeout { ttl, node_timeout, drift });
        }
        Ok(timing)
    }

    /// What each node is asked to keep the key for.
    #[must_use]
    pub const fn ttl(&self) -> Duration {
        self.ttl
    }

    /// How long one node may take to answer, connecting included.
    #[must_use]
    pub const fn node_timeout(&self) -> Duration {
        self.node_timeout
    }

    /// Allowance for clocks that run at different rates: 1 % of the lifetime and 2 ms.
    ///
    /// Source: Redis documentation, "Distributed Locks with Redis", `CLOCK_DRIFT`; the reference
    /// implementation's `(ttl * 0.01) + 2`.
    #[must_use]
    pub fn drift(&self) -> Duration {
        drift(self.ttl)
    }

    /// Time left to act on a lease whose round took `elapsed`, or `None` when none is left.
    ///
    /// `elapsed` runs from before the first request was sent to after the last counted answer
    /// came, so the result errs on the short side.
    ///
    /// Source: Redis documentation, "Distributed Locks with Redis", Safety Arguments:
    /// `MIN_VALIDITY = TTL - (T2 - T1) - CLOCK_DRIFT`.
    #[must_use]
    pub fn validity(&self, elapsed: Duration) -> Option<Duration> {
        self.ttl
            .checked_sub(elapsed)
            .and_then(|left| left.checked_sub(self.drift()))
            .filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn durations_that_do_not_fit_are_refused_with_both_values() {
        for ttl in
            [ms(0), ms(1), ms(19), TTL_MAX + ms(1), Duration::from_secs(315_360_000), Duration::MAX]
        {
            assert_eq!(Timing::new(ttl, ms(1)), Err(TimingError::Ttl { ttl }));
        }
        assert!(matches!(
            Timing::new(Duration::from_micros(20_500), ms(1)),
            Err(TimingError::Fraction { .. })
        ));
        for node_timeout in [ms(0), ms(494), ms(500), Duration::MAX] {
            let error = Timing::new(ms(1000), node_timeout).unwrap_err();
            assert_eq!(
                error,
                TimingError::NodeTimeout { ttl: ms(1000), node_timeout, drift: ms(12) }
            );
        }
        assert!(Timing::new(ms(1000), ms(493)).is_ok());
    }

    #[test]
    fn validity_never_underflows_and_never_reaches_the_ttl() {
        let timing = Timing::new(ms(1000), ms(100)).unwrap();
        assert_eq!(timing.validity(ms(0)), Some(ms(988)));
        assert_eq!(timing.validity(ms(987)), Some(ms(1)));
        assert_eq!(timing.validity(ms(988)), None);
        assert_eq!(timing.validity(Duration::MAX), None);
    }
}
