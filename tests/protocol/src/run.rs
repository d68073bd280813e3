//! Runs the checker over one configuration.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use stateright::{Checker, HasDiscoveries, Model};

use crate::{config::Config, protocol::Protocol, step::Action};

/// When a run ends before it has seen everything.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// After this time.
    pub time: Duration,
    /// On so many threads.
    pub threads: usize,
}

/// What a run found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Invariants that were violated, each with a run that leads there.
    pub violated: Vec<(&'static str, Vec<Action>)>,
    /// Events that should have happened and did not.
    pub unreached: Vec<&'static str>,
    /// Different states seen.
    pub states: usize,
    /// Longest way to a state.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether every reachable state was seen.
    pub exhaustive: bool,
}

impl Found {
    /// Whether nothing was violated and everything was reached.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.violated.is_empty() && self.unreached.is_empty()
    }
}

/// Looks for a violation of anything in every reachable state.
#[must_use]
pub fn check(config: &Config, limit: Limit) -> Found {
    run(config, limit, true, HasDiscoveries::AnyFailures)
}

/// Looks for a violation of these invariants: of a configuration that breaks a rule on purpose.
#[must_use]
pub fn catch(config: &Config, limit: Limit, expected: &[&'static str]) -> Found {
    let expected: BTreeSet<_> = expected.iter().copied().collect();
    run(config, limit, false, HasDiscoveries::AllOf(expected))
}

fn run(config: &Config, limit: Limit, reach: bool, finish: HasDiscoveries) -> Found {
    let protocol = Protocol { config: config.clone(), reach };
    let began = Instant::now();
    let checker = protocol
        .clone()
        .checker()
        .threads(limit.threads)
        .timeout(limit.time)
        .finish_when(finish)
        .spawn_bfs()
        .join();
    let took = began.elapsed();
    let mut found = Found {
        violated: Vec::new(),
        unreached: Vec::new(),
        states: checker.unique_state_count(),
        depth: checker.max_depth(),
        took,
        exhaustive: took < limit.time,
    };
    for property in protocol.properties() {
        let discovery = checker.discovery(property.name);
        let is_invariant = property.expectation == stateright::Expectation::Always;
        match discovery {
            Some(path) if is_invariant => {
                found.violated.push((property.name, path.into_actions()));
            }
            None if !is_invariant => found.unreached.push(property.name),
            Some(_) | None => {}
        }
    }
    found.exhaustive &= found.violated.is_empty();
    found
}
