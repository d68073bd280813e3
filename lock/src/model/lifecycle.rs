//! A held lease from grant to end: when to renew, when to give the signal, when to stop.

use super::{Moment, Timing, Verdict};

/// What a renewal came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// A quorum lets the lease run anew.
    Renewed,
    /// So many nodes say it is not ours that no quorum is left.
    Lost,
    /// Too few answered to know. The lease stays valid until its validity ends.
    Unknown,
}

impl Renewal {
    /// Reads a settled vote.
    #[must_use]
    pub const fn from_verdict(verdict: Verdict) -> Option<Self> {
        match verdict {
            Verdict::Pending => None,
            Verdict::Yes => Some(Self::Renewed),
            Verdict::No => Some(Self::Lost),
            Verdict::Unknown => Some(Self::Unknown),
        }
    }

    /// Its name, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Renewed => "renewed",
            Self::Lost => "lost",
            Self::Unknown => "unknown",
        }
    }
}

/// Why a lease is over before it was released.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Loss {
    /// Its validity ended before a renewal succeeded.
    #[error("the lease's validity ended before a renewal succeeded")]
    Expired,
    /// A quorum of nodes says that it is not ours any more.
    #[error("a quorum of nodes says that the lease is not ours any more")]
    Taken,
    /// It reached its longest lifetime and was not renewed further.
    #[error("the lease reached its longest lifetime")]
    LifetimeOver,
}

impl Loss {
    /// Its name, for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Taken => "taken",
            Self::LifetimeOver => "lifetime_over",
        }
    }
}

/// What the keeper of a lease does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask the nodes for a renewal now.
    Renew,
    /// Nothing before this instant.
    WaitUntil(Moment),
    /// The lease is over: tell whoever works under it.
    Lost(Loss),
}

/// The state of one held lease; every change of it goes through here.
///
/// | state | event | then |
/// | --- | --- | --- |
/// | held | a third of the TTL has passed | renew |
/// | renewing | renewed | held, valid anew |
/// | renewing | lost | lost (taken) |
/// | renewing | unknown | held; renew again after a twelfth of the TTL |
/// | held, renewing | validity ends | lost (expired, or lifetime over) |
/// | lost | anything | lost: it never comes back |
#[derive(Clone, Debug)]
pub struct Lifecycle {
    timing: Timing,
    valid_until: Moment,
    renew_at: Moment,
    /// No renewal begins from here on.
    renewals_end: Moment,
    renewing_since: Option<Moment>,
    loss: Option<Loss>,
}

impl Lifecycle {
    /// A lease whose TTL was armed on a quorum by requests that were first sent at `sent`, and
    /// which may be renewed until `renewals_end`; `None` when no validity is left at `now`.
    #[must_use]
    pub fn held(timing: Timing, sent: Moment, now: Moment, renewals_end: Moment) -> Option<Self> {
        let left = timing.validity(now - sent)?;
        Some(Self {
            timing,
            valid_until: now.after(left),
            renew_at: sent.after(timing.ttl() / 3),
            renewals_end,
            renewing_since: None,
            loss: None,
        })
    }

    /// Until when the holder may act, unless it is renewed or lost.
    #[must_use]
    pub const fn valid_until(&self) -> Moment {
        self.valid_until
    }

    /// Why the lease is over, if it is.
    #[must_use]
    pub const fn loss(&self) -> Option<Loss> {
        self.loss
    }

    /// What to do at `now`. After [`Next::Renew`] the caller reports with
    /// [`Lifecycle::renewal_ended`].
    pub fn next(&mut self, now: Moment) -> Next {
        if self.loss.is_none() && now >= self.valid_until {
            let over = self.valid_until >= self.renewals_end && self.renewing_since.is_none();
            self.loss = Some(if over { Loss::LifetimeOver } else { Loss::Expired });
        }
        if let Some(loss) = self.loss {
            return Next::Lost(loss);
        }
        let renewable = self.renewing_since.is_none() && self.renew_at < self.renewals_end;
        if !renewable {
            return Next::WaitUntil(self.valid_until);
        }
        if now < self.renew_at {
            return Next::WaitUntil(self.renew_at.min(self.valid_until));
        }
        if now >= self.renewals_end {
            return Next::WaitUntil(self.valid_until);
        }
        self.renewing_since = Some(now);
        Next::Renew
    }

    /// Lets renewals begin until `end`: the lease was passed on, and its next holder has a lifetime
    /// of its own.
    pub fn prolong(&mut self, end: Moment) {
        self.renewals_end = self.renewals_end.max(end);
    }

    /// Takes the outcome of the renewal that [`Lifecycle::next`] asked for.
    ///
    /// A renewal counts from the instant at which it began; one that took so long that no validity
    /// would be left changes nothing. A lost lease stays lost, whatever comes late.
    pub fn renewal_ended(&mut self, outcome: Renewal, now: Moment) {
        let Some(sent) = self.renewing_since.take() else { return };
        if self.loss.is_some() {
            return;
        }
        match outcome {
            Renewal::Lost => self.loss = Some(Loss::Taken),
            Renewal::Unknown => self.renew_at = now.after(self.timing.ttl() / 12),
            Renewal::Renewed => {
                self.renew_at = sent.after(self.timing.ttl() / 3);
                let until = sent.after(self.timing.ttl() - self.timing.drift());
                if now < self.valid_until {
                    self.valid_until = self.valid_until.max(until);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const fn at(ms: u64) -> Moment {
        Moment::at(Duration::from_millis(ms))
    }

    /// TTL 1200 ms: renewal after 400, again after 100 when unknown, validity 1186.
    fn lease(renewals_end: Moment) -> Lifecycle {
        let timing = Timing::new(Duration::from_millis(1200), Duration::from_millis(100)).unwrap();
        Lifecycle::held(timing, at(0), at(0), renewals_end).unwrap()
    }

    const FAR: Moment = at(1_000_000);

    #[test]
    fn renews_at_a_third_and_is_valid_anew_from_the_renewals_start() {
        let mut lease = lease(FAR);
        assert_eq!(lease.next(at(0)), Next::WaitUntil(at(400)));
        assert_eq!(lease.next(at(400)), Next::Renew);
        assert_eq!(lease.next(at(410)), Next::WaitUntil(at(1186)));
        lease.renewal_ended(Renewal::Renewed, at(450));
        assert_eq!(lease.valid_until(), at(400 + 1186));
        assert_eq!(lease.next(at(450)), Next::WaitUntil(at(800)));
    }

    #[test]
    fn an_unknown_renewal_is_tried_again_and_does_not_end_the_lease() {
        let mut lease = lease(FAR);
        assert_eq!(lease.next(at(400)), Next::Renew);
        lease.renewal_ended(Renewal::Unknown, at(500));
        assert_eq!(lease.next(at(500)), Next::WaitUntil(at(600)));
        assert_eq!(lease.next(at(600)), Next::Renew);
        // Nobody answers any more: the signal comes when the old validity ends.
        assert_eq!(lease.next(at(1185)), Next::WaitUntil(at(1186)));
        assert_eq!(lease.next(at(1186)), Next::Lost(Loss::Expired));
        // A yes that comes after the end resurrects nothing.
        lease.renewal_ended(Renewal::Renewed, at(1190));
        assert_eq!(lease.next(at(1190)), Next::Lost(Loss::Expired));
    }

    #[test]
    fn a_taken_lease_is_lost_at_once_and_for_good() {
        let mut lease = lease(FAR);
        assert_eq!(lease.next(at(400)), Next::Renew);
        lease.renewal_ended(Renewal::Lost, at(410));
        assert_eq!(lease.next(at(410)), Next::Lost(Loss::Taken));
        assert_eq!(lease.next(at(5000)), Next::Lost(Loss::Taken));
    }

    #[test]
    fn no_renewal_begins_after_the_longest_lifetime() {
        let mut lease = lease(at(500));
        assert_eq!(lease.next(at(400)), Next::Renew);
        lease.renewal_ended(Renewal::Renewed, at(410));
        assert_eq!(lease.next(at(410)), Next::WaitUntil(at(1586)));
        assert_eq!(lease.next(at(900)), Next::WaitUntil(at(1586)));
        assert_eq!(lease.next(at(1586)), Next::Lost(Loss::LifetimeOver));
    }

    #[test]
    fn a_grant_that_took_too_long_is_never_held() {
        let timing = Timing::new(Duration::from_millis(1200), Duration::from_millis(100)).unwrap();
        assert!(Lifecycle::held(timing, at(0), at(1186), FAR).is_none());
        assert!(Lifecycle::held(timing, at(0), at(1185), FAR).is_some());
    }
}
