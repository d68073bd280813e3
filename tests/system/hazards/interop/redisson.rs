//! A lock as Redisson keeps it: a hash from `<client>:<thread>` to a count. Written by hand, since
//! Redisson needs a Java machine. It is one-sided: its own scripts fail on the string that ours is.

use std::time::Duration;

use leasehold::{AcquireError, ReleaseOutcome, Resource};
use redis::Cmd;

use super::meeting::{LONG, Nodes, TTL, assert_same_values, assert_untouched};

const FIELD: &str = "6f0f829d-2d1c-4f5a-9f43-5c9b0a7e3c11:1";

fn resource() -> Resource {
    Resource::new("stage/42").unwrap()
}

fn count() -> Cmd {
    redis::cmd("HINCRBY").arg(resource().as_str()).arg(FIELD).arg(1).clone()
}

/// What Redisson does for a free name.
async fn lock(nodes: &Nodes) {
    nodes.tell(&count()).await;
    let name = resource();
    nodes.tell(redis::cmd("EXPIRE").arg(name.as_str()).arg(LONG.as_secs())).await;
}

async fn a_hash_is_a_holder(common: usize) {
    let nodes = Nodes::start(common).await;
    let ours = nodes.ours(TTL, &resource()).await;
    lock(&nodes).await;
    let before = nodes.keys(resource().as_str()).await;

    let error = ours.try_acquire(&resource()).await.unwrap_err();
    assert!(matches!(error, AcquireError::Contended { .. }), "{error:?}");
    let error = ours.acquire(&resource(), Duration::from_millis(300)).await.unwrap_err();
    assert!(matches!(error, AcquireError::DeadlineReached { .. }), "{error:?}");
    assert_untouched(&before, &nodes.keys(resource().as_str()).await);

    nodes.tell(redis::cmd("DEL").arg(resource().as_str())).await;
    assert!(ours.try_acquire(&resource()).await.is_ok());
}

#[tokio::test]
async fn a_hash_is_a_holder_on_one_node() {
    a_hash_is_a_holder(1).await;
}

#[tokio::test]
async fn a_hash_is_a_holder_on_three_nodes() {
    a_hash_is_a_holder(3).await;
}

#[tokio::test]
async fn a_hash_in_the_place_of_ours_is_neither_renewed_nor_released() {
    let nodes = Nodes::start(3).await;
    let ours = nodes.ours(TTL, &resource()).await;
    let lease = ours.try_acquire(&resource()).await.unwrap();
    nodes.tell(redis::cmd("DEL").arg(resource().as_str())).await;
    lock(&nodes).await;
    let before = nodes.keys(resource().as_str()).await;

    let _why = tokio::time::timeout(TTL * 10, lease.lost()).await.unwrap();
    assert_eq!(lease.release().await, ReleaseOutcome::NotOurs);
    assert_untouched(&before, &nodes.keys(resource().as_str()).await);
}

#[tokio::test]
async fn redisson_fails_on_ours_and_leaves_it_alone() {
    let nodes = Nodes::start(1).await;
    let ours = nodes.ours(TTL, &resource()).await;
    let lease = ours.try_acquire(&resource()).await.unwrap();
    let before = nodes.keys(resource().as_str()).await;
    let error = nodes.try_tell(&count()).await.unwrap_err();
    assert_eq!(error.code(), Some("WRONGTYPE"));
    assert_same_values(&before, &nodes.keys(resource().as_str()).await);
    assert!(!lease.is_lost());
}
