//! The disk of a lease node or of Postgres is full. Both end rather than acknowledge what they cannot
//! keep, and come back with all that they did acknowledge.

use std::time::Instant;

use hyper::StatusCode;
use leasehold_stack::{Means, Prepared, audit};

use crate::{
    servers::votes,
    world::{LIMIT, World, answered},
};

/// Refuses soon where no quorum answers.
const QUICK: (&str, &str) = ("LEASEHOLD_OUTAGE_PATIENCE_MS", "500");

/// A world on small disks; `None` if that cannot be had here.
async fn on_small_disks(env: &[(&str, &str)]) -> Option<World> {
    if !Means::SmallDisks.are_here() {
        return None;
    }
    let prepared = Prepared { small_disks: true, ..Prepared::default() };
    Some(World::start_prepared(1, env, prepared).await)
}

/// Waits until a node has ended by itself, while buyers buy.
async fn ends_while_others_sell(world: &World, sale: uuid::Uuid, node: usize) {
    let begun = Instant::now();
    while world.stack.nodes[node].process().unwrap().is_running() {
        let buyer = uuid::Uuid::new_v4().to_string();
        let answer = world.buy(0, sale, &buyer).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert!(begun.elapsed() < LIMIT, "a node goes on with a full disk");
    }
}

#[tokio::test]
async fn a_node_whose_disk_is_full_ends_and_is_not_missed() {
    let Some(mut world) = on_small_disks(&[]).await else { return };
    let sale = world.sale(100_000).await;
    world.stack.nodes[1].fill_disk().unwrap();
    ends_while_others_sell(&world, sale, 1).await;
    world.stack.nodes[1].free_disk().unwrap();
    world.stack.nodes[1].restart().await.unwrap();
    let begun = Instant::now();
    while !votes(&world.stack.nodes[1]).await {
        let buyer = uuid::Uuid::new_v4().to_string();
        let answer = world.buy(0, sale, &buyer).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        assert!(begun.elapsed() < LIMIT, "it never votes again");
    }
    // Its vote is needed now.
    world.stack.nodes[0].kill().await.unwrap();
    let answer = world.buy_in_the_end(0, sale, "ada").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
}

#[tokio::test]
async fn a_quorum_whose_disks_are_full_stops_the_sale_until_there_is_room() {
    let Some(mut world) = on_small_disks(&[QUICK]).await else { return };
    let sale = world.sale(100_000).await;
    for node in &world.stack.nodes[..2] {
        node.fill_disk().unwrap();
    }
    let (mut told, refused) = world.buy_until_refused(0, sale, "ada").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
    for node in &mut world.stack.nodes[..2] {
        node.free_disk().unwrap();
        node.restart().await.unwrap();
    }
    let bob = world.buy_in_the_end(0, sale, "bob").await;
    assert_eq!(bob.status, StatusCode::CREATED, "{bob:?}");
    told.push(answered("bob", &bob));
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}

#[tokio::test]
async fn a_postgres_whose_disk_is_full_loses_no_acknowledged_purchase() {
    let Some(mut world) = on_small_disks(&[QUICK]).await else { return };
    let sale = world.sale(100_000).await;
    let postgres = world.stack.postgres.as_ref().unwrap();
    postgres.fill_disk().unwrap();
    // The files have room for some more.
    let (mut told, refused) = world.buy_until_refused(0, sale, "ada").await;
    assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
    // The log of writes finds no room either: it ends, and cannot start again.
    postgres.run_out_of_disk().await.unwrap();
    let during = world.buy(0, sale, "bob").await.unwrap();
    assert!(["unavailable", "outcome_unknown"].contains(&during.code().as_str()), "{during:?}");
    let postgres = world.stack.postgres.as_mut().unwrap();
    postgres.free_disk().unwrap();
    postgres.restart().await.unwrap();
    // Nobody restarts the replica. Who asks again with the same key learns what became of it.
    let last = told.pop().unwrap().buyer;
    for buyer in [&last, "bob", "cleo"] {
        let answer = world.buy_in_the_end(0, sale, buyer).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        told.push(answered(buyer, &answer));
    }
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}
