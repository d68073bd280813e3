//! The replica that holds the lease is killed at the worst moments.

use hyper::StatusCode;
use leasehold_stack::{Answered, Told, audit};
use uuid::Uuid;

use crate::world::World;

/// Kills replica 0 at a named point with the order of one buyer, who asks replica 1 again.
async fn killed_at(point: &str) {
    let world = World::start(2).await;
    let sale = world.sale(3).await;
    world.plant(point, "kill");
    assert!(world.buy(0, sale, "ada").await.is_err(), "the replica lives");
    let again = world.buy(1, sale, "ada").await.unwrap();
    assert_eq!(again.status, StatusCode::CREATED, "{again:?}");
    // Killed after the commit, the first request had been granted: the second gets its reply.
    assert_eq!(again.replayed, point == "after_write");
    let books = world.books(sale).await;
    let id: Uuid = again.json()["purchase_id"].as_str().unwrap().parse().unwrap();
    let told = Answered {
        buyer: "ada".to_owned(),
        key: "ada".to_owned(),
        told: Told::Yes(id),
        after: std::time::Duration::ZERO,
        replica: 1,
        tries: 2,
    };
    assert_eq!(audit::violations(&books, &[told]), Vec::<String>::new());
    assert_eq!(books.sold, 1);
}

#[tokio::test]
async fn killed_before_the_write_nothing_is_sold_and_another_sells() {
    killed_at("before_write").await;
}

#[tokio::test]
async fn killed_between_commit_and_answer_the_buyer_gets_the_same_purchase() {
    killed_at("after_write").await;
}

#[tokio::test]
async fn the_order_of_a_buyer_who_hung_up_is_not_granted_later() {
    let world = World::start(1).await;
    let sale = world.sale(3).await;
    // Nobody can get the lease: a foreign holder has it on every node.
    let name = format!("sale/{sale}");
    for node in &world.stack.nodes {
        let mut redis = node.connection().await.unwrap();
        redis::cmd("SET").arg(&name).arg("foreign").exec_async(&mut redis).await.unwrap();
    }
    let hung_up =
        tokio::time::timeout(std::time::Duration::from_millis(700), world.buy(0, sale, "gone"));
    assert!(hung_up.await.is_err());
    for node in &world.stack.nodes {
        let mut redis = node.connection().await.unwrap();
        redis::cmd("DEL").arg(&name).exec_async(&mut redis).await.unwrap();
    }
    // Orders are worked on in turn: once this one is granted, an earlier one would be too.
    assert_eq!(world.buy(0, sale, "ada").await.unwrap().status, StatusCode::CREATED);
    let books = world.books(sale).await;
    assert_eq!(books.purchases().map(|p| p.buyer.as_str()).collect::<Vec<_>>(), ["ada"]);
}
