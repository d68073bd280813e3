//! A lease that an administrator takes away.

use std::time::Duration;

use leasehold::{EvictError, Evicted, Lease, Loss, ReleaseOutcome};

use crate::faulty_node::{LIMIT, Way, World, config, resource};

const LONG: Duration = Duration::from_secs(600);

fn evicted(lease: &Lease) -> Evicted {
    Evicted::Holder { holder: lease.stamp().holder, token: Some(lease.token()) }
}

#[tokio::test(start_paused = true)]
async fn the_evicted_hears_of_it_at_its_next_renewal_and_who_waits_has_it_at_once() {
    let world = World::new(3);
    let (next, administrator) = (world.another(), world.another());
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = tokio::spawn(async move { next.acquire(&resource(), LONG).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let begun = tokio::time::Instant::now();
    assert_eq!(administrator.evict(&resource()).await.unwrap(), evicted(&held));
    let successor = waiting.await.unwrap().unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO, "it was not handed over");
    assert!(successor.token() > held.token());
    assert!(!held.is_lost(), "nobody has told it yet");
    assert_eq!(held.lost().await, Loss::Taken);
    assert!(begun.elapsed() <= config().ttl / 3);
    assert_eq!(held.release().await, ReleaseOutcome::NotOurs);
    assert!(!successor.is_lost());
    assert_eq!(administrator.evict(&resource()).await.unwrap(), evicted(&successor));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_in_the_holders_process_is_served_after_the_loss() {
    let world = World::new(3);
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    let (leases, token) = (world.leases.clone(), held.token());
    let waiting = tokio::spawn(async move { leases.acquire(&resource(), LONG).await });
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(world.another().evict(&resource()).await.unwrap(), evicted(&held));
    let within = tokio::time::timeout(config().ttl, waiting).await;
    assert!(within.unwrap().unwrap().unwrap().token() > token);
}

#[tokio::test(start_paused = true)]
async fn what_is_free_stays_so() {
    let world = World::new(3);
    assert_eq!(world.leases.evict(&resource()).await.unwrap(), Evicted::Free);
    world.set(0..1, Way::Cut);
    assert_eq!(world.leases.evict(&resource()).await.unwrap(), Evicted::Free);
}

#[tokio::test(start_paused = true)]
async fn a_silent_minority_does_not_keep_it() {
    let world = World::new(3);
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..1, Way::Cut);
    assert_eq!(world.another().evict(&resource()).await.unwrap(), evicted(&held));
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_quorum_it_is_unknown_and_nothing_is_changed() {
    let world = World::new(3);
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..2, Way::Cut);
    let begun = tokio::time::Instant::now();
    let error = world.another().evict(&resource()).await.unwrap_err();
    let EvictError::Unknown { tally, failures, .. } = &error else { panic!("{error}") };
    assert_eq!((tally.unknown, tally.quorum, failures.len()), (2, 2, 2));
    assert!(error.to_string().contains("node faulty: look"), "{error}");
    assert!(begun.elapsed() <= LIMIT);
    world.set(0..2, Way::Open);
    tokio::time::sleep(config().ttl * 2).await;
    assert!(!held.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_foreign_lock_is_not_touched() {
    let world = World::new(3);
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    world.nodes[..2].iter().for_each(|node| node.show_foreign());
    let error = world.another().evict(&resource()).await.unwrap_err();
    assert!(matches!(error, EvictError::Foreign { .. }), "{error}");
    // Nothing was asked of any node, also not where it is ours.
    tokio::time::sleep(config().ttl * 2).await;
    assert!(!held.is_lost());
    assert!(world.nodes.iter().all(|node| !node.is_free()));
}
