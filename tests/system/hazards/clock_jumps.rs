//! Wall clocks that are set while leases are held: of nodes, which count a lease's time by theirs, and
//! of replicas, whose clock decides nothing.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use leasehold::{
    Lease, LeaseConfig, Leases,
    fence::{self, FenceError},
};
use leasehold_stack::{
    Arrivals, Buyers, LeaseNode, Means, Persistence, Prepared, Silent, Stack, StackConfig, Told,
    audit,
};
use sqlx::{Connection as _, PgConnection};

use crate::{
    servers::{PATIENCE, TTL, Tokens, client, config, found, get, resource},
    world::{LIMIT, World, answered},
};

/// Longer than a test takes.
const LONG_TTL: Duration = Duration::from_secs(60);
const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

const CLOCKS: Prepared = Prepared { clocks: true, small_disks: false };

/// Three nodes that vote and whose clocks can be set; `None` if that cannot be had here.
async fn nodes_with_clocks(postgres: bool) -> Option<Stack> {
    if !Means::Clocks.are_here() {
        return None;
    }
    let config =
        StackConfig { lease_nodes: 3, persistence: Persistence::None, postgres, prepared: CLOCKS };
    let stack = Stack::start(config, &Silent).await.unwrap();
    found(&stack).await;
    Some(stack)
}

async fn world_with_clocks(replicas: usize, env: &[(&str, &str)]) -> Option<World> {
    if !Means::Clocks.are_here() {
        return None;
    }
    Some(World::start_prepared(replicas, env, CLOCKS).await)
}

/// A client whose leases last for a minute.
fn lasting(stack: &Stack) -> Leases {
    Leases::connect(stack.redis_urls(), LeaseConfig { ttl: LONG_TTL, ..config() }).unwrap()
}

/// A lease that every node has.
async fn held_everywhere(stack: &Stack, leases: &Leases) -> Lease {
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    let (holder, begun) = (lease.stamp().holder.to_string(), Instant::now());
    for node in &stack.nodes {
        // Not what a holder before has not given back there yet.
        while !get(node, resource().as_str()).await.is_some_and(|held| held.starts_with(&holder)) {
            assert!(begun.elapsed() < LIMIT, "{} never has it", node.name());
        }
    }
    lease
}

/// Sets a node's clock ahead until the lease's time is over there. One jump may not do: a request of the
/// holder that was still on its way is granted after it.
async fn expire_at(node: &LeaseNode) {
    for hours in 1..=10 {
        node.jump_clock(hours * HOUR).unwrap();
        if get(node, resource().as_str()).await.is_none() {
            return;
        }
    }
    unreachable!("{}: no jump ends a lease", node.name());
}

#[tokio::test]
async fn one_node_whose_clock_jumps_forward_frees_nothing() {
    let Some(stack) = nodes_with_clocks(false).await else { return };
    let (ours, theirs) = (lasting(&stack), client(&stack));
    for node in &stack.nodes {
        let lease = held_everywhere(&stack, &ours).await;
        expire_at(node).await;
        for _ in 0..5 {
            let error = theirs.try_acquire(&resource()).await.unwrap_err();
            assert!(!error.is_unavailable(), "{error}");
        }
        assert!(!lease.is_lost());
        let token = lease.token();
        let _outcome = lease.release().await;
        let next = theirs.acquire(&resource(), PATIENCE).await.unwrap();
        assert!(next.token() > token);
        let _outcome = next.release().await;
        node.jump_clock(0).unwrap();
    }
}

#[tokio::test]
async fn tokens_grow_whatever_the_clock_of_one_node_says() {
    let Some(stack) = nodes_with_clocks(false).await else { return };
    let (one, another, mut tokens) = (client(&stack), client(&stack), Tokens::default());
    for jumps in [[HOUR, 0, -HOUR, 0], [DAY, -DAY, DAY, 0], [-120, 300, 120, 0]] {
        for node in &stack.nodes {
            for seconds in jumps {
                node.jump_clock(seconds).unwrap();
                for _ in 0..3 {
                    tokens.turn(&one).await;
                    tokens.turn(&another).await;
                }
            }
        }
    }
}

/// Every pair of nodes is the quorum in turn, so the vote of the one whose clock jumped counts.
#[tokio::test]
async fn tokens_grow_through_a_quorum_whose_clocks_are_minutes_apart() {
    let Some(stack) = nodes_with_clocks(false).await else { return };
    let (one, another, mut tokens) = (client(&stack), client(&stack), Tokens::default());
    for silent in 0..3 {
        stack.nodes[silent].pause().unwrap();
        for seconds in [120, -120, 240, 0] {
            stack.nodes[(silent + 1) % 3].jump_clock(seconds).unwrap();
            for _ in 0..2 {
                tokens.turn(&one).await;
                tokens.turn(&another).await;
            }
        }
        stack.nodes[silent].resume().unwrap();
    }
}

/// A holder that was killed, as far as the nodes can tell: nobody renews its lease or gives it back.
async fn left_behind(stack: &Stack) -> Lease {
    // Longer than the clocks take to be set.
    let (ttl, node_timeout) = (TTL * 8, TTL * 2);
    let config =
        LeaseConfig { ttl, node_timeout, lifetime_max: Duration::ZERO, ..LeaseConfig::default() };
    held_everywhere(stack, &Leases::connect(stack.redis_urls(), config).unwrap()).await
}

#[tokio::test]
async fn one_node_whose_clock_jumps_back_keeps_a_lease_and_nobody_needs_it() {
    let Some(stack) = nodes_with_clocks(false).await else { return };
    let left = left_behind(&stack).await;
    stack.nodes[0].jump_clock(-DAY).unwrap();
    let lease = client(&stack).acquire(&resource(), PATIENCE).await.unwrap();
    assert!(lease.token() > left.token());
    let kept = get(&stack.nodes[0], resource().as_str()).await.unwrap_or_default();
    assert!(kept.starts_with(&left.stamp().holder.to_string()), "{kept:?}");
}

#[tokio::test]
async fn a_quorum_whose_clocks_jump_back_lets_others_wait_until_they_are_right() {
    let Some(stack) = nodes_with_clocks(false).await else { return };
    let left = left_behind(&stack).await;
    for node in &stack.nodes[..2] {
        node.jump_clock(-HOUR).unwrap();
    }
    left.lost().await;
    let waiter = client(&stack);
    let error = waiter.acquire(&resource(), TTL * 3).await.unwrap_err();
    assert!(!error.is_unavailable(), "{error}");
    for node in &stack.nodes[..2] {
        node.jump_clock(0).unwrap();
    }
    let lease = waiter.acquire(&resource(), PATIENCE).await.unwrap();
    assert!(lease.token() > left.token());
}

/// What the lease cannot do then, the fence does.
#[tokio::test]
async fn a_quorum_whose_clocks_jump_forward_gives_the_lease_away_and_the_fence_refuses_the_first() {
    let Some(stack) = nodes_with_clocks(true).await else { return };
    let mut store = PgConnection::connect(&stack.database_url()).await.unwrap();
    fence::install(&mut store).await.unwrap();
    let first = held_everywhere(&stack, &lasting(&stack)).await;
    fence::claim(&mut store, first.stamp()).await.unwrap();
    for node in &stack.nodes[..2] {
        expire_at(node).await;
    }
    let second = client(&stack).acquire(&resource(), PATIENCE).await.unwrap();
    assert!(!first.is_lost(), "the assumption is broken: both believe to hold it");
    assert!(second.token() > first.token());
    fence::claim(&mut store, second.stamp()).await.unwrap();
    let late = fence::claim(&mut store, first.stamp()).await;
    let Err(FenceError::Stale(stale)) = late else { unreachable!("accepted: {late:?}") };
    assert_eq!((stale.given, stale.newest), (first.token(), second.token()));
}

#[tokio::test]
async fn a_crowd_is_served_while_the_clocks_of_all_nodes_jump() {
    let Some(world) = world_with_clocks(3, &[]).await else { return };
    let sale = world.sale(150).await;
    let arrivals = Arrivals::Over(Duration::from_secs(3));
    let crowd = Buyers { count: 300, arrivals, sale, replicas: world.urls(), seed: 1 };
    // Within what tokens need no fence for: ten minutes. Leases are lost and kept all the time.
    let jumping = async {
        for jump in 0.. {
            let seconds = [120, -120, 0, 240, 60, -60][jump % 6];
            world.stack.nodes[jump % 3].jump_clock(seconds).unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let mut told = tokio::select! {
        told = crowd.run(&world.shop, |_| ()) => told,
        () = jumping => unreachable!("it goes on for ever"),
    };
    for node in &world.stack.nodes {
        node.jump_clock(0).unwrap();
    }
    // Who was told nothing in the end asks again.
    for one in told.iter_mut().filter(|answered| answered.told == Told::Unknown) {
        let again = world.buy_in_the_end(0, sale, &one.buyer).await;
        one.told = answered(&one.buyer, &again).told;
    }
    let books = world.books(sale).await;
    assert_eq!((books.sold, audit::violations(&books, &told)), (150, Vec::new()));
}

#[tokio::test]
async fn a_replica_sells_although_its_clock_is_a_day_behind() {
    let Some(world) = world_with_clocks(2, &[]).await else { return };
    let (sale, mut told) = (world.sale(100).await, Vec::new());
    for seconds in [-DAY, 0, -HOUR, 300, 0] {
        world.replicas[0].jump_clock(seconds).unwrap();
        for replica in [0, 1, 0, 1, 0] {
            let buyer = format!("buyer-{}", told.len());
            let answer = world.buy(replica, sale, &buyer).await.unwrap();
            assert_eq!(answer.status, StatusCode::CREATED, "{seconds}: {answer:?}");
            told.push(answered(&buyer, &answer));
        }
    }
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}

/// Its hints would carry the tokens of everybody away, so the nodes refuse them.
#[tokio::test]
async fn a_replica_whose_clock_is_a_day_ahead_is_refused_and_the_others_sell() {
    let quick = [("LEASEHOLD_OUTAGE_PATIENCE_MS", "500")];
    let Some(world) = world_with_clocks(2, &quick).await else { return };
    let sale = world.sale(100_000).await;
    world.replicas[0].jump_clock(DAY).unwrap();
    let (mut told, refused) = world.buy_until_refused(0, sale, "ada").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
    let bob = world.buy_in_the_end(1, sale, "bob").await;
    assert_eq!(bob.status, StatusCode::CREATED, "{bob:?}");
    world.replicas[0].jump_clock(0).unwrap();
    let cleo = world.buy_in_the_end(0, sale, "cleo").await;
    assert_eq!(cleo.status, StatusCode::CREATED, "{cleo:?}");
    told.extend([answered("bob", &bob), answered("cleo", &cleo)]);
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}
