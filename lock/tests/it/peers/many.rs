//! Many leases of one client.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{
    LeaseConfig, Leases, NodeError, Resource,
    model::{ClientId, Question, Reply},
    node::{Answers, Node, NodeFuture, Notice},
};
use tokio::sync::mpsc;

use crate::faulty_node::{World, config, resource};

/// Says yes to everything, and counts what it is asked and in how many batches.
#[derive(Debug, Default)]
struct Counting {
    batches: AtomicUsize,
    renewals: AtomicUsize,
}

impl Node for Counting {
    fn address(&self) -> &'static str {
        "counting"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        let renewals = questions.iter().filter(|q| matches!(q, Question::Renew(_))).count();
        let _before = self.renewals.fetch_add(renewals, Ordering::Relaxed);
        let _before = self.batches.fetch_add(1, Ordering::Relaxed);
        let answer = |question: &Question| match question {
            Question::Grant(request) => Reply::Granted { number: request.hint, next: None },
            Question::Release { .. } => Reply::Released { passed: false },
            _ => Reply::Bound,
        };
        Box::pin(async move { questions.iter().map(|question| Ok(answer(question))).collect() })
    }

    fn listen<'a>(&'a self, _: ClientId, _: mpsc::Sender<Notice>) -> NodeFuture<'a, NodeError> {
        Box::pin(std::future::pending())
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }
}

/// How many renewals and batches a node gets in 9 s of a client that holds so many leases.
async fn load_of(leases: usize) -> (usize, usize) {
    let node = Arc::new(Counting::default());
    let config = LeaseConfig { ttl: Duration::from_secs(6), ..config() };
    let client = Leases::over(vec![Arc::clone(&node) as _], config).unwrap();
    let acquiring = (0..leases).map(async |lease| {
        let resource = Resource::new(format!("stage/{lease}")).unwrap();
        client.try_acquire(&resource).await.unwrap()
    });
    let held = futures_util::future::join_all(acquiring).await;
    let before = node.batches.load(Ordering::Relaxed);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(held.iter().all(|lease| !lease.is_lost()));
    let batches = node.batches.load(Ordering::Relaxed) - before;
    (node.renewals.load(Ordering::Relaxed), batches)
}

#[tokio::test(start_paused = true)]
async fn renewals_of_many_leases_go_together() {
    // Renewals at every third of 6 s; at most 1024 questions are one write.
    for (leases, batches_max) in [(10, 5), (1000, 5), (10_000, 50)] {
        let (renewals, batches) = load_of(leases).await;
        assert_eq!(renewals, 4 * leases, "of {leases} leases");
        assert!(batches <= batches_max, "{batches} batches for {leases} leases");
    }
}

#[test]
fn a_thousand_leases_dropped_without_a_runtime_neither_block_nor_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    // Outside of a runtime the clock is not stopped, so the TTL must outlast the test.
    let world = World::with(3, LeaseConfig { ttl: Duration::from_secs(3600), ..config() });
    let held = runtime.block_on(async {
        let mut held = Vec::new();
        for lease in 0..1000 {
            let resource = Resource::new(format!("stage/{lease}")).unwrap();
            held.push(world.leases.try_acquire(&resource).await.unwrap());
        }
        held.push(world.leases.try_acquire(&resource()).await.unwrap());
        held
    });
    drop(runtime);
    drop(held);
    assert!(!world.nodes[0].is_free(), "there was nothing that could release it");
}
