//! What would happen if a node that forgot were believed: each history is run with the rule and
//! without it, so that the rule is seen to be needed.
//!
//! Nodes A, B and C; one client reaches only A and C, another only A and B. The numbers are far
//! ahead of every clock, so that no clock can help. The first client gets tokens from A and C; A
//! forgets; the second client asks A and B, of which none remembers.

use std::{fs, path::PathBuf};

use leasehold::{FencingToken, Leases};
use leasehold_stack::{LeaseNode, Persistence, Stack};

use crate::servers::{
    FENCE, NOBODY, PATIENCE, TTL, Tokens, all_vote, client, client_of, clock, get, nodes, redis,
    resource, votes,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// Killed, and begun anew with nothing.
    Emptied,
    /// `FLUSHALL`.
    Flushed,
    /// Killed, and begun anew with an older state of its append-only file.
    RolledBack,
}

impl Loss {
    const fn persistence(self) -> Persistence {
        match self {
            Self::Emptied | Self::Flushed => Persistence::None,
            Self::RolledBack => Persistence::Durable,
        }
    }
}

/// A world in which node A has lost what it knew.
struct History {
    stack: Stack,
    tokens: Tokens,
    /// Reaches A and B.
    other: Leases,
}

/// The file that A appends to, and how long it is.
fn append_only_file(stack: &Stack) -> (PathBuf, u64) {
    let folder = stack.folder().join("node-0/appendonlydir");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = files
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .max()
        .expect("a server of version 7 or later has one");
    let length = fs::metadata(&file).unwrap().len();
    (file, length)
}

async fn history(loss: Loss) -> History {
    let mut stack = nodes(3, loss.persistence()).await;
    let urls = stack.redis_urls();
    let mut tokens = Tokens::default();
    let everybody = client(&stack);
    while !all_vote(&stack).await {
        tokens.turn(&everybody).await;
    }

    let first = client_of([&urls[0], NOBODY, &urls[2]]);
    // Five minutes: more than the whole test takes, and less than nodes refuse.
    let ahead = clock(&stack.nodes[0]).await + 300_000_000;
    for node in [0, 2] {
        let mut redis = redis(&stack.nodes[node]).await;
        let fence = format!("{ahead:016}:0");
        redis::cmd("SET").arg(FENCE).arg(fence).exec_async(&mut redis).await.unwrap();
    }
    tokens.turn(&first).await;
    let mut to_a = redis(&stack.nodes[0]).await;
    let old = redis::cmd("SET").arg("old").arg("lease").arg("PX").arg(3_600_000).clone();
    old.exec_async(&mut to_a).await.unwrap();
    let before = get(&stack.nodes[0], FENCE).await;
    let file = (loss == Loss::RolledBack).then(|| append_only_file(&stack));
    redis::cmd("DEL").arg("old").exec_async(&mut to_a).await.unwrap();
    for _ in 0..5 {
        tokens.turn(&first).await;
    }
    let newest = get(&stack.nodes[0], FENCE).await;
    assert!(newest > before);

    match loss {
        Loss::Emptied => stack.nodes[0].restart().await.unwrap(),
        Loss::Flushed => stack.nodes[0].flush_all().await.unwrap(),
        Loss::RolledBack => {
            stack.nodes[0].kill().await.unwrap();
            let (file, length) = file.unwrap();
            fs::File::options().write(true).open(file).unwrap().set_len(length).unwrap();
            stack.nodes[0].restart().await.unwrap();
            assert_eq!(get(&stack.nodes[0], FENCE).await, before, "the old fence is not back");
            assert!(get(&stack.nodes[0], "old").await.is_some(), "the old lease is not back");
        }
    }
    let other = client_of([&urls[0], &urls[1], NOBODY]);
    History { stack, tokens, other }
}

/// With the rule: A may not vote until it was told what C knows.
async fn tokens_grow_after(loss: Loss) {
    let History { stack, mut tokens, other } = history(loss).await;
    let refused = other.acquire(&resource(), TTL * 3).await.unwrap_err();
    assert!(refused.is_unavailable(), "{refused}");
    assert!(!votes(&stack.nodes[0]).await);
    // Somebody who reaches all has it told.
    let everybody = client(&stack);
    while !votes(&stack.nodes[0]).await {
        tokens.turn(&everybody).await;
    }
    for _ in 0..3 {
        tokens.turn(&other).await;
    }
}

/// Without the rule: A says that it is a member, as if it had never forgotten.
async fn token_without_the_rule(loss: Loss) -> (Option<FencingToken>, FencingToken) {
    let History { stack, tokens, other } = history(loss).await;
    let mut to_a = redis(&stack.nodes[0]).await;
    let about: String = redis::cmd("INFO").arg("server").query_async(&mut to_a).await.unwrap();
    let run = about.lines().find_map(|line| line.trim().strip_prefix("run_id:")).unwrap();
    let record = format!("{:016} {:016} {} {}", 1, 0, &run[..16], TTL.as_millis());
    redis::cmd("SET").arg("leasehold:member").arg(record).exec_async(&mut to_a).await.unwrap();
    let lease = other.acquire(&resource(), PATIENCE).await.unwrap();
    (tokens.0, lease.token())
}

#[tokio::test]
async fn tokens_grow_although_a_node_was_emptied() {
    tokens_grow_after(Loss::Emptied).await;
}

#[tokio::test]
async fn tokens_grow_although_a_node_was_flushed() {
    tokens_grow_after(Loss::Flushed).await;
}

#[tokio::test]
async fn tokens_grow_although_a_disk_went_back_in_time() {
    tokens_grow_after(Loss::RolledBack).await;
}

#[tokio::test]
async fn without_the_rule_each_of_these_histories_gives_an_older_token_to_a_later_holder() {
    for loss in [Loss::Emptied, Loss::Flushed, Loss::RolledBack] {
        let (newest, later) = token_without_the_rule(loss).await;
        assert!(Some(later) <= newest, "{loss:?}: {later} after {newest:?}: the test is blind");
    }
}

#[tokio::test]
async fn a_node_that_remembers_carries_its_numbers_over_a_cold_start() {
    let mut stack = nodes(3, Persistence::None).await;
    let (leases, mut tokens) = (client(&stack), Tokens::default());
    tokens.turn(&leases).await;
    while !all_vote(&stack).await {
        tokens.turn(&leases).await;
    }
    let ahead = clock(&stack.nodes[0]).await + 300_000_000;
    for node in &stack.nodes {
        let fence = format!("{ahead:016}:0");
        let set = redis::cmd("SET").arg(FENCE).arg(fence).clone();
        set.exec_async(&mut redis(node).await).await.unwrap();
    }
    // Until the third one has seen a number of that kind too: two are enough for a grant.
    let high =
        async |node: &LeaseNode| get(node, "leasehold:member").await.unwrap()[..16].to_owned();
    while high(&stack.nodes[2]).await.parse::<u64>().unwrap() < ahead {
        tokens.turn(&leases).await;
    }
    for node in [0, 1] {
        stack.nodes[node].restart().await.unwrap();
    }
    // A process that has seen nothing.
    let fresh = client(&stack);
    tokens.turn(&fresh).await;
    tokens.turn(&fresh).await;
}
