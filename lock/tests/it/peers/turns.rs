//! A lease that goes from task to task without a round trip.

use std::{sync::atomic::Ordering, time::Duration};

use leasehold::{AcquireError, FencingToken, Lease, LeaseConfig, ReleaseOutcome};
use tokio::task::JoinHandle;

use crate::faulty_node::{World, config, resource};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

type Waiting = JoinHandle<Result<Lease, AcquireError>>;

/// Tasks of the world's client that wait in this order.
async fn waiters(world: &World, count: usize) -> Vec<Waiting> {
    let mut waiting = Vec::new();
    for _ in 0..count {
        let leases = world.leases.clone();
        waiting.push(tokio::spawn(async move { leases.acquire(&resource(), LONG).await }));
        tokio::time::sleep(Duration::from_micros(10)).await;
    }
    waiting
}

/// The token of each holder, when each gives the lease back as soon as it has it, and how often the
/// nodes were asked for a grant.
async fn pass_along(world: &World, first: Lease, waiting: Vec<Waiting>) -> Vec<FencingToken> {
    let mut tokens = vec![first.token()];
    assert_eq!(first.release().await, ReleaseOutcome::Released);
    for waiter in waiting {
        let lease = waiter.await.unwrap().unwrap();
        tokens.push(lease.token());
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
    }
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    tokio::time::sleep(MS).await;
    assert!(world.nodes.iter().all(|node| node.is_free()));
    tokens
}

fn turn(token: FencingToken) -> i64 {
    token.as_i64() - FencingToken::of_grant(token.number()).as_i64()
}

#[tokio::test(start_paused = true)]
async fn tokens_grow_by_turn_and_stay_below_the_next_grants() {
    let world = World::new(3);
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = waiters(&world, 10).await;
    let tokens = pass_along(&world, first, waiting).await;
    assert_eq!(
        tokens.iter().map(|&token| turn(token)).collect::<Vec<_>>(),
        (0..11).collect::<Vec<_>>()
    );
    assert_eq!(world.nodes[0].grants.load(Ordering::Relaxed), 1, "a turn asked the nodes");
    let next = world.another().try_acquire(&resource()).await.unwrap();
    assert!(next.token() > tokens[10]);
}

#[tokio::test(start_paused = true)]
async fn a_series_of_turns_ends_with_its_number() {
    let world = World::with(3, LeaseConfig { turns_max: 3, ..config() });
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = waiters(&world, 6).await;
    let tokens = pass_along(&world, first, waiting).await;
    let turns: Vec<_> = tokens.iter().map(|&token| turn(token)).collect();
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_series_of_turns_ends_with_its_time() {
    let world = World::with(3, LeaseConfig { turns_time: 20 * MS, ..config() });
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = waiters(&world, 3).await;
    // A turn that lasts longer is not cut short, but it is the last.
    tokio::time::sleep(30 * MS).await;
    assert!(!first.is_lost());
    let tokens = pass_along(&world, first, waiting).await;
    let turns: Vec<_> = tokens.iter().map(|&token| turn(token)).collect();
    assert_eq!(turns, [0, 0, 1, 2]);
}

#[tokio::test(start_paused = true)]
async fn one_turn_is_no_passing_on() {
    let world = World::with(3, LeaseConfig { turns_max: 1, ..config() });
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = waiters(&world, 3).await;
    let tokens = pass_along(&world, first, waiting).await;
    assert!(tokens.iter().all(|&token| turn(token) == 0), "{tokens:?}");
}

#[tokio::test(start_paused = true)]
async fn another_process_gets_it_between_two_series() {
    let world = World::with(3, LeaseConfig { turns_max: 2, ..config() });
    let mut held = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = waiters(&world, 9).await;
    let other = world.another();
    let other = tokio::spawn(async move {
        let lease = other.acquire(&resource(), LONG).await.unwrap();
        lease.token()
    });
    tokio::time::sleep(5 * MS).await;
    let mut tokens = vec![held.token()];
    for waiter in waiting {
        drop(held);
        held = waiter.await.unwrap().unwrap();
        tokens.push(held.token());
    }
    let other = other.await.unwrap();
    let earlier = tokens.iter().filter(|&&token| token < other).count();
    assert!((2..=4).contains(&earlier), "after {earlier} turns of 10");
}

#[tokio::test(start_paused = true)]
async fn a_waiter_that_gave_up_is_skipped_and_costs_no_turn() {
    let world = World::new(3);
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let mut waiting = waiters(&world, 3).await;
    let gone = waiting.remove(1);
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());
    let tokens = pass_along(&world, first, waiting).await;
    assert_eq!(tokens.iter().map(|&token| turn(token)).collect::<Vec<_>>(), [0, 1, 2]);
}

/// The turn was handed over, and its waiter went away before it looked.
#[tokio::test(start_paused = true)]
async fn a_turn_that_nobody_looks_at_goes_to_the_next() {
    let world = World::new(3);
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let stage = resource();
    let rest = {
        let mut blind = std::pin::pin!(world.leases.acquire(&stage, LONG));
        assert!(futures_util::poll!(blind.as_mut()).is_pending());
        let rest = waiters(&world, 2).await;
        assert_eq!(first.release().await, ReleaseOutcome::Released);
        rest
    };
    let mut last = None;
    for waiter in rest {
        let lease = waiter.await.unwrap().unwrap();
        assert!(Some(lease.token()) > last);
        last = Some(lease.token());
    }
    assert_eq!(world.nodes[0].grants.load(Ordering::Relaxed), 1);
}

/// The lifetime is of a holder, and a turn has a new one: it must be renewed although the one before
/// was about to end.
#[tokio::test(start_paused = true)]
async fn a_turn_has_a_lifetime_of_its_own() {
    let lifetime_max = Duration::from_secs(3);
    let world = World::with(3, LeaseConfig { lifetime_max, turns_time: LONG, ..config() });
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let waiting = waiters(&world, 1).await;
    tokio::time::sleep(lifetime_max + 300 * MS).await;
    assert_eq!(first.release().await, ReleaseOutcome::Released);
    let second = waiting.into_iter().next().unwrap().await.unwrap().unwrap();
    assert_eq!(turn(second.token()), 1);
    tokio::time::sleep(2 * lifetime_max / 3).await;
    assert!(!second.is_lost(), "not renewed any more");
}
