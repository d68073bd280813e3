//! Tokens are unique and grow in real-time order, whatever happens to messages: I1 and I2.

use std::time::Duration;

use leasehold::FencingToken;

use crate::faulty_node::{Way, World, resource};

const SEEDS: u64 = 300;
const ATTEMPTS: usize = 40;

/// One history of three clients over five nodes; every way changes at random between attempts.
async fn tokens_of(seed: u64) -> Vec<FencingToken> {
    let mut random = fastrand::Rng::with_seed(seed);
    let world = World::new(5);
    let clients = [world.another(), world.another(), world.another()];
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
    tokens
}

#[tokio::test(start_paused = true)]
async fn tokens_grow_under_every_mix_of_faults() {
    let mut granted = 0;
    for seed in 0..SEEDS {
        let tokens = tokens_of(seed).await;
        granted += tokens.len();
        assert!(tokens.is_sorted_by(|a, b| a < b), "seed {seed}: {tokens:?}");
    }
    assert!(granted > 1000, "only {granted} grants: the faults leave nothing to check");
}
