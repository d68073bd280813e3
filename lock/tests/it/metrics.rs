//! What operators count.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use ::metrics::{
    Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use leasehold::{
    GrantNumber, Leases,
    model::{ClientId, Question, Reply},
    node::{Answers, Node, NodeError, NodeFuture, Notice},
};
use tokio::sync::mpsc;

use crate::faulty_node::{Way, World, config, resource};

/// Counters by name and labels, and no other metrics.
#[derive(Clone, Default)]
struct Counts(Arc<Mutex<BTreeMap<String, u64>>>);

impl Counts {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.0.lock().unwrap()
    }

    /// How often a node failed to grant, in each way.
    fn failures(&self) -> Vec<(String, u64)> {
        let counts = self.all();
        let failures = counts.iter().filter_map(|(name, count)| {
            Some((name.strip_prefix("lease_node_errors_total grant ")?.to_owned(), *count))
        });
        failures.collect()
    }
}

struct One(Counts, String);

impl CounterFn for One {
    fn increment(&self, by: u64) {
        *self.0.all().entry(self.1.clone()).or_default() += by;
    }

    fn absolute(&self, value: u64) {
        let _before = self.0.all().insert(self.1.clone(), value);
    }
}

impl Recorder for Counts {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        let mut name = key.name().to_owned();
        for label in key.labels().filter(|label| label.key() != "node") {
            name += &format!(" {}", label.value());
        }
        Counter::from_arc(Arc::new(One(self.clone(), name)))
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

/// A node whose clock shows 1970.
#[derive(Debug)]
struct Young;

impl Node for Young {
    fn address(&self) -> &'static str {
        "young"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        let ahead = Reply::HintAhead { node_clock: GrantNumber::ONE };
        Box::pin(async move { questions.iter().map(|_| Ok(ahead)).collect() })
    }

    fn listen<'a>(&'a self, _: ClientId, _: mpsc::Sender<Notice>) -> NodeFuture<'a, NodeError> {
        Box::pin(std::future::pending())
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }
}

/// What went wrong at the nodes while one lease was tried for.
async fn failures_of_a_try(leases: &Leases) -> Vec<(String, u64)> {
    let counts = Counts::default();
    let _recorder = ::metrics::set_default_local_recorder(&counts);
    let _outcome = leases.try_acquire(&resource()).await;
    counts.failures()
}

#[tokio::test(start_paused = true)]
async fn every_way_in_which_a_node_fails_is_counted() {
    let world = World::new(3);
    assert_eq!(failures_of_a_try(&world.leases).await, []);
    world.set(0..2, Way::Cut);
    assert_eq!(failures_of_a_try(&world.leases).await, [("timeout".to_owned(), 2)]);

    let world = World::new(3);
    world.nodes[..2].iter().for_each(|node| node.forget());
    assert_eq!(failures_of_a_try(&world.leases).await, [("outside".to_owned(), 2)]);

    let young = Leases::over(vec![Arc::new(Young)], config()).unwrap();
    assert_eq!(failures_of_a_try(&young).await, [("clock_ahead".to_owned(), 1)]);
}
