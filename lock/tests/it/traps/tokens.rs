//! Tokens.

use std::{sync::atomic::Ordering, time::Duration};

use leasehold::{LeaseConfig, ReleaseOutcome};

use crate::faulty_node::{LIMIT, Way, World, config, resource};

/// Found in simple-redis-mutex (minted by a command of its own: a stale holder got the larger token),
/// and in every plan that takes the largest or the sum of counters on N nodes.
#[tokio::test(start_paused = true)]
async fn a_token_is_larger_although_every_quorum_is_another_one() {
    let world = World::new(3);
    world.nodes.iter().for_each(|node| node.ignore_clocks());
    let mut tokens = Vec::new();
    for round in 0..30 {
        // One node misses each grant, so the counters drift apart.
        world.set(0..3, Way::Open);
        world.nodes[(round * 7) % 3].set(Way::Cut);
        let client = world.another();
        let lease = client.try_acquire(&resource()).await.unwrap();
        tokens.push(lease.token());
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
        world.set(0..3, Way::Open);
        tokio::time::sleep(LIMIT * 2).await;
    }
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
    let commits: usize = world.nodes.iter().map(|node| node.commits.load(Ordering::Relaxed)).sum();
    assert!(commits > 0, "the nodes always agreed: nothing was shown");
}

/// Found in every counter that lives on a server without its log, or may be evicted. A node that lost
/// its data does not vote until its quarantine is over, and then knows the others' numbers.
#[tokio::test(start_paused = true)]
async fn a_node_that_forgot_its_counter_does_not_vote_at_once() {
    for begins_anew in [false, true] {
        let world = World::new(3);
        world.set(2..3, Way::Cut);
        let lease = world.leases.try_acquire(&resource()).await.unwrap();
        world.set(2..3, Way::Open);
        // Node 2 never heard of the lease, and node 0 forgets it: together they are a quorum.
        if begins_anew {
            world.nodes[0].restart(false);
        } else {
            world.nodes[0].forget();
        }
        let other = world.another();
        let early = other.try_acquire(&resource()).await;
        assert!(early.is_err(), "two holders: {early:?}");
        // A lease that only one node remembers is not renewed: it ends, and nobody has two votes.
        let waited = other.acquire(&resource(), Duration::from_secs(10)).await.unwrap();
        assert!(lease.is_lost(), "two holders");
        assert!(waited.token() > lease.token());
    }
}

/// Found in Redisson (a re-entry gets a larger token) and in stores that accept `>=`: there is no
/// re-entry, and each holder has a token of its own, also when a lease is passed on.
#[tokio::test(start_paused = true)]
async fn no_two_holders_have_equal_tokens() {
    let world = World::with(3, LeaseConfig { turns_max: 7, ..config() });
    let (one, other) = (world.leases.clone(), world.another());
    let mut holders = Vec::new();
    for task in 0..60 {
        let leases = if task % 2 == 0 { one.clone() } else { other.clone() };
        holders.push(tokio::spawn(async move {
            let lease = leases.acquire(&resource(), Duration::from_secs(60)).await.unwrap();
            let stamp = lease.stamp().clone();
            assert!(leases.try_acquire(&resource()).await.is_err(), "re-entered");
            assert_eq!(lease.release().await, ReleaseOutcome::Released);
            stamp
        }));
    }
    let mut tokens = Vec::new();
    for holder in holders {
        tokens.push(holder.await.unwrap().token);
    }
    tokens.sort();
    assert!(tokens.is_sorted_by(|a, b| a < b), "two are equal: {tokens:?}");
}
