//! Terms that change while many want something.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::StatusCode;
use serde_json::json;

use crate::world::World;

/// All wait while the replica stands still, and are then decided together.
#[tokio::test]
async fn a_limit_per_buyer_binds_those_who_come_right_after_it() {
    const BUYERS: usize = 20;
    let world = World::start(1).await;
    let sale = world.sale_with(json!({"capacity": 100})).await;
    let buyers: Vec<String> = (0..BUYERS).map(|number| format!("buyer-{number}")).collect();
    for buyer in &buyers {
        assert_eq!(world.buy(0, sale, buyer).await.unwrap().status, StatusCode::CREATED);
    }
    world.plant("before_write", "stop");
    let first = world.buy(0, sale, "first");
    let rest = async {
        world.reached("before_write").await;
        world.replicas[0].process().pause().unwrap();
        let change = world.change(0, sale, json!({"per_buyer_max": 1}));
        let more = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            join_all(buyers.iter().map(|buyer| world.reserve(sale, buyer, 1))).await
        };
        let go_on = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            world.replicas[0].process().resume().unwrap();
        };
        let (changed, _told, ()) = tokio::join!(change, more, go_on);
        assert_eq!(changed.unwrap().status, StatusCode::OK);
    };
    let (first, ()) = tokio::join!(first, rest);
    assert_eq!(first.unwrap().status, StatusCode::CREATED);
    let events = world.books(sale).await.events;
    let kinds = events.iter().map(|event| event.event.kind().name());
    let after: Vec<_> = kinds.skip_while(|kind| *kind != "sale_changed").collect();
    // Each of them had one already. Who came before the change could have another.
    assert_eq!(after, ["sale_changed"]);
    world.assert_books(sale).await;
}
