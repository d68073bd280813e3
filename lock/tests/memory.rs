//! What a task costs that waits for a lease. A binary of its own, since all that it allocates counts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::{
    alloc::System,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{
    LeaseConfig, Leases, Resource,
    model::{ClientId, Question, Reply},
    node::{Answers, MemoryNode, Node, NodeError, NodeFuture, Notice},
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::{sync::mpsc, task::yield_now, time::advance};

#[global_allocator]
static HEAP: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WAITERS: usize = 10_000;
/// What a waiter may cost, its task and its place in the line included.
const BYTES_MAX: usize = 2048;
/// What one may cost that is alone in its line: it has an attempt at the nodes to itself.
const ALONE_BYTES_MAX: usize = 3072;
/// Longer than the test looks.
const LONG: Duration = Duration::from_secs(3600);
/// How long they have waited when they are counted: twice the longest pause, so that who asks has
/// asked again.
const WHILE: Duration = Duration::from_millis(500);
/// How far the stopped clock goes at once.
const STEP: Duration = Duration::from_millis(25);

fn heap_bytes() -> usize {
    let stats = HEAP.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Lets time pass.
async fn pass(time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        advance(STEP).await;
        left = left.saturating_sub(STEP);
        settle().await;
    }
}

/// Runs every task until none has anything to do.
async fn settle() {
    let mut before = HEAP.stats();
    loop {
        for _ in 0..100 {
            yield_now().await;
        }
        let now = HEAP.stats();
        if now == before {
            return;
        }
        before = now;
    }
}

/// A node at which others have everything, for ever. It remembers nothing, so what is counted is
/// the client's alone.
#[derive(Debug, Default)]
struct Taken {
    asked: AtomicUsize,
}

impl Node for Taken {
    fn address(&self) -> &'static str {
        "taken"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        let held = Reply::Held { ttl_left: Some(LONG), fence: None, bound_to: None };
        let answer = |question: &Question| match question {
            Question::Grant(_) => {
                self.asked.fetch_add(1, Ordering::Relaxed);
                Ok(held)
            }
            _ => Ok(Reply::NotOurs),
        };
        let answers = questions.iter().map(answer).collect();
        Box::pin(async move { answers })
    }

    fn listen<'a>(
        &'a self,
        _client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        Box::pin(async move {
            heard.send(Notice::Listening).await.unwrap();
            std::future::pending().await
        })
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }
}

/// Has 10,000 tasks wait, each for one of these resources in turn. Returns how many of them were
/// served, as it goes on, and how many bytes each costs.
async fn wait_for(resources: &[Resource], nodes: Vec<Arc<dyn Node>>) -> (Arc<AtomicUsize>, usize) {
    let leases = Leases::over(nodes, LeaseConfig::default()).unwrap();
    let served = Arc::new(AtomicUsize::new(0));
    settle().await;
    let before = heap_bytes();
    for resource in resources.iter().cycle().take(WAITERS) {
        let (leases, resource, served) = (leases.clone(), resource.clone(), Arc::clone(&served));
        drop(tokio::spawn(async move {
            drop(leases.acquire(&resource, LONG).await.unwrap());
            served.fetch_add(1, Ordering::Relaxed);
        }));
    }
    pass(WHILE).await;
    assert_eq!(served.load(Ordering::Relaxed), 0, "it was free");
    (served, (heap_bytes() - before) / WAITERS)
}

async fn bytes_of_one_in_a_line() -> usize {
    let nodes: Vec<Arc<dyn Node>> = (0..3).map(|_| Arc::new(MemoryNode::new()) as _).collect();
    let theirs = Leases::over(nodes.clone(), LeaseConfig::default()).unwrap();
    let resource = Resource::new("stage").unwrap();
    let held = theirs.try_acquire(&resource).await.unwrap();
    let (served, bytes) = wait_for(&[resource], nodes).await;
    // They did wait, all of them: now they are served.
    drop(held);
    let mut steps = 0;
    while served.load(Ordering::Relaxed) < WAITERS {
        assert!(steps < 1000, "{} of {WAITERS} served", served.load(Ordering::Relaxed));
        steps += 1;
        pass(STEP).await;
    }
    bytes
}

async fn bytes_of_one_alone() -> usize {
    let resources: Vec<Resource> =
        (0..WAITERS).map(|n| Resource::new(format!("stage/{n}")).unwrap()).collect();
    let nodes: Vec<Arc<Taken>> = (0..3).map(|_| Arc::default()).collect();
    let (_served, bytes) =
        wait_for(&resources, nodes.iter().map(|node| Arc::clone(node) as _).collect()).await;
    let asked = nodes[0].asked.load(Ordering::Relaxed);
    assert!(asked > WAITERS, "{asked} questions, so some were asked once or never");
    bytes
}

/// One test, as two at once would count each other's bytes.
#[tokio::test(start_paused = true)]
async fn a_waiting_task_costs_less_than_two_kilobytes() {
    let in_a_line = bytes_of_one_in_a_line().await;
    println!("10,000 tasks that wait for one lease: {in_a_line} bytes each");
    assert!(in_a_line < BYTES_MAX, "{in_a_line} bytes");
    let alone = bytes_of_one_alone().await;
    println!("10,000 tasks that wait for a lease each: {alone} bytes each");
    assert!(alone < ALONE_BYTES_MAX, "{alone} bytes");
}
