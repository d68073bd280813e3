//! Nodes that do not answer, answer late, or do what was asked and say nothing.

use std::time::Duration;

use leasehold::{
    AcquireError, GrantNumber, HolderId, LeaseConfig, ReleaseOutcome,
    model::{GrantRequest, Question},
};

use crate::faulty_node::{LIMIT, Way, World, config, resource};

#[tokio::test(start_paused = true)]
async fn a_silent_minority_costs_nothing() {
    let world = World::new(5);
    world.set(0..2, Way::Cut);
    let begun = tokio::time::Instant::now();
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert!(begun.elapsed() < LIMIT, "waited for the silent nodes");
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(begun.elapsed() < LIMIT, "waited for the silent nodes");
}

#[tokio::test(start_paused = true)]
async fn a_silent_majority_is_unavailable_and_says_which_nodes() {
    let world = World::new(5);
    world.set(0..3, Way::Cut);
    let error = world.leases.try_acquire(&resource()).await.unwrap_err();
    let AcquireError::Unavailable { tally, failures, .. } = &error else { panic!("{error}") };
    assert_eq!((tally.granted, tally.unknown, tally.quorum), (2, 3, 3));
    assert_eq!(failures.len(), 3);
    assert!(error.is_retryable());
    // What the others granted is released at once, not after the TTL.
    tokio::time::sleep(Duration::from_millis(1)).await;
    world.set(0..3, Way::Open);
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn grants_whose_answer_was_lost_are_released_too() {
    let world = World::new(5);
    world.set(0..3, Way::ReplyLost);
    assert!(world.leases.try_acquire(&resource()).await.is_err());
    world.set(0..5, Way::Open);
    tokio::time::sleep(Duration::from_millis(1)).await;
    // The releases went out while replies were still lost; they arrived all the same.
    tokio::time::sleep(LIMIT).await;
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_comes_after_giving_up_is_released_on_arrival() {
    let world = World::new(5);
    let other = world.another().try_acquire(&resource()).await.unwrap();
    // Three nodes refuse at once; the other two would grant later, were they free by then.
    world.set(3..5, Way::Late(Duration::from_millis(80)));
    assert!(matches!(
        world.leases.try_acquire(&resource()).await,
        Err(AcquireError::Contended { .. })
    ));
    world.set(3..5, Way::Open);
    assert_eq!(other.release().await, ReleaseOutcome::Released);
    // At 80 ms the late requests find their nodes free and are granted, then released.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_at_its_deadline_with_the_last_reason() {
    let world = World::new(3);
    let _held = world.another().try_acquire(&resource()).await.unwrap();
    let begun = tokio::time::Instant::now();
    let error = world.leases.acquire(&resource(), Duration::from_secs(5)).await.unwrap_err();
    let AcquireError::DeadlineReached { attempts, last, .. } = error else { panic!("{error}") };
    assert!(matches!(*last, AcquireError::Contended { .. }));
    assert!(begun.elapsed() >= Duration::from_secs(5));
    assert!((10..1000).contains(&attempts), "{attempts} attempts in 5 s");
}

#[tokio::test(start_paused = true)]
async fn nodes_that_are_down_are_not_stormed() {
    let world = World::new(3);
    world.set(0..3, Way::Cut);
    let error = world.leases.acquire(&resource(), Duration::from_secs(60)).await.unwrap_err();
    let AcquireError::DeadlineReached { attempts, .. } = error else { panic!("{error}") };
    assert!(attempts < 200, "{attempts} attempts in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_late_commit_does_not_lengthen_the_lease() {
    // No renewals, so that only the grant's own validity counts.
    let config = LeaseConfig {
        ttl: Duration::from_millis(1000),
        node_timeout: Duration::from_millis(450),
        lifetime_max: Duration::ZERO,
        ..config()
    };
    let world = World::with(5, config);
    world.nodes.iter().for_each(|node| node.ignore_clocks());
    // Fences that differ, so that a commit is needed: node 1 has granted twice before.
    for node in [1, 1, 0] {
        raise(&world, node);
    }
    world.set(3..4, Way::Late(Duration::from_millis(380)));
    world.set(4..5, Way::Cut);
    // The commit to node 2 is lost; the one to node 3, granted late, makes the quorum.
    world.nodes[2].lose_commits();
    let begun = tokio::time::Instant::now();
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert!(begun.elapsed() > Duration::from_millis(300), "the late grant was not needed");
    let valid_until = begun.elapsed() + lease.remaining();
    assert!(valid_until < Duration::from_millis(1000), "valid until {valid_until:?}");
}

/// Lets one node mint a number that the others do not know of.
fn raise(world: &World, node: usize) {
    let request = GrantRequest {
        resource: resource(),
        holder: HolderId::from_random(7),
        ttl: Duration::from_secs(1),
        hint: GrantNumber::ONE,
        waiter: None,
    };
    let release = Question::Release { resource: resource(), holder: request.holder, next: None };
    for question in [Question::Grant(request.into()), release] {
        let _done = world.nodes[node].inner().answer(&question, GrantNumber::ONE);
    }
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_arrives_after_the_release_is_released_too() {
    let world = World::new(5);
    // Held with three answers; the grants of the other two are still on their way.
    world.set(3..5, Way::Late(Duration::from_millis(90)));
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(3..5, Way::Open);
    // The release overtakes them, as on a connection that was replaced.
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    tokio::time::sleep(Duration::from_millis(100)).await;
    world.set(0..2, Way::Cut);
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}
