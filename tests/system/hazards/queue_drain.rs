//! A replica is told to end while it is not known whether commands will be run.

use std::time::Instant;

use crate::{
    queue::{ask, sale},
    queue_strangers::{on, stream},
    world::{LIMIT, World},
};

#[tokio::test]
async fn a_replica_that_stops_does_not_go_on_offering_what_one_node_has() {
    // Far longer than a replica takes to end.
    let world = World::start_with(1, &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "120000")]).await;
    let sale = sale(&world, 10).await;
    for node in &world.stack.nodes[1..] {
        node.refuse_writes().await.unwrap();
    }
    let one_has_it = async {
        let begun = Instant::now();
        while on::<u64>(&world.stack.nodes[0], &["XLEN", &stream(sale)]).await.unwrap() == 0 {
            assert!(begun.elapsed() < LIMIT, "it does not come to the node that takes it");
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        answer = ask(&world, world.replicas[0].url(), sale, "ada") => assert!(answer.is_err(), "{answer:?}"),
        () = one_has_it => {}
    }
    world.replicas[0].stop().await.unwrap();
    let log = world.replicas[0].log_tail(1000);
    assert!(log.contains("it is not known whether commands are queued"), "{log}");
    assert!(!log.contains("did not end in time"), "{log}");
}
