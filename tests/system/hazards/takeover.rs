//! Leases on real servers that are looked at, taken away, and taken over.

use std::time::Duration;

use leasehold::{
    EvictError, Evicted, Hold, HolderId, LeaseConfig, Leases, Loss, ReleaseOutcome, ResumeError,
    model::Seen,
    node::{Node as _, RedisNode},
};
use leasehold_stack::{Persistence, Stack};

use crate::{
    servers::{PATIENCE, TTL, client, config, found, nodes, redis, resource},
    world::LIMIT,
};

/// Long enough for nodes to be silent meanwhile.
const LONG_TTL: Duration = Duration::from_secs(4);

/// A process whose leases are renewed for so long.
fn process(stack: &Stack, lifetime_max: Duration) -> Leases {
    let config = LeaseConfig { ttl: LONG_TTL, lifetime_max, ..config() };
    Leases::connect(stack.redis_urls(), config).unwrap()
}

#[tokio::test]
async fn who_looks_sees_ours_with_its_token_also_while_others_wait() {
    let stack = nodes(3, Persistence::Durable).await;
    found(&stack).await;
    let (ours, theirs, watcher) = (client(&stack), client(&stack), client(&stack));
    assert_eq!(watcher.inspect(&resource()).await.hold, Hold::Free);
    let lease = ours.acquire(&resource(), PATIENCE).await.unwrap();
    let is_seen = async || {
        let hold = watcher.inspect(&resource()).await.hold;
        let Hold::Ours { holder, token, ttl_left: Some(left) } = hold else { panic!("{hold:?}") };
        assert_eq!((holder, token), (lease.stamp().holder, Some(lease.token())));
        assert!(left <= TTL && !left.is_zero(), "{left:?}");
    };
    is_seen().await;
    let waiting = tokio::spawn(async move { theirs.acquire(&resource(), PATIENCE).await });
    tokio::time::sleep(TTL).await;
    // Its value and its fence are marked now.
    is_seen().await;
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    let next = waiting.await.unwrap().unwrap();
    let Hold::Ours { holder, .. } = watcher.inspect(&resource()).await.hold else {
        panic!("it was handed over")
    };
    assert_eq!(holder, next.stamp().holder);
}

#[tokio::test]
async fn foreign_keys_of_every_kind_are_seen_as_such_and_never_touched() {
    let stack = nodes(1, Persistence::Durable).await;
    found(&stack).await;
    let leases = client(&stack);
    let mut server = redis(&stack.nodes[0]).await;
    let (name, own_look) = (resource(), HolderId::from_random(7).to_string());
    let name = name.as_str();
    let set = |value: &[u8]| redis::cmd("SET").arg(name).arg(value).clone();
    for (foreign, ends) in [
        (set(b"immortal"), false),
        (set(b"\xff\x00raw").arg("PX").arg(60_000).clone(), true),
        // As redis-py's.
        (set(own_look.as_bytes()).arg("PX").arg(60_000).clone(), true),
        (redis::cmd("HSET").arg(name).arg("uuid:1").arg(1).clone(), false),
    ] {
        // Its fence is there, and of somebody else.
        let before = leases.acquire(&resource(), PATIENCE).await.unwrap();
        assert_eq!(before.release().await, ReleaseOutcome::Released);
        foreign.exec_async(&mut server).await.unwrap();
        let hold = leases.inspect(&resource()).await.hold;
        let Hold::Foreign { ttl_left } = hold else { panic!("{hold:?}") };
        assert_eq!(ttl_left.is_some(), ends);
        let error = leases.evict(&resource()).await.unwrap_err();
        assert!(matches!(error, EvictError::Foreign { .. }), "{error}");
        let kept: bool = redis::cmd("EXISTS").arg(name).query_async(&mut server).await.unwrap();
        assert!(kept, "a foreign lock was deleted");
        redis::cmd("DEL").arg(name).exec_async(&mut server).await.unwrap();
    }
    assert_eq!(leases.evict(&resource()).await.unwrap(), Evicted::Free);
}

#[tokio::test]
async fn an_evicted_lease_goes_to_who_waits_and_its_holder_hears_of_it() {
    let stack = nodes(3, Persistence::Durable).await;
    found(&stack).await;
    let (ours, theirs, administrator) = (client(&stack), client(&stack), client(&stack));
    let lease = ours.acquire(&resource(), PATIENCE).await.unwrap();
    let waiting = tokio::spawn(async move { theirs.acquire(&resource(), PATIENCE).await });
    tokio::time::sleep(TTL / 2).await;
    let (holder, token) = (lease.stamp().holder, Some(lease.token()));
    let evicted = administrator.evict(&resource()).await.unwrap();
    assert_eq!(evicted, Evicted::Holder { holder, token });
    let next = waiting.await.unwrap().unwrap();
    assert!(next.token() > lease.token());
    assert_eq!(tokio::time::timeout(LIMIT, lease.lost()).await, Ok(Loss::Taken));
    assert_eq!(lease.release().await, ReleaseOutcome::NotOurs);
    assert!(!next.is_lost());
}

#[tokio::test]
async fn a_lease_is_resumed_by_another_process_while_the_nodes_keep_it() {
    let stack = nodes(3, Persistence::Durable).await;
    found(&stack).await;
    // Killed as soon as it has the lease: nobody renews it.
    let killed = process(&stack, Duration::ZERO);
    let later = process(&stack, LONG_TTL * 100);
    let earlier = killed.acquire(&resource(), PATIENCE).await.unwrap();
    // A quorum is silent: it is unknown, and can be tried again.
    stack.nodes[0].pause().unwrap();
    stack.nodes[1].pause().unwrap();
    let error = later.resume(earlier.stamp()).await.unwrap_err();
    assert!(matches!(error, ResumeError::Unknown { .. }), "{error}");
    stack.nodes[0].resume().unwrap();
    stack.nodes[1].resume().unwrap();
    let lease = later.resume(earlier.stamp()).await.unwrap();
    assert_eq!(lease.stamp(), earlier.stamp());
    tokio::time::sleep(LONG_TTL * 3 / 2).await;
    assert!(!lease.is_lost());
    assert_ne!(killed.inspect(&resource()).await.hold, Hold::Free);
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    // It is over: no node makes it again.
    let error = later.resume(earlier.stamp()).await.unwrap_err();
    assert!(matches!(error, ResumeError::NotHeld { .. }), "{error}");
    let node = RedisNode::new(&stack.nodes[0].url(), LIMIT).unwrap();
    assert_eq!(node.look(&resource()).await, Ok(Some(Seen::Free)));
}
