//! Messages between replicas and lease nodes come late, out of order, or twice.

use std::time::Duration;

use leasehold_stack::Link;

use crate::{
    pair::{APART, DIRECT, Pair},
    world::TTL,
};

/// Buyers at both replicas while the second one's links to the nodes are like this; then both still sell.
async fn sells_rightly(link: impl Fn(u32) -> Link) {
    let (pair, links) = Pair::linked(&[]).await;
    for (number, node) in (0..).zip(&links.nodes) {
        node.set(link(number));
    }
    pair.sells_rightly().await;
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
