//! Nodes that lose their data, or their process, under a running client: they vote again only after
//! a quarantine, and nobody notices but by a vote that is missing.

use std::time::{Duration, Instant};

use leasehold::{
    AcquireError, Leases,
    model::{Question, Reply, Standing, admission::quarantine},
    node::{Node as _, RedisNode},
};
use leasehold_stack::{Persistence, Stack};

use crate::{
    servers::{FENCE, TTL, Tokens, all_vote, client, get, nodes, redis, resource, votes},
    world::LIMIT,
};

/// Three nodes that vote, and a client that has had turns.
async fn voting(persistence: Persistence) -> (Stack, Leases, Tokens) {
    let stack = nodes(3, persistence).await;
    let (leases, mut tokens) = (client(&stack), Tokens::default());
    tokens.turn(&leases).await;
    while !all_vote(&stack).await {
        tokens.turn(&leases).await;
    }
    (stack, leases, tokens)
}

/// Turns go on until this node votes again, then another one is killed: the first one's vote is
/// needed now.
async fn back_in_the_vote(
    stack: &mut Stack,
    node: usize,
    lost: Instant,
    leases: &Leases,
    tokens: &mut Tokens,
) {
    assert!(!votes(&stack.nodes[node]).await, "it votes although it was away");
    while !votes(&stack.nodes[node]).await {
        tokens.turn(leases).await;
        assert!(lost.elapsed() < LIMIT, "it never votes again");
    }
    let out = lost.elapsed();
    assert!(out >= quarantine(TTL, 3), "it voted again after {out:?}");
    let other = (node + 1) % stack.nodes.len();
    stack.nodes[other].kill().await.unwrap();
    for _ in 0..5 {
        tokens.turn(leases).await;
    }
}

#[tokio::test]
async fn a_node_that_was_restarted_without_data_votes_again_after_its_quarantine() {
    let (mut stack, leases, mut tokens) = voting(Persistence::None).await;
    stack.nodes[0].kill().await.unwrap();
    let lost = Instant::now();
    tokens.turn(&leases).await;
    stack.nodes[0].restart().await.unwrap();
    back_in_the_vote(&mut stack, 0, lost, &leases, &mut tokens).await;
}

#[tokio::test]
async fn a_node_that_was_flushed_votes_again_after_its_quarantine() {
    let (mut stack, leases, mut tokens) = voting(Persistence::None).await;
    // However long it has run: that says nothing of what it granted before the flush.
    stack.nodes[2].flush_all().await.unwrap();
    let lost = Instant::now();
    back_in_the_vote(&mut stack, 2, lost, &leases, &mut tokens).await;
}

#[tokio::test]
async fn a_node_that_was_killed_with_durable_data_keeps_its_fence_and_still_has_to_wait() {
    let (mut stack, leases, mut tokens) = voting(Persistence::Durable).await;
    let fence = loop {
        tokens.turn(&leases).await;
        let fence = get(&stack.nodes[1], FENCE).await;
        if fence.is_some() {
            break fence;
        }
    };
    stack.nodes[1].kill().await.unwrap();
    let lost = Instant::now();
    stack.nodes[1].restart().await.unwrap();
    let kept = get(&stack.nodes[1], FENCE).await;
    assert!(kept >= fence, "the fence went from {fence:?} to {kept:?}");
    // Whether the disk gave back all or only most of it cannot be told from within.
    back_in_the_vote(&mut stack, 1, lost, &leases, &mut tokens).await;
}

#[tokio::test]
async fn a_quorum_that_forgets_at_once_grants_nothing_until_its_quarantine_is_over() {
    let (mut stack, leases, mut tokens) = voting(Persistence::None).await;
    for node in [0, 1] {
        stack.nodes[node].kill().await.unwrap();
    }
    let lost = Instant::now();
    for node in [0, 1] {
        stack.nodes[node].restart().await.unwrap();
    }
    loop {
        match leases.try_acquire(&resource()).await {
            Ok(lease) => {
                let out = lost.elapsed();
                assert!(out >= quarantine(TTL, 3), "granted after {out:?}");
                tokens.grow(&lease);
                break;
            }
            Err(AcquireError::Unavailable { failures, .. }) => {
                assert!(lost.elapsed() < LIMIT, "never granted again: {failures:?}");
            }
            // What the one that remembers still keeps of an attempt before.
            Err(AcquireError::Contended { .. }) => {}
            Err(other) => panic!("{other}"),
        }
    }
    tokens.turn(&leases).await;
}

/// A server tells its age in whole seconds: the second that has just begun may be its first. And
/// what an earlier run noted may come from a disk that went back in time.
#[tokio::test]
async fn a_node_never_claims_to_have_been_out_for_longer_than_it_was() {
    let mut stack = nodes(1, Persistence::Durable).await;
    let node = RedisNode::new(&stack.redis_urls()[0], LIMIT).unwrap();
    // Started at different places within a second.
    for _ in 0..4 {
        let begun = Instant::now();
        stack.nodes[0].restart().await.unwrap();
        while node.ping().await.is_err() {}
        let mut redis = redis(&stack.nodes[0]).await;
        loop {
            let about: String =
                redis::cmd("INFO").arg("server").query_async(&mut redis).await.unwrap();
            if !about.contains("uptime_in_seconds:0\r") {
                break;
            }
        }
        let answer = node.ask(&[Question::Stand]).await.remove(0).unwrap();
        let Reply::Standing(Standing::Outside { out_for, .. }) = answer else {
            panic!("it votes: {answer:?}")
        };
        // The server's clock has milliseconds only.
        let age = begun.elapsed() + Duration::from_millis(2);
        assert!(out_for <= age, "out for {out_for:?}, but begun {age:?} ago");
    }
}
