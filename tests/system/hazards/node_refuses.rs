//! Nodes that answer, but refuse: their memory is full, they forgot the scripts, they have too many
//! connections. Each is a vote that is missing, and comes back without a restart.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use leasehold::{AcquireError, LeaseConfig, Leases, NodeErrorKind, ReleaseOutcome};
use leasehold_stack::{Arrivals, Buyers, LeaseNode, Persistence, Stack, Told, audit};

use crate::{
    servers::{PATIENCE, Tokens, all_vote, client, config, found, get, nodes, redis, resource},
    world::{LIMIT, World, answered, until},
};

/// Who waits at a node, as it keeps it.
const WAITING: &str = "leasehold:waiting-of:{stage}";

/// Three nodes that vote, and a client whose leases outlast what a test does to the nodes.
async fn lasting() -> (Stack, Leases) {
    let stack = nodes(3, Persistence::None).await;
    found(&stack).await;
    let config = LeaseConfig { ttl: Duration::from_secs(20), ..config() };
    let leases = Leases::connect(stack.redis_urls(), config).unwrap();
    (stack, leases)
}

/// Waits until somebody waits at every node.
async fn enlisted(stack: &Stack) {
    let begun = Instant::now();
    for node in &stack.nodes {
        while get(node, WAITING).await.is_none() {
            assert!(begun.elapsed() < LIMIT, "nobody waits at {}", node.name());
        }
    }
}

/// No quorum grants, each node says why, and asking again may help.
async fn is_refused(leases: &Leases, by: impl Fn(&NodeErrorKind) -> bool) {
    let error = leases.try_acquire(&resource()).await.unwrap_err();
    assert!(error.is_unavailable() && error.is_retryable(), "{error}");
    let AcquireError::Unavailable { failures, .. } = error else { unreachable!("{error}") };
    assert!(
        failures.len() >= 2 && failures.iter().all(|failure| by(&failure.kind)),
        "{failures:?}"
    );
}

#[tokio::test]
async fn a_node_without_memory_is_not_missed_and_votes_again_at_once() {
    let (stack, leases) = lasting().await;
    let mut tokens = Tokens::default();
    for round in 0..3 {
        stack.nodes[round].refuse_writes().await.unwrap();
        for _ in 0..5 {
            tokens.turn(&leases).await;
        }
        stack.nodes[round].accept_writes().await.unwrap();
        assert!(all_vote(&stack).await, "it forgot nothing");
    }
}

#[tokio::test]
async fn without_memory_anywhere_nothing_is_granted_and_what_is_held_can_be_given_back() {
    let (stack, leases) = lasting().await;
    let mut tokens = Tokens::default();
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    tokens.grow(&lease);
    for node in &stack.nodes {
        node.refuse_writes().await.unwrap();
    }
    assert!(!lease.is_lost());
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    is_refused(&leases, |kind| matches!(kind, NodeErrorKind::Rejected(why) if why.contains("OOM")))
        .await;
    for node in &stack.nodes {
        node.accept_writes().await.unwrap();
    }
    tokens.turn(&leases).await;
}

/// A lease is released while somebody waits for it at nodes that take no writes, for which `setting`
/// is 1. Whoever is told that it is theirs must be who the nodes have.
async fn nobody_is_told_what_the_nodes_do_not_have(setting: &str) {
    let (stack, leases) = lasting().await;
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    let other = client(&stack);
    let waiting = tokio::spawn(async move { other.acquire(&resource(), PATIENCE).await.unwrap() });
    enlisted(&stack).await;
    let set = async |node: &LeaseNode, value: u8| {
        let set = redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).clone();
        set.exec_async(&mut redis(node).await).await.unwrap();
    };
    for node in &stack.nodes {
        set(node, 1).await;
    }
    let token = lease.token();
    let _outcome = lease.release().await;
    // What the nodes told by then is heard by now: they answer in order.
    assert!(client(&stack).try_acquire(&resource()).await.is_err());
    assert!(!waiting.is_finished(), "nodes that refused all writes handed it over");
    for node in &stack.nodes {
        set(node, 0).await;
    }
    let next = waiting.await.unwrap();
    assert!(next.token() > token);
    let holder = next.stamp().holder.to_string();
    let mut having = 0;
    for node in &stack.nodes {
        let value = get(node, resource().as_str()).await;
        having += usize::from(value.is_some_and(|value| value.starts_with(&holder)));
    }
    assert!(having >= 2, "{having} nodes have it");
}

#[tokio::test]
async fn a_node_without_memory_hands_nothing_over() {
    nobody_is_told_what_the_nodes_do_not_have("maxmemory").await;
}

/// As a full disk, or a master that became a replica.
#[tokio::test]
async fn a_node_that_may_not_write_hands_nothing_over() {
    nobody_is_told_what_the_nodes_do_not_have("min-replicas-to-write").await;
}

#[tokio::test]
async fn a_sale_outlives_one_node_without_memory_and_waits_for_more() {
    let world = World::start_with(1, &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "500")]).await;
    let sale = world.sale(100_000).await;
    world.stack.nodes[1].refuse_writes().await.unwrap();
    let ada = world.buy(0, sale, "ada").await.unwrap();
    assert_eq!(ada.status, StatusCode::CREATED, "{ada:?}");
    world.stack.nodes[0].refuse_writes().await.unwrap();
    // The lease that is held goes on until its turn is over.
    let (mut told, refused) = world.buy_until_refused(0, sale, "bob").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
    assert!(refused.retry_after.is_some());
    for node in &world.stack.nodes[..2] {
        node.accept_writes().await.unwrap();
    }
    let cleo = world.buy_in_the_end(0, sale, "cleo").await;
    assert_eq!(cleo.status, StatusCode::CREATED, "{cleo:?}");
    told.extend([answered("ada", &ada), answered("cleo", &cleo)]);
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}

#[tokio::test]
async fn scripts_that_nodes_forget_are_given_again() {
    let (stack, first) = lasting().await;
    let others = [client(&stack), client(&stack)];
    let mut tokens = Tokens::default();
    for _ in 0..10 {
        let lease = first.acquire(&resource(), PATIENCE).await.unwrap();
        let waiting = others.clone().map(|other| {
            tokio::spawn(async move { other.acquire(&resource(), PATIENCE).await.unwrap() })
        });
        enlisted(&stack).await;
        for node in &stack.nodes {
            node.forget_scripts().await.unwrap();
        }
        tokens.grow(&lease);
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
        let mut got = Vec::new();
        for waiting in waiting {
            // Whoever is first lets the other have it, so each is waited for at once.
            got.push(tokio::spawn(async move {
                let lease = waiting.await.unwrap();
                let token = lease.token();
                assert_eq!(lease.release().await, ReleaseOutcome::Released);
                token
            }));
        }
        for got in got {
            assert!(Some(got.await.unwrap()) > tokens.0);
        }
        tokens.turn(&first).await;
        assert!(all_vote(&stack).await, "forgetting scripts is no restart");
    }
}

#[tokio::test]
async fn a_crowd_does_not_notice_that_nodes_forget_their_scripts() {
    let world = World::start(2).await;
    let sale = world.sale(100).await;
    let arrivals = Arrivals::Over(Duration::from_secs(2));
    let crowd = Buyers { count: 150, arrivals, sale, replicas: world.urls(), seed: 1 };
    let forgetting = async {
        loop {
            for node in &world.stack.nodes {
                node.forget_scripts().await.unwrap();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let told = tokio::select! {
        told = crowd.run(&world.shop, |_| ()) => told,
        () = forgetting => unreachable!("it goes on for ever"),
    };
    let books = world.books(sale).await;
    assert_eq!(audit::violations(&books, &told), Vec::<String>::new());
    assert_eq!(books.sold, 100);
    assert!(told.iter().all(|answered| answered.told != Told::Unknown));
}

#[tokio::test]
async fn a_node_that_has_too_many_connections_is_not_missed_and_comes_back() {
    let (stack, leases) = lasting().await;
    let mut tokens = Tokens::default();
    tokens.turn(&leases).await;
    let one = stack.nodes[0].limit_connections(0).unwrap();
    for _ in 0..5 {
        tokens.turn(&leases).await;
    }
    let another = stack.nodes[1].limit_connections(0).unwrap();
    is_refused(&leases, |kind| {
        matches!(kind, NodeErrorKind::Broken(_) | NodeErrorKind::Rejected(_))
    })
    .await;
    drop(one);
    tokens.turn(&leases).await;
    drop(another);
    stack.nodes[2].pause().unwrap();
    tokens.turn(&leases).await;
}

#[tokio::test]
async fn a_lease_is_kept_over_connections_that_are_cut() {
    let (stack, others) = lasting().await;
    let config = LeaseConfig { ttl: Duration::from_secs(4), ..config() };
    let leases = Leases::connect(stack.redis_urls(), config).unwrap();
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    for _ in 0..3 {
        for node in &stack.nodes {
            node.drop_connections().await.unwrap();
        }
        // It grows only when the lease is renewed, which the first try finds impossible.
        let mut left = lease.remaining();
        until("it is never renewed", || {
            let before = std::mem::replace(&mut left, lease.remaining());
            left > before
        })
        .await;
        assert!(!lease.is_lost());
        assert!(others.try_acquire(&resource()).await.is_err());
    }
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    let _next = others.acquire(&resource(), PATIENCE).await.unwrap();
}

#[tokio::test]
async fn replicas_that_find_no_place_at_the_nodes_say_so_and_come_back() {
    let world = World::start_with(1, &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "500")]).await;
    let sale = world.sale(100_000).await;
    let limits: Vec<_> =
        world.stack.nodes.iter().map(|node| node.limit_connections(0).unwrap()).collect();
    let (mut told, refused) = world.buy_until_refused(0, sale, "ada").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
    drop(limits);
    let bob = world.buy_in_the_end(0, sale, "bob").await;
    assert_eq!(bob.status, StatusCode::CREATED, "{bob:?}");
    told.push(answered("bob", &bob));
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}
