//! A caller that goes away leaves nothing behind.

use std::time::Duration;

use crate::faulty_node::{Way, World, resource};

#[tokio::test(start_paused = true)]
async fn a_cancelled_acquire_releases_what_it_gets_later() {
    let world = World::new(5);
    world.set(0..5, Way::Late(Duration::from_millis(50)));
    let cancelled =
        tokio::time::timeout(Duration::from_millis(10), world.leases.try_acquire(&resource()))
            .await;
    assert!(cancelled.is_err());
    // Long before the TTL of 1.2 s: the grants arrived at 50 ms, the releases at 100 ms.
    tokio::time::sleep(Duration::from_millis(150)).await;
    world.set(0..5, Way::Open);
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lease_is_released_and_not_renewed_any_more() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    drop(lease);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

#[test]
fn a_lease_dropped_after_its_runtime_does_not_panic() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let lease =
        runtime.block_on(async { World::new(3).leases.try_acquire(&resource()).await.unwrap() });
    drop(runtime);
    drop(lease);
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_release_still_releases() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..3, Way::Late(Duration::from_millis(50)));
    let cancelled = tokio::time::timeout(Duration::from_millis(10), lease.release()).await;
    assert!(cancelled.is_err());
    tokio::time::sleep(Duration::from_millis(60)).await;
    world.set(0..3, Way::Open);
    assert!(world.another().try_acquire(&resource()).await.is_ok());
}

/// The engine had handed the grant over, and the caller went away before it looked.
#[tokio::test(start_paused = true)]
async fn a_grant_that_is_never_looked_at_is_released() {
    let world = World::new(3);
    let stage = resource();
    {
        let mut attempt = std::pin::pin!(world.leases.try_acquire(&stage));
        assert!(futures_util::poll!(attempt.as_mut()).is_pending());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(world.nodes.iter().all(|node| node.is_free()), "held and renewed for nobody");
    assert!(world.leases.try_acquire(&stage).await.is_ok());
}
