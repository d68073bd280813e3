//! Which faults when: from a seed, or from a file that an earlier run wrote. No clock, no servers.

use std::time::Duration;

use anyhow::bail;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::IndexedRandom as _};
use serde::{Deserialize, Serialize};

use crate::{
    fault::{Fault, Parting, Planned, Victim, Way},
    means::Means,
};

/// The longest fault: some leases' lifetimes.
const LASTS_MAX: Duration = Duration::from_secs(5);
/// The shortest.
const LASTS_MIN: Duration = Duration::from_millis(100);
/// How often a draw that is in the way of a fault under way is repeated.
const DRAWS: u32 = 20;

/// What there is to break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Lease nodes.
    pub nodes: usize,
    /// Replicas.
    pub replicas: usize,
    /// Lock holders.
    pub holders: usize,
    /// What can be done to them.
    pub means: Means,
}

impl Shape {
    /// Whether one of the lock holders, the last, takes its leases through a sidecar: some must not.
    #[must_use]
    pub const fn has_sidecar(self) -> bool {
        self.holders >= 2
    }
}

/// A run's faults in the order in which they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    /// The faults.
    pub faults: Vec<Planned>,
}

impl Schedule {
    /// The pause between two faults' beginnings, at most, unless told otherwise: mostly one or two are
    /// under way at once.
    pub const GAP: Duration = Duration::from_millis(2500);

    /// No fault of a schedule begins later, nor lasts longer.
    pub const LATEST: Duration = Duration::from_secs(7 * 24 * 3600);

    /// Draws the faults of a run of this length, `gap` between their beginnings at most. The same seed and shape give the same faults; a
    /// longer run begins with those of a shorter one.
    ///
    /// All faults are undone before the run ends. Only one node ever forgets: that a majority
    /// forgets at once is another promise, with a test of its own (`tests/system`, `total_loss`).
    #[must_use]
    pub fn random(seed: u64, length: Duration, shape: Shape, gap: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let forgetful = random.random_range(0..shape.nodes);
        let mut faults: Vec<Planned> = Vec::new();
        let mut at = Duration::ZERO;
        loop {
            at += gap.mul_f64(random.random::<f64>());
            let lasts = lasting(&mut random);
            // Decided by the beginning alone, so that a longer run begins with the same faults.
            if at + LASTS_MAX >= length {
                return Self { faults };
            }
            let drawn = (0..DRAWS).find_map(|_| {
                let fault = draw(&mut random, shape, forgetful)?;
                let planned = Planned { at, lasts: lasts.max(least(fault)), fault };
                is_possible(&faults, &planned, shape).then_some(planned)
            });
            faults.extend(drawn);
        }
    }

    /// Whether it takes disks that can be full.
    #[must_use]
    pub fn fills_disks(&self) -> bool {
        self.faults.iter().any(|one| matches!(one.fault, Fault::FillDisk(_)))
    }

    /// Whether all of it can happen where there is this to break.
    ///
    /// # Errors
    /// Names the first fault that cannot, and why.
    pub fn fits(&self, shape: Shape) -> anyhow::Result<()> {
        for (index, one) in self.faults.iter().enumerate() {
            if one.at > Self::LATEST || one.lasts > Self::LATEST {
                let (number, most) = (index + 1, Self::LATEST);
                bail!("fault {number} ({}) is not over within {most:?}", one.fault.about());
            }
            if let Some(missing) = one.fault.missing(shape) {
                bail!("fault {} ({}) cannot happen: {missing}", index + 1, one.fault.about());
            }
        }
        Ok(())
    }

    /// How long a run of these faults takes.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.faults.iter().map(Planned::ends).max().unwrap_or_default()
    }
}

/// Mostly short, sometimes longer than a lease.
fn lasting(random: &mut StdRng) -> Duration {
    let part = random.random::<f64>();
    LASTS_MIN + (LASTS_MAX - LASTS_MIN).mul_f64(part * part)
}

/// How long a fault must last to be one.
fn least(fault: Fault) -> Duration {
    match fault {
        // It takes a while until somebody comes by.
        Fault::KillBeforeWrite | Fault::KillAfterWrite | Fault::PauseBeforeWrite => {
            Duration::from_secs(1)
        }
        // Nor is a disk full before something is written.
        Fault::FillDisk(_) => Duration::from_millis(500),
        _ => LASTS_MIN,
    }
}

/// `None` when what was drawn cannot be done here.
fn draw(random: &mut StdRng, shape: Shape, forgetful: usize) -> Option<Fault> {
    const WAYS: [Way; 6] =
        [Way::Cut, Way::Silent, Way::NoReplies, Way::Delayed, Way::Slow, Way::Twice];
    let node = random.random_range(0..shape.nodes);
    let replica = random.random_range(0..shape.replicas);
    let way = WAYS.choose(random).copied().unwrap_or(Way::Cut);
    Some(match random.random_range(0..36) {
        0 | 1 => Fault::Kill(Victim::Replica(replica)),
        2 | 3 => Fault::Pause(Victim::Replica(replica)),
        4 => Fault::Drain(replica),
        5 | 6 => Fault::Kill(Victim::Node(node)),
        7 => Fault::Pause(Victim::Node(node)),
        8 => Fault::Kill(Victim::Postgres),
        9 => Fault::Pause(Victim::Postgres),
        10 => Fault::KillBeforeWrite,
        11 => Fault::KillAfterWrite,
        12 => Fault::PauseBeforeWrite,
        13 => Fault::ToPostgres(replica, way),
        14 => Fault::ToNode(replica, node, way),
        15 => Fault::ToNodes(replica, way),
        16 | 17 => Fault::ToReplica(replica, way),
        18 if shape.holders > 0 => Fault::HolderToNodes(random.random_range(0..shape.holders), way),
        19 => Fault::RefuseWrites(node),
        20 => Fault::ForgetScripts(node),
        21 => Fault::Connections(node, random.random_range(0..4)),
        22 => Fault::Forget(forgetful),
        23 => Fault::TakeConnections,
        other => return rare(random, shape, other, (node, forgetful)),
    })
}

/// What takes a program, or means, that not every run has.
fn rare(
    random: &mut StdRng,
    shape: Shape,
    which: u32,
    (node, forgetful): (usize, usize),
) -> Option<Fault> {
    const PARTINGS: [Parting; 4] =
        [Parting::Whole, Parting::OneWay, Parting::Rejected, Parting::Lossy];
    let Shape { means, .. } = shape;
    let replica = random.random_range(0..shape.replicas);
    Some(match which {
        24 if means.clocks => Fault::Clock(Victim::Replica(replica), jump(random)),
        25 if means.clocks => Fault::Clock(Victim::Node(forgetful), jump(random)),
        26 | 27 if shape.has_sidecar() => Fault::Kill(Victim::Sidecar),
        28 if shape.has_sidecar() => Fault::Pause(Victim::Sidecar),
        29 if means.balancer => Fault::Kill(Victim::Balancer),
        30 if means.balancer => Fault::Pause(Victim::Balancer),
        31 if means.small_disks => Fault::FillDisk(Victim::Node(node)),
        32 if means.small_disks => Fault::FillDisk(Victim::Postgres),
        33 if means.slow_syncs => Fault::SlowSync(Victim::Node(node)),
        34 if means.slow_syncs => Fault::SlowSync(Victim::Postgres),
        35 if means.networks => {
            // Only the first lives in a network of its own.
            Fault::Part(0, PARTINGS.choose(random).copied().unwrap_or(Parting::Whole))
        }
        _ => return None,
    })
}

/// Some seconds or about a day, ahead or behind.
fn jump(random: &mut StdRng) -> i64 {
    let far = if random.random() { 100_000 } else { 5 };
    random.random_range(-far..=far)
}

/// Whether nothing under way is in its way.
fn is_possible(before: &[Planned], planned: &Planned, shape: Shape) -> bool {
    let under_way = || before.iter().filter(|other| other.ends() + RECOVERY > planned.at);
    if under_way().any(|other| other.fault.clashes(planned.fault)) {
        return false;
    }
    // Somebody must be left to sell: what is shown otherwise is only that nobody does.
    let is_down = |fault: Fault| match fault {
        Fault::Kill(Victim::Replica(_)) | Fault::Pause(Victim::Replica(_)) | Fault::Drain(_) => 1,
        Fault::KillBeforeWrite | Fault::KillAfterWrite | Fault::PauseBeforeWrite => 1,
        _ => 0,
    };
    let down: usize = under_way().map(|other| is_down(other.fault)).sum();
    down + is_down(planned.fault) < shape.replicas.max(2)
}

/// How long who was broken is left alone after it was mended.
const RECOVERY: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape { nodes: 3, replicas: 3, holders: 3, means: MEANS };
    const MEANS: Means =
        Means { clocks: true, balancer: true, small_disks: true, slow_syncs: true, networks: true };
    const HOUR: Duration = Duration::from_secs(3600);

    fn random(seed: u64, length: Duration) -> Schedule {
        Schedule::random(seed, length, SHAPE, Schedule::GAP)
    }

    #[test]
    fn a_seed_gives_the_same_faults_and_a_longer_run_begins_with_them() {
        let long = random(7, HOUR);
        assert_eq!(long, random(7, HOUR));
        assert_ne!(long, random(8, HOUR));
        let short = random(7, HOUR / 60);
        assert_eq!(short.faults, long.faults[..short.faults.len()]);
        assert!(short.faults.len() > 20, "{}", short.faults.len());
    }

    #[test]
    fn nobody_has_two_faults_at_once_and_all_end_in_time() {
        for seed in 0..20 {
            let faults = random(seed, HOUR / 10).faults;
            for (index, one) in faults.iter().enumerate() {
                assert!(one.ends() <= HOUR / 10);
                for two in faults[index + 1..].iter().filter(|two| two.at < one.ends()) {
                    let (mine, theirs) = (one.fault.claims(), two.fault.claims());
                    let clash = mine.iter().any(|a| theirs.iter().any(|b| a.clashes(*b)));
                    assert!(!clash, "seed {seed}: {one:?} and {two:?}");
                }
            }
        }
    }

    #[test]
    fn every_kind_of_fault_is_drawn() {
        let faults = random(1, HOUR).faults;
        let mut kinds: Vec<&str> = faults.iter().map(|planned| planned.fault.kind()).collect();
        kinds.sort_unstable();
        kinds.dedup();
        assert_eq!(kinds.len(), 31, "{kinds:?}");
    }

    #[test]
    fn what_a_machine_cannot_do_is_not_drawn() {
        let shape = Shape { holders: 1, means: Means::default(), ..SHAPE };
        for planned in Schedule::random(1, HOUR, shape, Schedule::GAP).faults {
            let is_possible = match planned.fault {
                Fault::Kill(victim) | Fault::Pause(victim) => {
                    !matches!(victim, Victim::Sidecar | Victim::Balancer)
                }
                Fault::Clock(..) | Fault::FillDisk(_) | Fault::SlowSync(_) | Fault::Part(..) => {
                    false
                }
                _ => true,
            };
            assert!(is_possible, "{planned:?}");
        }
    }

    #[test]
    fn a_schedule_survives_its_file() {
        let schedule = random(3, HOUR / 60);
        let text = serde_json::to_string(&schedule).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), schedule);
    }
}
