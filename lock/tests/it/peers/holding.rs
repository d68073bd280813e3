//! One holder: acquire, renew, release.

use std::time::Duration;

use leasehold::{AcquireError, LeaseConfig, ReleaseOutcome, Resource};

use crate::faulty_node::{LIMIT, Way, World, config, resource};

const TTL: Duration = Duration::from_millis(1200);
const DRIFT: Duration = Duration::from_millis(14);

fn unrenewed() -> LeaseConfig {
    LeaseConfig { lifetime_max: Duration::ZERO, ..config() }
}

#[tokio::test(start_paused = true)]
async fn a_released_lease_can_be_acquired_again_by_anybody() {
    let world = World::new(3);
    for client in [&world.leases, &world.another(), &world.leases] {
        let lease = client.try_acquire(&resource()).await.unwrap();
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
        assert!(world.nodes.iter().all(|node| node.is_free()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_says_how_the_nodes_stand_and_when_it_may_end() {
    let world = World::new(3);
    let _held = world.leases.try_acquire(&resource()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let error = world.another().try_acquire(&resource()).await.unwrap_err();
    let AcquireError::Contended { tally, free_in, .. } = &error else { panic!("{error}") };
    assert_eq!((tally.granted, tally.quorum, tally.nodes), (0, 2, 3));
    assert_eq!(*free_in, Some(TTL - Duration::from_millis(200)));
    assert!(error.is_retryable() && !error.is_unavailable());
    // A task of the same client is refused without asking anybody.
    let error = world.leases.try_acquire(&resource()).await.unwrap_err();
    assert!(matches!(error, AcquireError::Contended { free_in: None, .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_release_after_the_end_says_not_ours() {
    let world = World::with(3, unrenewed());
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    tokio::time::sleep(TTL + Duration::from_millis(1)).await;
    assert!(lease.is_lost());
    assert_eq!(lease.release().await, ReleaseOutcome::NotOurs);
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_has_now_is_not_released_for_them() {
    let world = World::with(3, unrenewed());
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    tokio::time::sleep(TTL + Duration::from_millis(1)).await;
    let successor = world.another().try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::NotOurs);
    assert!(world.nodes.iter().all(|node| !node.is_free()), "released for the successor");
    assert_eq!(successor.release().await, ReleaseOutcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_release_that_no_quorum_answers_is_unknown() {
    let world = World::new(5);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..3, Way::Cut);
    let begun = tokio::time::Instant::now();
    assert_eq!(lease.release().await, ReleaseOutcome::Unknown);
    assert!(begun.elapsed() <= LIMIT, "tried for longer than a node's time limit");
    assert!(world.nodes[3..].iter().all(|node| node.is_free()), "not tried on every node");
}

#[tokio::test(start_paused = true)]
async fn a_release_frees_also_the_nodes_that_were_not_needed() {
    let world = World::new(5);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(world.nodes.iter().all(|node| node.is_free()));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_restores_the_ttl_and_does_not_add_to_it() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let begun = tokio::time::Instant::now();
    let mut renewed = 0;
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let remaining = lease.remaining();
        assert!(remaining <= TTL - DRIFT, "{remaining:?} after {:?}", begun.elapsed());
        assert!(remaining > TTL / 2, "{remaining:?} after {:?}", begun.elapsed());
        let error = world.another().try_acquire(&resource()).await.unwrap_err();
        let AcquireError::Contended { free_in: Some(left), .. } = error else { panic!("{error}") };
        // What the holder believes ends before what the nodes keep.
        assert!(remaining + DRIFT <= left && left <= TTL, "{remaining:?} of {left:?}");
        renewed += usize::from(left > TTL - Duration::from_millis(100));
    }
    assert!(renewed >= 12, "renewed {renewed} times in 5 s");
}

#[tokio::test(start_paused = true)]
async fn a_lease_without_renewal_ends_with_its_ttl() {
    let world = World::with(3, unrenewed());
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.remaining(), TTL - DRIFT);
    tokio::time::sleep(TTL - Duration::from_millis(1)).await;
    assert!(lease.is_lost(), "believed for as long as the nodes keep it");
    assert!(world.another().try_acquire(&resource()).await.is_err(), "freed too early");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(world.another().try_acquire(&resource()).await.is_ok(), "kept for longer");
    assert_eq!(world.renewals(), 0);
}

#[tokio::test(start_paused = true)]
async fn leases_on_different_resources_know_nothing_of_one_another() {
    let world = World::new(3);
    let other = Resource::new("stage/2").unwrap();
    let one = world.leases.try_acquire(&resource()).await.unwrap();
    let two = world.another().try_acquire(&other).await.unwrap();
    assert_eq!(one.release().await, ReleaseOutcome::Released);
    assert!(world.leases.try_acquire(&other).await.is_err());
    assert_eq!(two.resource(), &other);
    assert_eq!(two.release().await, ReleaseOutcome::Released);
}
