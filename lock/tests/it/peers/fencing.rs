//! Tokens, as the published acceptance lists for fencing ask for them.

use std::time::Duration;

use leasehold::{
    FencingToken, GrantNumber, HolderId, LeaseConfig, ReleaseOutcome,
    model::{GrantRequest, Question, Reply},
};

use crate::faulty_node::{Way, World, config, resource};

const TTL: Duration = Duration::from_millis(1200);

fn number(n: u64) -> GrantNumber {
    GrantNumber::new(n).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tokens_grow_across_processes_releases_and_expiries() {
    let world = World::new(3);
    let unrenewed = LeaseConfig { lifetime_max: Duration::ZERO, ..config() };
    let mut tokens = Vec::new();
    for round in 0..1000 {
        // A new process each time for a third of them.
        let client = match round % 3 {
            0 => world.leases.clone(),
            1 => world.another(),
            _ => World::over(&world.nodes, unrenewed.clone()),
        };
        let lease = client.try_acquire(&resource()).await.unwrap();
        tokens.push(lease.token());
        if round % 3 == 2 {
            tokio::time::sleep(TTL).await;
        } else {
            assert_eq!(lease.release().await, ReleaseOutcome::Released);
        }
    }
    assert!(tokens.is_sorted_by(|a, b| a < b));
}

#[tokio::test(start_paused = true)]
async fn the_token_of_a_paused_holder_is_smaller_than_its_successors() {
    let world = World::new(3);
    let paused =
        World::over(&world.nodes, LeaseConfig { lifetime_max: Duration::ZERO, ..config() });
    let paused = paused.try_acquire(&resource()).await.unwrap();
    tokio::time::sleep(TTL).await;
    let successor = world.leases.try_acquire(&resource()).await.unwrap();
    // A store that has seen the successor refuses what the first writes when it goes on.
    let stamp = paused.stamp().clone();
    assert!(stamp.token < successor.token());
    assert_eq!(stamp.token, FencingToken::of_grant(stamp.token.number()));
    assert_ne!(stamp.holder, successor.stamp().holder);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_grant_message_gets_the_same_number_and_another_holder_none() {
    let world = World::new(1);
    let ask = |holder, hint| {
        let request = GrantRequest {
            resource: resource(),
            holder: HolderId::from_random(holder),
            ttl: TTL,
            hint: number(hint),
            waiter: None,
        };
        world.nodes[0].probe(&Question::Grant(request.into()))
    };
    assert_eq!(ask(1, 5), Reply::Granted { number: number(5), next: None });
    assert_eq!(
        ask(1, 9),
        Reply::Granted { number: number(5), next: None },
        "a repeat took a number of its own"
    );
    assert!(matches!(ask(2, 9), Reply::Held { fence: Some(fence), .. } if fence == number(5)));
    tokio::time::sleep(TTL).await;
    // The same value after its end is a new grant: its number was anybody's since.
    assert_eq!(ask(1, 5), Reply::Granted { number: number(6), next: None });
}

#[tokio::test(start_paused = true)]
async fn tokens_grow_for_a_process_whose_clock_is_behind() {
    let world = World::new(3);
    let mut tokens = Vec::new();
    for _ in 0..20 {
        let lease = world.another().try_acquire(&resource()).await.unwrap();
        tokens.push(lease.token());
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
        // From the second on, hints arrive as if the client's clock showed 1970.
        world.nodes.iter().for_each(|node| node.ignore_clocks());
    }
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

#[tokio::test(start_paused = true)]
async fn a_token_seen_elsewhere_is_below_every_later_one() {
    let world = World::new(3);
    let seen = world.leases.try_acquire(&resource()).await.unwrap().token();
    // A minute ahead of every clock, and of every node.
    let seen = FencingToken::of_grant(number(seen.number().get() + 60_000_000));
    tokio::time::sleep(Duration::from_millis(1)).await;
    let before = world.another().try_acquire(&resource()).await.unwrap();
    assert!(before.token() < seen);
    assert_eq!(before.release().await, ReleaseOutcome::Released);
    let told = world.another();
    told.observe(seen);
    assert!(told.try_acquire(&resource()).await.unwrap().token() > seen);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_after_its_number_was_minted_takes_no_token_back() {
    let world = World::new(3);
    let mut last = None;
    for _ in 0..20 {
        // Granted on one node only: a number is used up there, and nobody holds it.
        world.set(1..3, Way::Cut);
        assert!(world.another().try_acquire(&resource()).await.is_err());
        world.set(1..3, Way::Open);
        let lease = world.another().try_acquire(&resource()).await.unwrap();
        assert!(Some(lease.token()) > last);
        last = Some(lease.token());
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
    }
}
