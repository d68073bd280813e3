//! Those who wait.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{AcquireError, LeaseConfig, ReleaseOutcome};
use tokio::time::Instant;

use crate::faulty_node::{LIMIT, Way, World, config, resource};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_waiter_gets_the_lease_of_a_holder_that_died() {
    let world = World::new(3);
    let dead = World::over(&world.nodes, LeaseConfig { lifetime_max: Duration::ZERO, ..config() });
    let died = dead.try_acquire(&resource()).await.unwrap();
    let begun = Instant::now();
    let lease = world.leases.acquire(&resource(), LONG).await.unwrap();
    let waited = begun.elapsed();
    assert!((1200 * MS..=1210 * MS).contains(&waited), "{waited:?}");
    assert!(lease.token() > died.token());
}

#[tokio::test(start_paused = true)]
async fn a_waiter_is_told_and_need_not_poll() {
    let world = World::with(3, LeaseConfig { retry_max: LONG * 10, ..config() });
    let held = world.another().try_acquire(&resource()).await.unwrap();
    let begun = Instant::now();
    let waiting = {
        let leases = world.leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    tokio::time::sleep(100 * MS).await;
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    let _lease = waiting.await.unwrap().unwrap();
    assert!(begun.elapsed() < 110 * MS, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_of_zero_tries_once() {
    let world = World::new(3);
    let _held = world.another().try_acquire(&resource()).await.unwrap();
    let begun = Instant::now();
    let error = world.leases.acquire(&resource(), Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, AcquireError::Contended { .. }), "{error}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    tokio::time::sleep(LONG).await;
    for node in &world.nodes {
        assert_eq!(node.grants.load(Ordering::Relaxed), 2, "the holder's, and one try");
    }
}

#[tokio::test(start_paused = true)]
async fn a_huge_wait_is_a_wait() {
    for wait in [Duration::MAX, Duration::from_secs(u64::MAX), LONG * 60 * 24 * 365] {
        let world = World::new(3);
        let held = world.another().try_acquire(&resource()).await.unwrap();
        let releasing = async {
            tokio::time::sleep(100 * MS).await;
            held.release().await
        };
        let stage = resource();
        let (lease, _) = tokio::join!(world.leases.acquire(&stage, wait), releasing);
        assert!(lease.is_ok(), "{wait:?}: {lease:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_goes_away_leaves_nothing_behind() {
    let world = World::new(3);
    let held = world.another().try_acquire(&resource()).await.unwrap();
    let gave_up = tokio::time::timeout(100 * MS, world.leases.acquire(&resource(), LONG)).await;
    assert!(gave_up.is_err());
    tokio::time::sleep(10 * MS).await;
    let asked = world.nodes[0].grants.load(Ordering::Relaxed);
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    tokio::time::sleep(LONG).await;
    assert_eq!(world.nodes[0].grants.load(Ordering::Relaxed), asked, "sought for nobody");
    assert!(world.nodes.iter().all(|node| node.is_free()));
    let again = world.leases.try_acquire(&resource()).await;
    assert!(again.is_ok(), "{again:?}");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_goes_away_first_does_not_stall_the_others() {
    let world = World::new(3);
    let held = world.another().try_acquire(&resource()).await.unwrap();
    let wait = || {
        let leases = world.leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    let (first, second, third) = (wait(), wait(), wait());
    tokio::time::sleep(50 * MS).await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    let lease = second.await.unwrap().unwrap();
    third.abort();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(third.await.unwrap_err().is_cancelled());
    tokio::time::sleep(50 * MS).await;
    assert!(world.nodes.iter().all(|node| node.is_free()), "it went to one that had left");
}

#[tokio::test(start_paused = true)]
async fn tasks_of_a_process_get_it_once_each_in_the_order_in_which_they_asked() {
    let world = World::with(3, LeaseConfig { turns_max: 5, ..config() });
    let order = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for task in 0..50 {
        let (leases, order) = (world.leases.clone(), Arc::clone(&order));
        tasks.push(tokio::spawn(async move {
            let lease = leases.acquire(&resource(), LONG).await.unwrap();
            order.lock().unwrap().push((task, lease.token()));
            tokio::time::sleep(2 * MS).await;
            lease.release().await
        }));
        tokio::task::yield_now().await;
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), ReleaseOutcome::Released);
    }
    let served = order.lock().unwrap().clone();
    assert_eq!(
        served.iter().map(|(task, _)| *task).collect::<Vec<_>>(),
        (0..50).collect::<Vec<_>>()
    );
    assert!(served.is_sorted_by(|(_, a), (_, b)| a < b), "{served:?}");
}

#[tokio::test(start_paused = true)]
async fn tasks_of_many_processes_get_it_once_each_and_never_two_at_once() {
    let world = World::new(5);
    world.set(4..5, Way::Cut);
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let leases = world.another();
        for _ in 0..8 {
            let (leases, inside) = (leases.clone(), Arc::clone(&inside));
            tasks.push(tokio::spawn(async move {
                let lease = leases.acquire(&resource(), LONG).await.unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
                tokio::time::sleep(5 * MS).await;
                let _one = inside.fetch_sub(1, Ordering::SeqCst);
                let token = lease.token();
                assert_eq!(lease.release().await, ReleaseOutcome::Released);
                token
            }));
        }
    }
    let mut tokens = Vec::new();
    for task in tasks {
        tokens.push(task.await.unwrap());
    }
    tokens.sort();
    tokens.dedup();
    assert_eq!(tokens.len(), 64);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_outlasts_an_outage_of_the_nodes() {
    let world = World::new(3);
    world.set(0..2, Way::Cut);
    let (begun, stage) = (Instant::now(), resource());
    let healing = async {
        tokio::time::sleep(10 * LIMIT).await;
        world.set(0..2, Way::Open);
    };
    let (lease, ()) = tokio::join!(world.leases.acquire(&stage, LONG), healing);
    assert!(lease.is_ok(), "{lease:?}");
    // The longest pause, doubled for each silent round.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}
