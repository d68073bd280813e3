//! Whether a node may vote, and what it has to know for that.

use std::time::Duration;

use super::{Ledger, micros};
use crate::model::{
    Admission, GRANT_NUMBER_MAX, GrantNumber, Moment, Reply, Standing,
    limits::{HIGH_STRIDE, HINT_AHEAD_MAX},
};

/// What makes a node a member: it is gone when the node's data is, and names the run of the
/// process that was admitted, so that data of an earlier run does not count.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Member {
    pub(super) run: u32,
    /// No number that was ever bound here is higher.
    pub(super) high: u64,
    /// Numbers of forgotten fences are not higher than this, or than any clock of that time.
    pub(super) floor: u64,
    pub(super) ttl_max: Duration,
}

impl Ledger {
    pub(super) fn stand(&mut self, now: Moment) -> Standing {
        if self.is_member()
            && let Some(Member { high, ttl_max, .. }) = self.member
        {
            let high = GrantNumber::new(high.max(1)).unwrap_or(GrantNumber::ONE);
            return Standing::Member { high, ttl_max };
        }
        let since = self.untouched_since.unwrap_or(now);
        let since = *self.outside_since.get_or_insert(since);
        // An admission is for one outage: one run of the process, and one loss of its data.
        let outage = u64::from(self.run) << 32 | u64::from(self.flushes);
        Standing::Outside { out_for: now - since, outage }
    }

    pub(super) fn admit(&mut self, admission: Admission, now: Moment) -> Reply {
        let Admission { floor, ttl_max, quarantine, outage } = admission;
        let standing @ Standing::Outside { out_for, outage: this } = self.stand(now) else {
            return Reply::Admitted;
        };
        // What was decided for an earlier outage knows nothing of what came after it.
        if this != outage || out_for < quarantine {
            return Reply::Standing(standing);
        }
        let (high, floor) = (floor.get(), floor.get());
        self.member = Some(Member { run: self.run, high, floor, ttl_max });
        self.outside_since = None;
        Reply::Admitted
    }

    pub(super) fn is_member(&mut self) -> bool {
        if !self.compared {
            self.compared = true;
            self.member = self.member.take().filter(|member| member.run == self.run);
        }
        self.member.is_some()
    }
}

impl Member {
    pub(super) fn raise(&mut self, number: u64, ttl: Duration, node_clock: GrantNumber) {
        if number > self.high {
            let ahead = number.max(node_clock.get()).saturating_add(micros(HIGH_STRIDE));
            self.high = ahead.min(GRANT_NUMBER_MAX);
            // Further ahead than a forgotten number may be: the floor remembers it.
            if number.saturating_sub(node_clock.get()) > micros(HINT_AHEAD_MAX) {
                self.floor = self.high;
            }
        }
        self.ttl_max = self.ttl_max.max(ttl);
    }
}
