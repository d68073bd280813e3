//! No quorum of lease nodes answers, or Postgres does not.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use leasehold_stack::{Arrivals, Buyers, Told};

use sqlx::{Connection as _, PgConnection};

use crate::{
    servers::votes,
    world::{LIMIT, World},
};

#[tokio::test]
async fn without_a_quorum_buyers_are_told_so_and_nothing_is_lost() {
    let mut world = World::start_with(1, &[("LEASEHOLD_OUTAGE_PATIENCE_MS", "500")]).await;
    let sale = world.sale(5).await;
    assert_eq!(world.buy(0, sale, "before").await.unwrap().status, StatusCode::CREATED);
    for node in &mut world.stack.nodes[..2] {
        node.kill().await.unwrap();
    }
    let refused = world.buy(0, sale, "during").await.unwrap();
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        "{refused:?} {}",
        world.replicas[0].log_tail(30)
    );
    assert_eq!(refused.content_type, "application/problem+json");
    assert!(refused.retry_after.is_some());
    let url = world.replicas[0].url();
    let ready = world.shop.get(&format!("{url}/readyz")).await.unwrap();
    assert_eq!(
        (ready.status, ready.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        "{ready:?}"
    );
    // What needs no lease goes on.
    let read = world.shop.get(&format!("{url}/v1/sales/{sale}")).await.unwrap();
    assert_eq!(read.json()["sold"], 1);
    assert_eq!(world.shop.get(&format!("{url}/livez")).await.unwrap().status, StatusCode::OK);

    for node in &mut world.stack.nodes[..2] {
        node.restart().await.unwrap();
    }
    // A restarted node may not vote for about a lease's lifetime: buyers ask again.
    let (begun, mut may_be_sold) = (Instant::now(), false);
    let again = loop {
        let again = world.buy(0, sale, "during").await.unwrap();
        if ![503, 504].contains(&again.status.as_u16()) {
            break again;
        }
        may_be_sold |= again.code() == "outcome_unknown";
        assert!(begun.elapsed() < LIMIT, "{again:?}");
    };
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    assert!(!again.replayed || may_be_sold, "who was refused had been sold it: {again:?}");
    assert_eq!(world.books(sale).await.sold, 2);
}

#[tokio::test]
async fn a_minority_of_dead_nodes_is_not_noticed() {
    let mut world = World::start(1).await;
    let sale = world.sale(100_000).await;
    world.stack.nodes[1].kill().await.unwrap();
    let ada = world.buy(0, sale, "ada").await.unwrap();
    assert_eq!(ada.status, StatusCode::CREATED, "{ada:?} {}", world.replicas[0].log_tail(30));
    world.stack.nodes[1].restart().await.unwrap();
    // While it may not vote again yet, the others must live.
    let begun = Instant::now();
    for buyer in 0.. {
        let answer = world.buy(0, sale, &format!("buyer-{buyer}")).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        if votes(&world.stack.nodes[1]).await {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "the restarted node never votes");
    }
    world.stack.nodes[0].pause().unwrap();
    assert_eq!(world.buy(0, sale, "bob").await.unwrap().status, StatusCode::CREATED);
}

#[tokio::test]
async fn postgres_killed_and_restarted_loses_no_acknowledged_purchase() {
    let quick =
        [("LEASEHOLD_OUTAGE_PATIENCE_MS", "500"), ("LEASEHOLD_STATEMENT_TIMEOUT_MS", "10000")];
    let mut world = World::start_with(1, &quick).await;
    let sale = world.sale(5).await;
    let first = world.buy(0, sale, "ada").await.unwrap();
    assert_eq!(first.status, StatusCode::CREATED);
    let postgres = world.stack.postgres.as_mut().unwrap();
    postgres.kill().await.unwrap();
    let during = world.shop.buy(world.replicas[0].url(), sale, "bob", "bob", 1).await.unwrap();
    assert!(matches!(during.code().as_str(), "unavailable" | "outcome_unknown"), "{during:?}");
    world.stack.postgres.as_mut().unwrap().restart().await.unwrap();
    // The replica recovers by itself; the same key tells what became of it.
    let crowd =
        Buyers { count: 3, arrivals: Arrivals::AtOnce, sale, replicas: world.urls(), seed: 1 };
    let told = crowd.run(&world.shop, |_| ()).await;
    assert!(told.iter().all(|answered| matches!(answered.told, Told::Yes(_))), "{told:?}");
    let again = world.buy(0, sale, "bob").await.unwrap();
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    let replayed = world.buy(0, sale, "ada").await.unwrap();
    assert!(replayed.replayed);
    assert_eq!(replayed.body, first.body);
    assert_eq!(world.books(sale).await.sold, 5);
}

#[tokio::test]
async fn replicas_that_hold_the_last_nodes_against_each_other_still_tell_the_outage() {
    let quick = [("LEASEHOLD_OUTAGE_PATIENCE_MS", "500")];
    let world = World::start_with(2, &quick).await;
    let sale = world.sale(5).await;
    world.stack.nodes[0].pause().unwrap();
    world.stack.nodes[1].pause().unwrap();
    let orders = (0..6).map(|order| {
        let (world, buyer) = (&world, format!("buyer-{order}"));
        async move { world.buy(order % 2, sale, &buyer).await.unwrap() }
    });
    for answer in futures_util::future::join_all(orders).await {
        assert_eq!(answer.code(), "unavailable", "{answer:?}");
    }
}

#[tokio::test]
async fn connections_that_postgres_closed_cost_no_request() {
    let world = World::start(1).await;
    let (url, sale) = (world.replicas[0].url().to_owned(), world.sale(5).await);
    assert_eq!(world.buy(0, sale, "ada").await.unwrap().status, StatusCode::CREATED);
    let mut admin = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let close = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'leasehold-purchase'";
    let _closed = sqlx::query(close).execute(&mut admin).await.unwrap();
    // Longer than a connection is used unasked.
    tokio::time::sleep(Duration::from_millis(1200)).await;
    for _ in 0..10 {
        let read = world.shop.get(&format!("{url}/v1/sales/{sale}")).await.unwrap();
        assert_eq!(read.status, StatusCode::OK, "{read:?}");
    }
    assert_eq!(world.shop.get(&format!("{url}/readyz")).await.unwrap().status, StatusCode::OK);
    assert_eq!(world.sale(1).await.get_version_num(), 7);
    assert_eq!(world.buy(0, sale, "bob").await.unwrap().status, StatusCode::CREATED);
}
