//! Leases on real servers that are killed, paused and emptied.

use std::time::{Duration, Instant};

use leasehold::{LeaseConfig, Leases, ReleaseOutcome};
use leasehold_stack::Persistence;

use crate::servers::{PATIENCE, TTL, client, found, nodes, resource};

#[tokio::test]
async fn tokens_grow_across_clients_and_dead_nodes() {
    let mut stack = nodes(5, Persistence::Durable).await;
    found(&stack).await;
    let clients = [client(&stack), client(&stack), client(&stack)];
    let mut newest = None;
    for turn in 0..60 {
        // Every node but a quorum is dead at times, a different set each time.
        if turn % 10 == 5 {
            stack.nodes[turn % 5].kill().await.unwrap();
            stack.nodes[(turn + 2) % 5].kill().await.unwrap();
        }
        if turn % 10 == 9 {
            for node in &mut stack.nodes {
                if !node.process().unwrap().is_running() {
                    node.restart().await.unwrap();
                }
            }
        }
        let lease = clients[turn % 3].acquire(&resource(), PATIENCE).await.unwrap();
        assert!(Some(lease.token()) > newest, "turn {turn}: {:?} after {newest:?}", lease.token());
        newest = Some(lease.token());
        let rival = clients[(turn + 1) % 3].try_acquire(&resource()).await;
        assert!(rival.is_err() || lease.is_lost(), "two valid leases at once");
        let _outcome = lease.release().await;
    }
}

#[tokio::test]
async fn tokens_grow_although_every_node_forgets_everything() {
    let stack = nodes(3, Persistence::None).await;
    let first = client(&stack).acquire(&resource(), PATIENCE).await.unwrap();
    for node in &stack.nodes {
        node.flush_all().await.unwrap();
    }
    // Another process, which has seen nothing. No node remembers: its clock is past the last number.
    let second = client(&stack).acquire(&resource(), PATIENCE).await.unwrap();
    assert!(second.token() > first.token());
}

#[tokio::test]
async fn a_lease_is_kept_over_its_ttl_and_freed_when_its_holder_stops_renewing() {
    let stack = nodes(3, Persistence::Durable).await;
    // A machine that is busy for a second must not end it.
    let (ttl, node_timeout) = (TTL * 6, TTL * 3 / 2);
    let config = LeaseConfig { ttl, node_timeout, ..LeaseConfig::default() };
    let ours = Leases::connect(stack.redis_urls(), config).unwrap();
    let theirs = client(&stack);
    let lease = ours.acquire(&resource(), PATIENCE).await.unwrap();
    tokio::time::sleep(ttl * 2).await;
    assert!(!lease.is_lost());
    assert!(theirs.try_acquire(&resource()).await.is_err());
    // A quorum stops: the lease is lost on time, and said to be.
    stack.nodes[0].pause().unwrap();
    stack.nodes[1].pause().unwrap();
    let begun = Instant::now();
    let loss = tokio::time::timeout(TTL * 20, lease.lost()).await.unwrap();
    assert_eq!(loss, leasehold::Loss::Expired, "after {:?}", begun.elapsed());
    stack.nodes[0].resume().unwrap();
    stack.nodes[1].resume().unwrap();
    assert!(theirs.acquire(&resource(), PATIENCE).await.is_ok());
}

#[tokio::test]
async fn a_killed_node_is_replaced_on_the_connection_level_without_a_restart_of_the_client() {
    let mut stack = nodes(1, Persistence::Durable).await;
    let leases = client(&stack);
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    stack.nodes[0].kill().await.unwrap();
    let error = leases.try_acquire(&resource()).await.unwrap_err();
    assert!(error.is_unavailable() && error.is_retryable(), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "the node is not named: {error}");
    stack.nodes[0].restart().await.unwrap();
    assert!(leases.acquire(&resource(), PATIENCE).await.is_ok());
}

#[tokio::test]
async fn plain_redlock_holders_and_ours_exclude_each_other() {
    let stack = nodes(1, Persistence::Durable).await;
    let leases = client(&stack);
    let mut redis = stack.nodes[0].connection().await.unwrap();
    let name = resource();
    let name = name.as_str();
    let admitted = leases.acquire(&resource(), PATIENCE).await.unwrap();
    assert_eq!(admitted.release().await, ReleaseOutcome::Released);

    // Theirs excludes ours, whatever type the key has, and is never touched.
    for foreign in [
        redis::cmd("SET").arg(name).arg(b"\xff\x00raw").arg("NX").arg("PX").arg(60_000).clone(),
        redis::cmd("SET").arg(name).arg("immortal").arg("NX").clone(),
        redis::cmd("HSET").arg(name).arg("uuid:1").arg(1).clone(),
    ] {
        foreign.exec_async(&mut redis).await.unwrap();
        let error = leases.try_acquire(&resource()).await.unwrap_err();
        assert!(matches!(error, leasehold::AcquireError::Contended { .. }), "{error}");
        let kept: bool = redis::cmd("EXISTS").arg(name).query_async(&mut redis).await.unwrap();
        assert!(kept, "a foreign lease was deleted");
        redis::cmd("DEL").arg(name).exec_async(&mut redis).await.unwrap();
    }
    // Ours excludes theirs.
    let lease = leases.try_acquire(&resource()).await.unwrap();
    let theirs: Option<String> = redis::cmd("SET")
        .arg(name)
        .arg("theirs")
        .arg("NX")
        .arg("PX")
        .arg(1000)
        .query_async(&mut redis)
        .await
        .unwrap();
    assert_eq!(theirs, None);
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
}

#[tokio::test]
async fn a_wrong_password_ends_the_wait_at_once_and_stays_out_of_the_message() {
    let stack = nodes(1, Persistence::Durable).await;
    let url = stack.redis_urls()[0].replace("redis://", "redis://:hunter2@");
    let leases = Leases::connect([url], LeaseConfig::default()).unwrap();
    let mut redis = stack.nodes[0].connection().await.unwrap();
    redis::cmd("CONFIG")
        .arg("SET")
        .arg("requirepass")
        .arg("other")
        .exec_async(&mut redis)
        .await
        .unwrap();
    let error = leases.acquire(&resource(), Duration::from_secs(600)).await.unwrap_err();
    assert!(!error.is_retryable(), "{error}");
    assert!(
        error.to_string().contains("denied") && !error.to_string().contains("hunter2"),
        "{error}"
    );
}
