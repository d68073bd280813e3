//! When a node that lost its data, or is new, may vote again.
//!
//! Quorums only intersect if nodes remember. A node that forgot may therefore not vote until
//!
//! 1. **it was out for a quarantine**, longer than the longest lease: every lease and every attempt
//!    that counted on its lost memory is over; and then
//! 2. **it was told a floor**: the highest number that anybody may have been given meanwhile. Any
//!    N − Q + 1 of the *other* nodes, asked after the quarantine, share a node with every quorum
//!    that it was part of.
//!
//! When so many nodes forgot that no N − Q + 1 others can remember (a cold start: the first start
//! ever, or a total loss), only clocks are left: the floor is then the client's clock, or the newest
//! token that a protected store has shown to it, whichever is higher.

use std::time::Duration;

use super::{Admission, GrantNumber, HIGH_STRIDE, Standing, timing::drift, vote::quorum};

/// What to do about one node that may not vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It votes already.
    Member,
    /// It must stay out for so much longer; then ask again.
    Wait(Duration),
    /// Admit it like this.
    Admit(Admission),
    /// It must stay out: too few others answer to know what it must be told.
    Unknown,
}

/// How long one of `nodes` nodes stays out that may have granted leases of this lifetime.
///
/// The lifetime, and twice the allowance for drift, once for the node's clock and once for the
/// holder's: a grant counts from when it was first asked for, so however late its answer comes, it is
/// over then. And once [`HIGH_STRIDE`] for each node: each admission may let numbers run ahead of the
/// clocks by a stride, each node has one in this time at most, and so a cold start, whose floor is a
/// clock, is above them all.
#[must_use]
pub fn quarantine(ttl_max: Duration, nodes: usize) -> Duration {
    let strides = HIGH_STRIDE.saturating_mul(u32::try_from(nodes).unwrap_or(u32::MAX));
    ttl_max.saturating_add(drift(ttl_max) * 2).saturating_add(strides)
}

/// Decides about `node` from how all nodes stand; `None` stands for a node that did not answer.
///
/// `standings` of the others must have been asked for **after** that of `node`: what they say is
/// only used when `node` had been out for long enough by then. `ttl` is the lifetime of this
/// client's leases; `clock_floor` is the highest of its clock and the numbers it has seen.
#[must_use]
pub fn admission(
    node: usize,
    standings: &[Option<Standing>],
    ttl: Duration,
    clock_floor: GrantNumber,
) -> Verdict {
    let (out_for, outage) = match standings.get(node) {
        Some(Some(Standing::Outside { out_for, outage })) => (*out_for, *outage),
        Some(Some(Standing::Member { .. })) => return Verdict::Member,
        Some(None) | None => return Verdict::Unknown,
    };
    let nodes = standings.len();
    let quorum = quorum(nodes);
    let members = standings.iter().flatten().filter_map(|standing| match standing {
        Standing::Member { high, ttl_max } => Some((*high, *ttl_max)),
        Standing::Outside { .. } => None,
    });
    let remembering = members.clone().count();
    let forgot = standings.iter().flatten().count() - remembering;
    // At most N − `forgot` nodes remember anything, whoever is silent.
    let cold = forgot >= quorum;
    if remembering < nodes - quorum + 1 && !cold {
        return Verdict::Unknown;
    }
    let (high, ttl_max) = members
        .fold((GrantNumber::ONE, ttl), |(high, longest), (h, t)| (high.max(h), longest.max(t)));
    let quarantine = quarantine(ttl_max, nodes);
    if let Some(left) = quarantine.checked_sub(out_for).filter(|left| !left.is_zero()) {
        return Verdict::Wait(left);
    }
    let floor = if cold { high.max(clock_floor) } else { high };
    Verdict::Admit(Admission { floor, ttl_max, quarantine, outage })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TTL: Duration = Duration::from_secs(1);
    const LONG: Duration = Duration::from_secs(5);

    fn number(n: u64) -> GrantNumber {
        GrantNumber::new(n).unwrap()
    }

    fn member(high: u64) -> Option<Standing> {
        Some(Standing::Member { high: number(high), ttl_max: LONG })
    }

    fn outside(seconds: u64) -> Option<Standing> {
        Some(Standing::Outside { out_for: Duration::from_secs(seconds), outage: 3 })
    }

    fn decide(standings: &[Option<Standing>]) -> Verdict {
        admission(0, standings, TTL, number(1000))
    }

    fn floor_of(standings: &[Option<Standing>]) -> Option<u64> {
        match decide(standings) {
            Verdict::Admit(admission) => Some(admission.floor.get()),
            Verdict::Member | Verdict::Wait(_) | Verdict::Unknown => None,
        }
    }

    #[test]
    fn a_node_takes_its_floor_from_enough_others_and_from_no_clock() {
        assert_eq!(floor_of(&[outside(9), member(7), member(9)]), Some(9));
        assert_eq!(decide(&[outside(9), member(7), None]), Verdict::Unknown);
        assert_eq!(floor_of(&[outside(9), member(7), member(8), member(9), None]), Some(9));
        assert_eq!(floor_of(&[outside(9), outside(9), member(8), member(9), member(3)]), Some(9));
        assert_eq!(decide(&[outside(9), outside(9), member(8), None, member(3)]), Verdict::Unknown);
    }

    #[test]
    fn a_node_waits_for_the_longest_lease_that_others_know_of() {
        let left = quarantine(LONG, 3) - Duration::from_secs(5);
        assert_eq!(decide(&[outside(5), member(7), member(9)]), Verdict::Wait(left));
        // Nobody remembers: this client's own lifetime is all that is known.
        assert!(matches!(decide(&[outside(5)]), Verdict::Admit(_)));
        assert!(matches!(decide(&[outside(1)]), Verdict::Wait(_)));
    }

    #[test]
    fn a_cold_start_takes_the_clock_or_what_is_left_whichever_is_higher() {
        assert_eq!(floor_of(&[outside(9)]), Some(1000));
        assert_eq!(floor_of(&[outside(9), outside(0), None]), Some(1000));
        assert_eq!(floor_of(&[outside(9), outside(0), member(2000)]), Some(2000));
        assert_eq!(decide(&[outside(9), None, None]), Verdict::Unknown);
    }

    #[test]
    fn others_that_are_enough_share_a_node_with_every_quorum_of_the_forgetful_one() {
        for nodes in 1_usize..=7 {
            let (quorum, asked) = (quorum(nodes), nodes - quorum(nodes) + 1);
            // A quorum that node 0 was part of has quorum − 1 others among the nodes − 1.
            assert!(quorum - 1 + asked > nodes - 1, "{nodes} nodes");
        }
    }
}
