//! What the Lua scripts keep to at the edges: largest numbers, full lists, lifetimes of keys.

use std::{sync::Arc, time::Duration};

use leasehold::{
    GrantNumber, HolderId, Resource,
    model::{
        Admission, Binding, ClientId, FENCE_STRETCH, GRANT_NUMBER_MAX, GrantRequest, HIGH_STRIDE,
        HINT_AHEAD_MAX, HINT_LAG_MAX, Question, Reply, Standing, WAITERS_MAX, fence_lifetime,
    },
    node::{Node as _, Notice, RedisNode},
};
use leasehold_stack::{Persistence, Silent, Stack, StackConfig};
use redis::aio::MultiplexedConnection;
use tokio::sync::mpsc;

use crate::world::LIMIT;

const TTL: Duration = Duration::from_secs(3600);
const GUARD: &str = include_str!("../../../lock/src/node/redis/scripts/guard.lua");
const RAISE: &str = include_str!("../../../lock/src/node/redis/scripts/raise.lua");
const GRANT: &str = include_str!("../../../lock/src/node/redis/scripts/grant.lua");

/// A server that votes and mints above this number.
async fn member(floor: u64) -> (Stack, Arc<RedisNode>, MultiplexedConnection) {
    let config = StackConfig {
        lease_nodes: 1,
        persistence: Persistence::None,
        postgres: false,
        ..StackConfig::default()
    };
    let stack = Stack::start(config, &Silent).await.unwrap();
    let node = Arc::new(RedisNode::new(&stack.redis_urls()[0], LIMIT).unwrap());
    let redis = stack.nodes[0].connection().await.unwrap();
    let outage = match ask(&node, Question::Stand).await {
        Reply::Standing(Standing::Outside { outage, .. }) => Some(outage),
        _ => None,
    };
    let outage = outage.unwrap();
    let admission =
        Admission { floor: number(floor), ttl_max: TTL, quarantine: Duration::ZERO, outage };
    assert_eq!(ask(&node, Question::Admit(admission)).await, Reply::Admitted);
    (stack, node, redis)
}

fn number(n: u64) -> GrantNumber {
    GrantNumber::new(n).unwrap()
}

async fn ask(node: &RedisNode, question: Question) -> Reply {
    node.ask(&[question]).await.remove(0).unwrap()
}

fn grant(name: &str, holder: u128, hint: u64, ttl: Duration, waiter: Option<u64>) -> Question {
    Question::Grant(Arc::new(GrantRequest {
        resource: Resource::new(name).unwrap(),
        holder: HolderId::from_random(holder),
        ttl,
        hint: number(hint),
        waiter: waiter.map(ClientId::from_random),
    }))
}

fn binding(name: &str, holder: u128, n: u64) -> Binding {
    let (resource, holder) = (Resource::new(name).unwrap(), HolderId::from_random(holder));
    Binding { resource, holder, ttl: TTL, number: number(n) }
}

fn release(name: &str, holder: u128) -> Question {
    let Binding { resource, holder, .. } = binding(name, holder, 1);
    Question::Release { resource, holder, next: None }
}

fn constant(script: &str, name: &str) -> u64 {
    let line = script.lines().find_map(|line| line.strip_prefix(&format!("local {name} = ")));
    line.expect(name).parse().unwrap()
}

#[test]
fn limits_in_the_scripts_are_those_of_the_model() {
    let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap();
    assert_eq!(constant(GUARD, "MAX"), GRANT_NUMBER_MAX);
    assert_eq!(constant(RAISE, "HIGH_STRIDE_US"), micros(HIGH_STRIDE));
    assert_eq!(constant(GUARD, "HINT_AHEAD_MAX_US"), micros(HINT_AHEAD_MAX));
    assert_eq!(constant(RAISE, "FENCE_STRETCH_US"), micros(FENCE_STRETCH));
    assert_eq!(constant(GRANT, "HINT_LAG_MAX_US"), micros(HINT_LAG_MAX));
}

#[tokio::test]
async fn the_largest_numbers_come_back_digit_by_digit() {
    let (_stack, node, _redis) = member(GRANT_NUMBER_MAX - 1000).await;
    // A hint far behind the clock is raised above the floor, and minted numbers grow by one.
    let lowest = GRANT_NUMBER_MAX - 999;
    assert_eq!(
        ask(&node, grant("r", 1, 5, TTL, None)).await,
        Reply::Granted { number: number(lowest), next: None }
    );
    assert_eq!(ask(&node, Question::Renew(binding("r", 1, lowest))).await, Reply::Bound);
    assert_eq!(ask(&node, Question::Renew(binding("r", 1, lowest - 1))).await, Reply::Refused);
    assert_eq!(ask(&node, Question::Renew(binding("r", 1, lowest + 1))).await, Reply::Refused);
    for n in [GRANT_NUMBER_MAX - 2, GRANT_NUMBER_MAX - 1, GRANT_NUMBER_MAX] {
        assert_eq!(ask(&node, Question::Commit(binding("r", 1, n))).await, Reply::Bound);
        assert_eq!(ask(&node, Question::Commit(binding("r", 1, n - 1))).await, Reply::Refused);
        assert_eq!(ask(&node, Question::Renew(binding("r", 1, n))).await, Reply::Bound);
        let Reply::Held { fence, .. } = ask(&node, grant("r", 2, 5, TTL, None)).await else {
            panic!("granted twice")
        };
        assert_eq!(fence, Some(number(n)));
    }
    let Reply::Standing(Standing::Member { high, .. }) = ask(&node, Question::Stand).await else {
        panic!("not a member")
    };
    assert_eq!(high, number(GRANT_NUMBER_MAX));
}

/// Whether a client that enlists after this many others is told when the lease becomes free.
async fn is_told_after(others: usize) -> bool {
    const LAST: u64 = u64::MAX;
    let (_stack, node, _redis) = member(1).await;
    let (sender, mut heard) = mpsc::channel(2);
    let listening = Arc::clone(&node);
    let client = ClientId::from_random(LAST);
    drop(tokio::spawn(async move { listening.listen(client, sender).await }));
    assert_eq!(heard.recv().await, Some(Notice::Listening));
    let _granted = ask(&node, grant("r", 1, 5, TTL, None)).await;
    for other in (0..others).map(|other| u64::try_from(other).unwrap()).chain([LAST]) {
        let held = ask(&node, grant("r", 2, 5, TTL, Some(other))).await;
        assert!(matches!(held, Reply::Held { .. }), "{held:?}");
    }
    ask(&node, release("r", 1)).await == Reply::Released { passed: true }
}

#[tokio::test]
async fn a_list_of_waiters_is_full_where_the_model_says() {
    assert!(is_told_after(WAITERS_MAX - 1).await);
    assert!(!is_told_after(WAITERS_MAX).await);
}

#[tokio::test]
async fn leases_expire_and_fences_outlive_them() {
    let (_stack, node, mut redis) = member(1).await;
    let short = Duration::from_millis(50);
    let Reply::Granted { number: first, .. } = ask(&node, grant("r", 1, 1, short, None)).await
    else {
        panic!("not granted")
    };
    let second = loop {
        match ask(&node, grant("r", 2, 1, short, Some(1))).await {
            Reply::Granted { number, .. } => break number,
            Reply::Held { ttl_left, fence, .. } => {
                assert!(ttl_left.is_some_and(|left| left <= short));
                assert_eq!(fence, Some(first));
            }
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(second, first.next());
    let mut keys: Vec<String> =
        redis::cmd("KEYS").arg("leasehold:*").query_async(&mut redis).await.unwrap();
    keys.sort();
    assert_eq!(keys.first().map(String::as_str), Some("leasehold:fence-of:{r}"));
    assert!(keys.contains(&"leasehold:member".to_owned()), "{keys:?}");
    // Every key of a resource ends by itself; what makes the node a member does not.
    for key in &keys {
        let left: i64 = redis::cmd("PTTL").arg(key).query_async(&mut redis).await.unwrap();
        let longest = match key.as_str() {
            "leasehold:fence-of:{r}" => fence_lifetime(short),
            "leasehold:waiting-of:{r}" => Duration::from_secs(60),
            "leasehold:member" => {
                assert_eq!(left, -1);
                continue;
            }
            other => panic!("unknown key {other}"),
        };
        let longest = i64::try_from(longest.as_millis()).unwrap();
        // The machine may be slow, but not half an hour.
        assert!((longest / 2..=longest).contains(&left), "{key} lives for {left} ms");
    }
}
