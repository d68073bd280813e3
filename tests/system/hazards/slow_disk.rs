//! Disks that take long to sync: of lease nodes, which sync each lease, and of Postgres, which syncs
//! each commit. Everything is slower, and nothing else.

use std::time::Duration;

use leasehold_stack::{Arrivals, Buyers, Means, Told, audit};

use crate::world::World;

/// Has a crowd buy a sale out, which must go right.
async fn sells_out(world: &World, seed: u64) {
    let sale = world.sale(40).await;
    let arrivals = Arrivals::Over(Duration::from_secs(1));
    let crowd = Buyers { count: 60, arrivals, sale, replicas: world.urls(), seed };
    let told = crowd.run(&world.shop, |_| ()).await;
    let books = world.books(sale).await;
    assert_eq!((books.sold, audit::violations(&books, &told)), (40, Vec::new()), "seed {seed}");
    assert!(told.iter().all(|answered| answered.told != Told::Unknown), "seed {seed}");
}

#[tokio::test]
async fn sales_go_on_while_syncs_of_nodes_are_slow() {
    if !Means::SlowSyncs.are_here() {
        return;
    }
    let world = World::start(2).await;
    let nodes = &world.stack.nodes;
    // Slower than a replica waits for a node: a vote that is missing.
    let one = nodes[0].slow_sync(Duration::from_millis(700)).await.unwrap();
    sells_out(&world, 1).await;
    drop(one);
    let delay = Duration::from_millis(20);
    let mut all = Vec::new();
    for node in nodes {
        all.push(node.slow_sync(delay).await.unwrap());
    }
    sells_out(&world, 2).await;
    drop(all);
    sells_out(&world, 3).await;
}

#[tokio::test]
async fn sales_go_on_while_syncs_of_postgres_are_slow() {
    if !Means::SlowSyncs.are_here() {
        return;
    }
    let world = World::start(2).await;
    let postgres = world.stack.postgres.as_ref().unwrap();
    let slow = postgres.slow_sync(Duration::from_millis(100)).await.unwrap();
    sells_out(&world, 1).await;
    drop(slow);
    sells_out(&world, 2).await;
}
