//! Leases that nodes hand over from one process to the next.

use std::{sync::atomic::Ordering, time::Duration};

use leasehold::{AcquireError, FencingToken, Lease, LeaseConfig, Leases, ReleaseOutcome};
use tokio::{task::JoinHandle, time::Instant};

use crate::faulty_node::{Way, World, config, resource};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(600);

/// Nobody polls within these tests.
fn patient() -> LeaseConfig {
    LeaseConfig { retry_max: LONG, ..config() }
}

/// A process that waits from now on; it has asked every node when this returns.
async fn waiting(world: &World) -> (Leases, JoinHandle<Result<Lease, AcquireError>>) {
    let leases = World::over(&world.nodes, patient());
    let task = {
        let leases = leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    tokio::time::sleep(MS).await;
    (leases, task)
}

#[tokio::test(start_paused = true)]
async fn processes_get_it_in_the_order_in_which_they_asked_and_ask_once() {
    let world = World::with(3, patient());
    let mut lease = world.leases.try_acquire(&resource()).await.unwrap();
    let mut queue = Vec::new();
    for _ in 0..5 {
        queue.push(waiting(&world).await);
    }
    // Each asks once more when it is known to listen.
    let asked: usize = world.nodes.iter().map(|node| node.grants.load(Ordering::Relaxed)).sum();
    assert_eq!(asked, 3 * (1 + 2 * 5));
    let begun = Instant::now();
    let mut number = lease.token().number();
    for (_leases, task) in queue {
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
        lease = task.await.unwrap().unwrap();
        number = number.next();
        assert_eq!(lease.token(), FencingToken::of_grant(number));
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    let after: usize = world.nodes.iter().map(|node| node.grants.load(Ordering::Relaxed)).sum();
    assert_eq!(after, asked, "a lease that was handed over was asked for");
}

#[tokio::test(start_paused = true)]
async fn who_waited_longer_than_a_ttl_gets_a_whole_one() {
    let world = World::with(3, patient());
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    let (_leases, task) = waiting(&world).await;
    tokio::time::sleep(100 * config().ttl).await;
    // At random it asks whether a message was lost; a lease that is counted from a question of just now
    // would be whole without more.
    let asked = || world.nodes[0].grants.load(Ordering::Relaxed);
    let mut before = 0;
    while asked() != before {
        before = asked();
        tokio::time::sleep(config().ttl / 2).await;
    }
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    let lease = task.await.unwrap().unwrap();
    assert!(lease.remaining() > config().ttl * 9 / 10, "{lease:?}");
    // It was counted from a round that made it last anew.
    assert!(world.nodes.iter().all(|node| node.commits.load(Ordering::Relaxed) == 1));
}

#[tokio::test(start_paused = true)]
async fn who_gave_up_waiting_is_not_handed_it() {
    let world = World::with(3, patient());
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    let (_first, gives_up) = waiting(&world).await;
    let (_second, waits) = waiting(&world).await;
    gives_up.abort();
    tokio::time::sleep(MS).await;
    let begun = Instant::now();
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    let lease = waits.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(world.nodes.iter().all(|node| node.is_free()));
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_handover_was_not_heard_is_found_by_asking() {
    let world = World::with(3, patient());
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    world.nodes.iter().for_each(|node| node.lose_handovers());
    let leases = World::over(&world.nodes, LeaseConfig { retry_max: 300 * MS, ..config() });
    let task = {
        let leases = leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    tokio::time::sleep(MS).await;
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    let begun = Instant::now();
    let lease = task.await.unwrap().unwrap();
    // Long before it would have run out.
    assert!(begun.elapsed() <= 300 * MS, "{:?}", begun.elapsed());
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn nodes_that_choose_different_ones_do_not_keep_it_from_all() {
    let world = World::with(3, patient());
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    let mut tasks = Vec::new();
    for first in 0..3 {
        // Each is first at another node.
        for (node, by) in [(first, 1), (first + 1, 20), (first + 2, 40)] {
            world.nodes[node % 3].set(Way::Late(by * MS));
        }
        tasks.push(waiting(&world).await);
    }
    tokio::time::sleep(50 * MS).await;
    world.set(0..3, Way::Open);
    // Until all are heard by all.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let begun = Instant::now();
    let mut newest = held.token();
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    for _ in 0..3 {
        let (lease, at, _) =
            futures_util::future::select_all(tasks.iter_mut().map(|(_, task)| task)).await;
        drop(tasks.remove(at));
        let lease = lease.unwrap().unwrap();
        assert!(lease.token() > newest);
        newest = lease.token();
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
    }
    assert!(begun.elapsed() < 100 * MS, "{:?}", begun.elapsed());
}
