//! Messages between replicas and lease nodes come late, out of order, or twice.

use std::time::Duration;

use leasehold_stack::{Arrivals, Buyers, Link, Told, audit};

use crate::{
    pair::{APART, DIRECT, Pair},
    world::TTL,
};

/// Lets buyers loose at both replicas while the second one's links to the nodes are like this; then both still
/// sell.
async fn sells_rightly(link: impl Fn(u32) -> Link) {
    let (pair, links) = Pair::linked(&[]).await;
    for (number, node) in (0..).zip(&links.nodes) {
        node.set(link(number));
    }
    let world = &pair.world;
    let sale = world.sale(100).await;
    let arrivals = Arrivals::Over(2 * TTL);
    let crowd = Buyers { count: 300, arrivals, sale, replicas: world.urls(), seed: 1 };
    let told = crowd.run(&world.shop, |_| ()).await;
    let books = world.books(sale).await;
    assert_eq!(audit::violations(&books, &told), Vec::<String>::new());
    let bought = told.iter().filter(|answered| matches!(answered.told, Told::Yes(_))).count();
    assert_eq!((bought, books.sold), (100, 100));
    let sold_by = |replica: usize| books.by_replica(world.replicas[replica].name()).0;
    assert!(sold_by(APART) > 0 && sold_by(DIRECT) > 0, "{books:?}");

    let ada = pair.buys(DIRECT, "ada").await;
    let bob = pair.buys(APART, "bob").await;
    pair.is_sound(&[("ada", &ada), ("bob", &bob)]).await;
}

#[tokio::test]
async fn requests_that_come_twice_at_once_change_nothing() {
    sells_rightly(|number| Link::Twice { after: Duration::from_millis(7) * number }).await;
}

#[tokio::test]
async fn requests_that_come_again_after_their_lease_is_over_change_nothing() {
    sells_rightly(|_| Link::Twice { after: TTL * 3 / 2 }).await;
}

#[tokio::test]
async fn replies_that_overtake_each_other_change_nothing() {
    sells_rightly(|_| Link::Delayed { from: Duration::ZERO, to: Duration::from_millis(120) }).await;
}
