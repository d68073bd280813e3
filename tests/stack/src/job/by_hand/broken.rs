//! What was broken by hand and is undone by hand: what undoes it, and what there is to say about it.

use std::collections::BTreeMap;

use leasehold_stack::{ConnectionLimit, SlowSync, TakenConnections};
use tokio::task::spawn_blocking;

use crate::job::verb::{Deed, Parting, Target};

/// What ails a process that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Ailment {
    Memory,
    Disk,
    Syncs,
    Connections,
    Clock,
}

/// What is broken, beside processes that stand or have ended and links. Dropping it undoes what would outlive us.
#[derive(Debug, Default)]
pub(in crate::job) struct Broken {
    limits: BTreeMap<Target, ConnectionLimit>,
    slow: BTreeMap<Target, SlowSync>,
    taken: Option<TakenConnections>,
    ailments: BTreeMap<(Target, Ailment), String>,
    /// Replicas, by their index.
    pub(super) parted: BTreeMap<usize, Parting>,
}

impl Broken {
    pub(super) fn is_slow(&self, target: Target) -> bool {
        self.slow.contains_key(&target)
    }

    pub(super) fn slowed(&mut self, target: Target, by: SlowSync) {
        self.slow.insert(target, by);
    }

    pub(super) fn limited(&mut self, target: Target, limit: ConnectionLimit) {
        self.limits.insert(target, limit);
    }

    pub(super) fn taken(&mut self, taken: TakenConnections) {
        self.taken = Some(taken);
    }

    /// Lets its syncs be fast again. Returns when they are.
    pub(super) async fn speed_up(&mut self, target: Target) -> anyhow::Result<()> {
        let slow = self.slow.remove(&target);
        self.ailments.remove(&(target, Ailment::Syncs));
        Ok(spawn_blocking(|| drop(slow)).await?)
    }

    /// Gives connections back.
    pub(super) async fn free_connections(&mut self, target: Target) -> anyhow::Result<()> {
        let limit = self.limits.remove(&target);
        if target == Target::Postgres {
            self.taken = None;
        }
        self.ailments.remove(&(target, Ailment::Connections));
        Ok(spawn_blocking(|| drop(limit)).await?)
    }

    /// Notes what a deed that was done means from now on.
    pub(super) fn note(&mut self, deed: Deed, target: Target) {
        let (ailment, text) = match deed {
            Deed::FillMemory => (Ailment::Memory, Some("refuses writes".to_owned())),
            Deed::FreeMemory => (Ailment::Memory, None),
            Deed::FillDisk => (Ailment::Disk, Some("its disk is full".to_owned())),
            Deed::FreeDisk => (Ailment::Disk, None),
            Deed::SlowSync(by) => (Ailment::Syncs, Some(format!("each sync takes {by:?} longer"))),
            Deed::LimitConnections(most) => {
                (Ailment::Connections, Some(format!("takes {most} connections")))
            }
            Deed::TakeConnections => {
                (Ailment::Connections, Some("all its connections are taken".to_owned()))
            }
            Deed::Clock(0) => (Ailment::Clock, None),
            Deed::Clock(seconds) => (Ailment::Clock, Some(format!("its clock is {seconds:+} s"))),
            _ => return,
        };
        match text {
            Some(text) => self.ailments.insert((target, ailment), text),
            None => self.ailments.remove(&(target, ailment)),
        };
    }

    /// Forgets what ends with a process: its successor has memory, connections and fast syncs. Of the clocks only
    /// those of lease nodes stay as they are.
    pub(super) async fn ended(&mut self, target: Target) -> anyhow::Result<()> {
        self.speed_up(target).await?;
        self.free_connections(target).await?;
        self.ailments.remove(&(target, Ailment::Memory));
        if matches!(target, Target::Replica(_)) {
            self.ailments.remove(&(target, Ailment::Clock));
        }
        Ok(())
    }

    /// What ails it, in words.
    pub(super) fn about(&self, target: Target) -> impl Iterator<Item = &str> {
        let its = self.ailments.iter().filter(move |((whose, _), _)| *whose == target);
        its.map(|(_, text)| text.as_str())
    }
}
