//! The signal that a lease is lost.

use std::time::Duration;

use leasehold::{LeaseConfig, Loss, ReleaseOutcome};

use crate::faulty_node::{Way, World, config, resource};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn the_cancellation_comes_with_the_loss() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let (stop, copy) = (lease.cancellation(), lease.cancellation());
    tokio::time::sleep(LONG).await;
    assert!(!stop.is_cancelled(), "cancelled while the lease was kept");
    world.set(0..3, Way::Cut);
    let begun = tokio::time::Instant::now();
    stop.cancelled().await;
    assert!(lease.is_lost() && copy.is_cancelled());
    assert!(begun.elapsed() < 1200 * MS, "after the nodes may have freed it");
    // Asked for after the loss, it comes at once.
    lease.cancellation().cancelled().await;
    assert_eq!(lease.lost().await, Loss::Expired);
}

#[tokio::test(start_paused = true)]
async fn the_cancellation_comes_with_the_release_and_with_the_drop() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let stop = lease.cancellation();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(stop.is_cancelled());
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let stop = lease.cancellation();
    drop(lease);
    assert!(stop.is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_one_turn_is_not_the_loss_of_the_next() {
    let world = World::new(3);
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let stage = resource();
    let (second, outcome) = tokio::join!(world.leases.acquire(&stage, LONG), async {
        let stop = first.cancellation();
        assert_eq!(first.release().await, ReleaseOutcome::Released);
        stop.is_cancelled()
    });
    let second = second.unwrap();
    assert!(outcome, "the first was not told");
    let stop = second.cancellation();
    tokio::time::sleep(LONG).await;
    assert!(!stop.is_cancelled() && !second.is_lost());
    assert_eq!(second.release().await, ReleaseOutcome::Released);
}

#[tokio::test(start_paused = true)]
async fn a_minority_of_nodes_that_lost_the_lease_is_no_loss() {
    let world = World::new(5);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.nodes[0].restart(false);
    world.nodes[1].forget();
    tokio::time::sleep(LONG).await;
    assert!(!lease.is_lost());
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_behind_a_lost_lease_get_a_new_one() {
    let world = World::new(3);
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let second = {
        let leases = world.leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    world.set(0..3, Way::Cut);
    assert_eq!(first.lost().await, Loss::Expired);
    world.set(0..3, Way::Open);
    // The first still has its handle, and gives it back only afterwards.
    let second = second.await.unwrap().unwrap();
    assert!(second.token().number() > first.token().number(), "passed on although it was lost");
    assert_eq!(first.release().await, ReleaseOutcome::NotOurs);
    tokio::time::sleep(LONG).await;
    assert!(!second.is_lost(), "released with the first's handle");
}

#[tokio::test(start_paused = true)]
async fn a_lost_lease_that_is_dropped_leaves_its_successor_alone() {
    let world = World::with(3, LeaseConfig { lifetime_max: Duration::ZERO, ..config() });
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(first.lost().await, Loss::LifetimeOver);
    tokio::time::sleep(20 * MS).await;
    // The same client may have it anew while the old handle lives.
    let second = world.leases.try_acquire(&resource()).await.unwrap();
    drop(first);
    tokio::time::sleep(10 * MS).await;
    assert!(!second.is_lost());
    assert!(world.nodes.iter().all(|node| !node.is_free()), "released with the first's handle");
    assert!(world.leases.try_acquire(&resource()).await.is_err(), "the line forgot its holder");
}

#[tokio::test(start_paused = true)]
async fn guarded_work_is_dropped_where_it_stands() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let mut steps = 0;
    let work = async {
        loop {
            steps += 1;
            tokio::time::sleep(100 * MS).await;
        }
    };
    world.set(0..3, Way::Cut);
    let lost: Result<(), _> = lease.guard(work).await;
    assert_eq!(lost.unwrap_err().loss, Loss::Expired);
    assert_eq!(steps, 12, "one step each 100 ms of 1186 ms");
}
