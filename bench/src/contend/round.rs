//! One round: tasks of one process that take turns in the section until the time is over.

use std::{
    path::Path,
    sync::{Arc, atomic::AtomicU64},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leasehold::Resource;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::{
    contestant::Contestant,
    section::{Section, Witness},
};
use crate::stats::{histogram, micros};

/// How long the tasks may take to end after the time is over. Some contestants never give up.
pub(super) const DRAIN_MAX: Duration = Duration::from_secs(60);

/// What the tasks of a round are to do.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Plan {
    pub(super) resource: String,
    pub(super) tasks: usize,
    pub(super) section: Duration,
    pub(super) span: Duration,
}

/// What came of a round, or of one process in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Outcome {
    /// Sections of each task that were over in time.
    pub(super) sections: Vec<u64>,
    /// All acquisitions, also those that ended after the time.
    pub(super) acquired: u64,
    /// Time within the round that somebody was in the section.
    pub(super) held: Duration,
    /// How often somebody entered while another was inside.
    pub(super) overlaps: u64,
    /// Waits in microseconds and how often each was seen; also of those who had not waited to the
    /// end when the time was over, for else the longest would be missing.
    pub(super) waits: Vec<(u64, u64)>,
}

impl Outcome {
    pub(super) fn add(&mut self, other: Self) {
        self.sections.extend(other.sections);
        self.acquired += other.acquired;
        self.held += other.held;
        self.overlaps += other.overlaps;
        self.waits.extend(other.waits);
    }
}

/// Runs all tasks of this process. `path` is of a file that the processes of a round share.
pub(super) async fn run(
    contestant: &Arc<Contestant>,
    plan: &Plan,
    path: Option<&Path>,
) -> anyhow::Result<Outcome> {
    let inside = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    for task in 0..plan.tasks {
        let turns = Turns {
            contestant: Arc::clone(contestant),
            resource: Resource::new(plan.resource.clone())?,
            section: Section::new(plan.section)?,
            witness: Witness::new(&inside, path)?,
            end: begun + plan.span,
            task,
        };
        let _handle = tasks.spawn(turns.take());
    }
    let ended = async {
        let mut outcome = Outcome::default();
        while let Some(turns) = tasks.join_next().await {
            outcome.add(turns??);
        }
        anyhow::Ok(outcome)
    };
    tokio::time::timeout(plan.span + DRAIN_MAX, ended).await.context("the tasks do not end")?
}

/// One task's turns.
struct Turns {
    contestant: Arc<Contestant>,
    resource: Resource,
    section: Section,
    witness: Witness,
    end: Instant,
    task: usize,
}

impl Turns {
    async fn take(mut self) -> anyhow::Result<Outcome> {
        let mut outcome = Outcome { sections: vec![0], ..Outcome::default() };
        let mut waits = histogram()?;
        loop {
            let asked = Instant::now();
            let held = self.contestant.acquire(&self.resource, self.task).await?;
            let entered = Instant::now();
            outcome.overlaps += u64::from(self.witness.enter()?);
            outcome.acquired += 1;
            waits.saturating_record(micros(entered - asked));
            if entered < self.end {
                self.section.pass().await?;
            }
            self.witness.leave()?;
            let left = Instant::now();
            outcome.held += left.min(self.end).saturating_duration_since(entered);
            outcome.sections[0] += u64::from(left <= self.end);
            held.release(&self.resource).await?;
            if left >= self.end {
                let seen = waits.iter_recorded();
                outcome.waits =
                    seen.map(|step| (step.value_iterated_to(), step.count_at_value())).collect();
                return Ok(outcome);
            }
        }
    }
}
