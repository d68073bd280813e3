//! A replica is told to stop while it delivers: what is under way ends, or comes again; nothing else does.

use std::{collections::HashSet, time::Duration};

use leasehold_stack::Process;
use serde_json::json;
use uuid::Uuid;

use crate::{
    receiver::{Does, Got, Receiver},
    webhooks::{QUICK, buy, make},
    world::{LIMIT, World},
};

/// Two replicas, of which the first has a delivery under way that is not answered, and is told to stop.
/// Returns once it has stopped listening.
async fn stopping(unanswered: Does) -> (World, Receiver, Uuid) {
    // Longer than a replica takes to stop.
    let patient = [QUICK[0], QUICK[1], QUICK[2], ("LEASEHOLD_WEBHOOK_TIMEOUT_MS", "20000")];
    let mut world = World::start_with(1, &patient).await;
    let sale = world.sale(10).await;
    let then = if unanswered == Does::TakeLate { Does::TakeLate } else { Does::Take };
    let receiver = Receiver::start(&[Does::Take, unanswered], then).await;
    make(&world, &json!({"url": receiver.url("/"), "from_start": true})).await;
    receiver.has_taken(&[1]).await;
    buy(&world, 0, sale, "ada").await;
    crate::world::until("the second did not come", || receiver.got().len() == 2).await;
    world.replicas.push(world.config.start("replica-2").await.unwrap());
    buy(&world, 1, sale, "bob").await;
    world.replicas[0].process().terminate().unwrap();
    let live = format!("{}/livez", world.replicas[0].url());
    while world.shop.get(&live).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    (world, receiver, sale)
}

async fn ends_well(process: &Process) {
    let status = process.wait(LIMIT).await.unwrap();
    assert!(status.success(), "{status}: {}", process.log_tail(20));
}

fn ids(got: &[Got]) -> HashSet<&str> {
    got.iter().map(|got| got.id.as_str()).collect()
}

#[tokio::test]
async fn a_delivery_that_is_answered_while_its_replica_stops_does_not_come_again() {
    let (world, receiver, sale) = stopping(Does::TakeLate).await;
    assert!(world.replicas[0].process().is_running(), "it did not wait for its delivery");
    receiver.turn_to(Does::Take);
    ends_well(world.replicas[0].process()).await;
    buy(&world, 1, sale, "eve").await;
    receiver.has_taken(&[1, 2, 3, 4]).await;
    buy(&world, 1, sale, "joe").await;
    receiver.has_taken(&[1, 2, 3, 4, 5]).await;
    let got = receiver.got();
    assert_eq!(ids(&got).len(), got.len(), "something came twice: {got:?}");
}

#[tokio::test]
async fn a_delivery_that_is_not_answered_does_not_keep_a_replica_and_comes_once_more() {
    let (world, receiver, sale) = stopping(Does::Hang).await;
    ends_well(world.replicas[0].process()).await;
    buy(&world, 1, sale, "eve").await;
    receiver.has_taken(&[1, 2, 3, 4]).await;
    let got = receiver.got();
    assert_eq!((&got[1].id, &got[1].body), (&got[2].id, &got[2].body));
    assert_eq!(ids(&got).len(), got.len() - 1, "more than that came twice: {got:?}");
}
