//! Renewal, and the signal when it fails.

use std::time::Duration;

use leasehold::{
    GrantNumber, LeaseConfig, Loss, ReleaseOutcome,
    model::{Question, Reply},
};

use crate::faulty_node::{Way, World, config, resource};

#[tokio::test(start_paused = true)]
async fn a_kept_lease_outlives_its_ttl_many_times() {
    let world = World::new(5);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..2, Way::Cut);
    for _ in 0..100 {
        tokio::time::sleep(Duration::from_millis(777)).await;
        assert!(!lease.is_lost());
        assert!(world.another().try_acquire(&resource()).await.is_err());
    }
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_is_signalled_before_another_can_have_it() {
    let world = World::new(5);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    // Our questions are lost, those of the other client are not.
    let other = world.another();
    world.set(0..5, Way::Cut);
    let begun = tokio::time::Instant::now();
    assert_eq!(lease.lost().await, Loss::Expired);
    assert!(lease.is_lost());
    let signalled = begun.elapsed();
    assert!(signalled < Duration::from_millis(1200), "signalled only after {signalled:?}");
    world.set(0..5, Way::Open);
    assert!(
        other.try_acquire(&resource()).await.is_err(),
        "the nodes still keep it: the signal was early"
    );
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_another_took_is_lost_at_the_next_renewal_and_not_resurrected() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    // Whoever knows the holder can release: an administrator's forced release.
    let stamp = lease.stamp();
    let release =
        Question::Release { resource: stamp.resource.clone(), holder: stamp.holder, next: None };
    for node in &world.nodes {
        assert_eq!(
            node.inner().answer(&release, GrantNumber::ONE),
            Reply::Released { passed: false }
        );
    }
    let successor = world.another().try_acquire(&resource()).await.unwrap();
    assert!(successor.token() > lease.token());
    assert_eq!(lease.lost().await, Loss::Taken);
    assert_eq!(lease.release().await, ReleaseOutcome::NotOurs);
    assert!(!successor.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_lease_ends_at_its_longest_lifetime() {
    let world = World::with(3, LeaseConfig { lifetime_max: Duration::from_secs(3), ..config() });
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(lease.lost().await, Loss::LifetimeOver);
    let lasted = begun.elapsed();
    assert!(lasted > Duration::from_secs(3) && lasted < Duration::from_millis(4200), "{lasted:?}");
}

#[tokio::test(start_paused = true)]
async fn guarded_work_stops_with_the_lease() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.guard(async { 7 }).await, Ok(7));
    world.set(0..3, Way::Cut);
    let stopped = lease.guard(std::future::pending::<()>()).await.unwrap_err();
    assert_eq!((stopped.token, stopped.loss), (lease.token(), Loss::Expired));
}

#[tokio::test(start_paused = true)]
async fn grants_that_come_after_one_that_was_too_slow_are_released_too() {
    let world = World::with(5, LeaseConfig { ttl: Duration::from_millis(250), ..config() });
    world.set(0..3, Way::Late(Duration::from_millis(246)));
    world.set(3..5, Way::Late(Duration::from_millis(260)));
    let stage = resource();
    let opening = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        world.set(0..5, Way::Open);
    };
    let (attempt, ()) = tokio::join!(world.leases.try_acquire(&stage), opening);
    assert!(matches!(attempt, Err(leasehold::AcquireError::TooSlow { .. })), "{attempt:?}");
    // The last two grants arrive at 260 ms, after the releases; they must not stay for a TTL.
    tokio::time::sleep(Duration::from_millis(30)).await;
    world.set(0..2, Way::Cut);
    assert!(world.another().try_acquire(&stage).await.is_ok());
}
