//! Tokens are unique and grow in real-time order, whatever happens to messages: I1 and I2.

use std::{sync::atomic::Ordering, time::Duration};

use leasehold::FencingToken;

use crate::faulty_node::{Way, World, resource};

const SEEDS: u64 = 200;
const ATTEMPTS: usize = 40;

/// What the clients' clocks say, and whether nodes keep their data.
#[derive(Clone, Copy, PartialEq)]
enum Setting {
    GoodClocks,
    NoClocks,
    NoClocksAndAmnesia,
}

/// The tokens of three clients over five nodes, in the order in which they were granted, and how
/// many commits that took. Every way changes at random between attempts.
async fn history(seed: u64, setting: Setting) -> (Vec<FencingToken>, usize) {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(5);
    let clients = [world.another(), world.another(), world.another()];
    if setting != Setting::GoodClocks {
        world.nodes.iter().for_each(|node| node.ignore_clocks());
    }
    let mut tokens = Vec::new();
    for _ in 0..ATTEMPTS {
        for node in &world.nodes {
            node.set(match random.u8(0..10) {
                0..=4 => Way::Open,
                5 | 6 => Way::Cut,
                7 => Way::ReplyLost,
                _ => Way::Late(Duration::from_millis(random.u64(1..90))),
            });
        }
        if setting == Setting::NoClocksAndAmnesia && random.u8(0..10) == 0 {
            world.nodes[random.usize(0..5)].forget_unnoticed();
        }
        let client = random.choice(&clients).unwrap();
        // Attempts follow one another, so each must have a larger token than all before.
        if let Ok(lease) = client.try_acquire(&resource()).await {
            tokens.push(lease.token());
            if random.bool() {
                drop(lease);
            } else {
                let _outcome = lease.release().await;
            }
        }
        tokio::time::sleep(Duration::from_millis(random.u64(0..600))).await;
    }
    // After the faults stop, somebody can acquire again.
    world.set(0..5, Way::Open);
    tokio::time::sleep(Duration::from_millis(1300)).await;
    let healed = clients[0].try_acquire(&resource()).await;
    assert!(healed.is_ok(), "not healed, seed {seed}: {healed:?}");
    tokens.extend(healed.map(|lease| lease.token()));
    let commits = world.nodes.iter().map(|node| node.commits.load(Ordering::Relaxed)).sum();
    (tokens, commits)
}

/// How many histories have a token that does not grow, and how many commits there were.
async fn violations(setting: Setting) -> (usize, usize) {
    let (mut granted, mut violations, mut committed) = (0, 0, 0);
    for seed in 0..SEEDS {
        let (tokens, commits) = history(seed, setting).await;
        granted += tokens.len();
        committed += commits;
        violations += usize::from(!tokens.is_sorted_by(|a, b| a < b));
    }
    assert!(granted > 1000, "only {granted} grants: the faults leave nothing to check");
    (violations, committed)
}

#[tokio::test(start_paused = true)]
async fn tokens_grow_under_every_mix_of_faults() {
    assert_eq!(violations(Setting::GoodClocks).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn tokens_grow_without_any_help_of_clocks() {
    let (violations, commits) = violations(Setting::NoClocks).await;
    assert_eq!(violations, 0);
    assert!(commits > 1000, "only {commits} commits: nodes never disagreed");
}

#[tokio::test(start_paused = true)]
async fn the_check_sees_nodes_that_forget() {
    assert!(violations(Setting::NoClocksAndAmnesia).await.0 > 0);
}
