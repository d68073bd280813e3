//! A caller that does the engine's work while it waits, and may go away or stand still at any point.

mod nodes;

use std::{future::poll_fn, sync::Arc, task::Poll, thread, time::Duration};

use futures_util::poll;
use leasehold::{
    AcquireError, LeaseConfig, Leases, ReleaseOutcome, Resource,
    node::{MemoryNode, Node},
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc,
    task::yield_now,
    time::{Instant, sleep, timeout},
};

use crate::faulty_node::{Way, World, resource};

const MS: Duration = Duration::from_millis(1);

fn other() -> Resource {
    Resource::new("balcony").unwrap()
}

/// A client whose engine runs, so that callers may lead.
async fn running(nodes: usize) -> World {
    let world = World::new(nodes);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    world
}

#[tokio::test(start_paused = true)]
async fn a_lone_caller_waits_for_nobody_but_the_nodes() {
    let world = running(3).await;
    let stage = resource();
    let mut acquire = Box::pin(world.leases.acquire(&stage, MS));
    let Poll::Ready(lease) = poll!(acquire.as_mut()) else { panic!("it waits for a task") };
    assert_eq!(poll!(Box::pin(lease.unwrap().release())), Poll::Ready(ReleaseOutcome::Released));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_dropped_is_released_before_anything_else_runs() {
    let world = running(3).await;
    drop(world.leases.try_acquire(&resource()).await.unwrap());
    assert!(world.nodes.iter().all(|node| node.is_free()), "the release waits for a task");
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_not_polled_gets_its_lease_and_keeps_it() {
    let world = running(3).await;
    // From here on the engine's task has no reason to look for longer than the TTL.
    sleep(500 * MS).await;
    world.set(0..3, Way::Late(5 * MS));
    let stage = resource();
    let mut leader = Box::pin(world.leases.try_acquire(&stage));
    assert!(poll!(leader.as_mut()).is_pending());
    // Three times the TTL.
    sleep(3600 * MS).await;
    assert!(world.renewals() > 0, "nobody looked at the answers");
    let Poll::Ready(lease) = poll!(leader.as_mut()) else { panic!("it has no answer") };
    assert!(!lease.unwrap().is_lost());
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_leader_that_is_not_polled() {
    let world = running(3).await;
    let (stage, balcony) = (resource(), other());
    let held = world.leases.try_acquire(&balcony).await.unwrap();
    world.set(0..3, Way::Late(5 * MS));
    let mut leader = Box::pin(world.leases.acquire(&stage, 1000 * MS));
    assert!(poll!(leader.as_mut()).is_pending());

    let third = Resource::new("pit").unwrap();
    let lease = timeout(7 * MS, world.leases.try_acquire(&third)).await;
    assert!(lease.expect("another caller waits for the leader").is_ok());
    let released = timeout(7 * MS, held.release()).await;
    assert_eq!(released.expect("a release waits for the leader"), ReleaseOutcome::Released);
    let Poll::Ready(lease) = poll!(leader.as_mut()) else { panic!("it has no answer") };
    assert!(lease.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_behind_a_leader_in_its_line_does_not_wait_for_it() {
    let world = running(3).await;
    let stage = resource();
    world.set(0..3, Way::Late(5 * MS));
    let mut leader = Box::pin(world.leases.acquire(&stage, 1000 * MS));
    assert!(poll!(leader.as_mut()).is_pending());
    let mut behind = Box::pin(world.leases.acquire(&stage, 1000 * MS));
    assert!(poll!(behind.as_mut()).is_pending());
    world.set(0..3, Way::Open);
    drop(leader);
    assert!(timeout(6 * MS, behind).await.expect("nobody seeks it").is_ok());
}

/// The engine's task took over: from then on the one waits as everybody in a line does.
#[tokio::test(start_paused = true)]
async fn a_leader_that_has_to_wait_leads_no_longer() {
    let world = running(3).await;
    let stage = resource();
    let _held = world.another().try_acquire(&stage).await.unwrap();
    let mut acquire = Box::pin(world.leases.acquire(&stage, 60_000 * MS));
    let mut polls = 0;
    let counted = poll_fn(|cx| (polls += 1, acquire.as_mut().poll(cx)).1);
    assert!(timeout(1000 * MS, counted).await.is_err());
    assert!(polls < 10, "polled {polls} times in a second");
}

#[tokio::test(start_paused = true)]
async fn what_a_leader_that_is_dropped_gets_is_released_at_once() {
    let world = running(3).await;
    let stage = resource();
    world.set(0..3, Way::Late(5 * MS));
    let mut leader = Box::pin(world.leases.try_acquire(&stage));
    assert!(poll!(leader.as_mut()).is_pending());
    world.set(0..3, Way::Open);
    drop(leader);
    sleep(6 * MS).await;
    assert!(world.nodes.iter().all(|node| node.is_free()), "held for nobody");
}

/// The leader has its answer from the other two nodes.
#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_the_leader_has_gone_is_not_lost() {
    let world = running(3).await;
    world.nodes[2].set(Way::Late(5 * MS));
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.nodes[2].set(Way::Open);
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    // The release overtook the grant there, and is sent again when that arrives.
    sleep(6 * MS).await;
    assert!(world.nodes[2].is_free(), "held for nobody");
}

/// What answers at once gives a leader no reason to wait.
#[tokio::test(start_paused = true)]
async fn a_leader_lets_other_tasks_run() {
    let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    let leases = Leases::over(vec![node], LeaseConfig::default()).unwrap();
    let busy = tokio::spawn(async move {
        for _ in 0..1000 {
            let _released = leases.try_acquire(&resource()).await.unwrap().release().await;
        }
    });
    let mut turns = 0;
    while !busy.is_finished() {
        yield_now().await;
        turns += 1;
    }
    busy.await.unwrap();
    assert!(turns > 10, "{turns} turns in 1000 leases");
}

fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The engine's runtime, which runs until its sender is dropped.
fn in_the_background() -> (Handle, mpsc::Sender<()>, thread::JoinHandle<()>) {
    let runtime = current_thread();
    let handle = runtime.handle().clone();
    let (stop, mut stopped) = mpsc::channel(1);
    let thread = thread::spawn(move || {
        let _none = runtime.block_on(stopped.recv());
    });
    (handle, stop, thread)
}

/// What is under way would end with the caller's runtime.
#[test]
fn a_caller_of_another_runtime_does_not_lead() {
    let (engines, stop, thread) = in_the_background();
    let world = engines.block_on(running(3));
    let held = engines.block_on(world.leases.try_acquire(&other())).unwrap();
    world.set(0..3, Way::Late(20 * MS));
    let leases = world.leases.clone();
    current_thread().block_on(async move {
        let cancelled = timeout(5 * MS, leases.try_acquire(&resource())).await;
        assert!(cancelled.is_err());
    });
    world.set(0..3, Way::Open);
    // Long before its TTL is over.
    let begun = Instant::now();
    while !world.nodes.iter().all(|node| node.is_free()) {
        assert!(begun.elapsed() < 1000 * MS, "held for nobody");
        thread::sleep(5 * MS);
    }
    assert!(!held.is_lost(), "the engine ended with the caller's runtime");
    drop(stop);
    thread.join().unwrap();
}

#[test]
fn a_leader_whose_runtime_ends_is_told() {
    let (engines, stop, thread) = in_the_background();
    let world = engines.block_on(running(3));
    world.set(0..3, Way::Late(60_000 * MS));
    let leases = world.leases.clone();
    let leader = thread::spawn(move || engines.block_on(leases.try_acquire(&resource())));
    // It leads for longer.
    thread::sleep(3 * MS);
    drop(stop);
    thread.join().unwrap();
    let told = leader.join().unwrap();
    assert!(matches!(told, Err(AcquireError::Shutdown { .. })), "{told:?}");
    world.set(0..3, Way::Open);
    let again = current_thread()
        .block_on(async { timeout(5000 * MS, world.leases.try_acquire(&other())).await });
    assert!(again.expect("the client stands still").is_ok());
}

#[test]
fn a_lease_of_an_engine_that_has_ended_is_given_back_at_once() {
    let world = World::new(3);
    let lease = current_thread().block_on(world.leases.try_acquire(&resource())).unwrap();
    current_thread().block_on(async {
        let _runs = world.leases.try_acquire(&other()).await.unwrap();
        assert_eq!(poll!(Box::pin(lease.release())), Poll::Ready(ReleaseOutcome::Unknown));
    });
}

/// Leaders, the engine's task and callers that go away, on threads of their own.
#[test]
fn no_wake_up_is_lost_between_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    let world = runtime.block_on(running(3));
    world.nodes[2].set(Way::Late(Duration::from_micros(200)));
    let callers = (0..4).map(|caller| {
        let leases = world.leases.clone();
        runtime.spawn(async move {
            let own = Resource::new(format!("box/{caller}")).unwrap();
            for round in 0..500_u64 {
                let resource = if round % 3 == 0 { resource() } else { own.clone() };
                let patience = Duration::from_micros(fastrand::u64(0..400));
                if round % 5 == 0 {
                    let _cancelled = timeout(patience, leases.acquire(&resource, 5000 * MS)).await;
                } else {
                    let lease = leases.acquire(&resource, 5000 * MS).await.unwrap();
                    let released = timeout(5000 * MS, lease.release()).await;
                    assert!(released.is_ok(), "nobody answers");
                }
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        runtime.block_on(caller).unwrap();
    }
}
