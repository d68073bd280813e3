//! Renewal, release and drop.

use std::time::Duration;

use leasehold::{
    LeaseConfig, Loss, ReleaseOutcome,
    model::{Question, Reply},
};

use crate::faulty_node::{LIMIT, Way, World, config, resource};

/// Found in rslock 0.10: an extension that timed out released the lock on every node, and a second
/// client had it while the first had been told that it was valid for 9.9 s.
#[tokio::test(start_paused = true)]
async fn a_failed_renewal_does_not_delete_a_lock_that_is_still_valid() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..2, Way::Cut);
    // Renewals at 400 and 600 ms reach no quorum; then the way is open again.
    tokio::time::sleep(Duration::from_millis(750)).await;
    assert!(!lease.is_lost());
    world.set(0..2, Way::Open);
    assert!(world.another().try_acquire(&resource()).await.is_err(), "a node had freed it");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!lease.is_lost());
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
}

/// Found in redsync (`WithSetNXOnExtend`), RedLock.net, aioredlock, redlock-rb and redis-semaphore:
/// an extension sets missing keys anew and counts them, so a lock that was wholly lost comes back.
#[tokio::test(start_paused = true)]
async fn a_renewal_does_not_make_missing_keys_again() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let stamp = lease.stamp();
    let gone =
        Question::Release { resource: stamp.resource.clone(), holder: stamp.holder, next: None };
    for node in &world.nodes[0..2] {
        assert!(matches!(node.probe(&gone), Reply::Released { .. }));
    }
    assert_eq!(lease.lost().await, Loss::Taken);
    assert!(world.nodes[0].is_free() && world.nodes[1].is_free(), "a key was made again");
    assert!(!world.nodes[2].is_free(), "the third node had not lost it");
}

/// Found in rslock 0.7 and redlock-rs (blocks in `drop`), distkit (spawns without a runtime), rslock
/// 0.10 (does nothing, so the key stays for its TTL).
#[test]
fn a_drop_neither_blocks_nor_panics_nor_forgets() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    // Outside of a runtime the clock is not stopped, so the TTL must outlast the test.
    let world = World::with(3, LeaseConfig { ttl: Duration::from_secs(3600), ..config() });
    let lease = runtime.block_on(world.leases.try_acquire(&resource())).unwrap();
    // In no runtime, while the one of the engine stands still.
    drop(lease);
    assert!(!world.nodes[0].is_free(), "the drop waited for the nodes");
    runtime.block_on(async { tokio::time::sleep(Duration::from_millis(1)).await });
    assert!(world.nodes.iter().all(|node| node.is_free()), "the release was forgotten");
}

/// Found in Redisson (#7272): the watchdog outlives the unlock and extends again.
#[tokio::test(start_paused = true)]
async fn a_renewal_in_flight_does_not_bring_a_released_lease_back() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(390)).await;
    // The renewal that is due at 400 ms arrives after the release.
    world.set(0..3, Way::Late(Duration::from_millis(50)));
    tokio::time::sleep(Duration::from_millis(20)).await;
    world.set(0..3, Way::Open);
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert!(world.nodes.iter().all(|node| node.is_free()), "the late renewal took it again");
    let renewals = world.renewals();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(world.renewals(), renewals, "renewed after the release");
}

/// Found in Dapr (a retry after a lost reply says `false` to the true holder), node-redlock and redsync
/// (the second unlock throws). Redisson has its unlock latch for this.
#[tokio::test(start_paused = true)]
async fn a_lost_reply_is_unknown_and_never_a_refusal() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..3, Way::ReplyLost);
    // The renewals at 400 ms are done although nobody hears of it.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(!lease.is_lost());
    assert_eq!(lease.release().await, ReleaseOutcome::Unknown);
    assert!(world.nodes.iter().all(|node| node.is_free()));
}

/// Found in node-redlock and redlock-universal (`Date.now`), rueidislock (`PXAT`), redsync (the clock
/// starts after the wait for a connection), rslock (500 ms of response and 1 s of connect time against
/// a TTL of 400 ms).
#[tokio::test(start_paused = true)]
async fn time_runs_from_before_the_first_byte_and_a_dead_node_does_not_eat_it() {
    let config = LeaseConfig { lifetime_max: Duration::ZERO, node_timeout: LIMIT * 3, ..config() };
    let world = World::with(3, config);
    world.set(0..1, Way::Cut);
    world.set(1..3, Way::Late(LIMIT * 2));
    let begun = tokio::time::Instant::now();
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(begun.elapsed(), LIMIT * 2, "waited for the dead node");
    // 1 % and 2 ms less than the TTL, counted from before the questions were sent.
    assert_eq!(begun.elapsed() + lease.remaining(), Duration::from_millis(1200 - 14));
}
