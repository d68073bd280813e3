//! A replica is told to end while it is busy.

use std::time::Duration;

use hyper::StatusCode;
use leasehold_stack::{Arrivals, Buyers, Told};

use crate::world::World;

#[tokio::test]
async fn a_draining_replica_answers_every_request_and_ends_with_success() {
    // Far longer than the buyers take to arrive, on a machine that is busy with other things too.
    let world = World::start_with(1, &[("LEASEHOLD_DRAIN_MS", "8000")]).await;
    let sale = world.sale(10_000).await;
    let arrivals = Arrivals::Over(Duration::from_millis(1000));
    let crowd = Buyers { count: 500, arrivals, sale, replicas: world.urls(), seed: 1 };
    let url = world.replicas[0].url().to_owned();
    let draining = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.replicas[0].process().terminate().unwrap();
        // Not ready for new work, and still serving all of it.
        loop {
            let ready = world.shop.get(&format!("{url}/readyz")).await.unwrap();
            if ready.status != StatusCode::OK {
                assert_eq!(ready.code(), "draining");
                break;
            }
        }
        let read = world.shop.get(&format!("{url}/v1/sales/{sale}")).await.unwrap();
        assert_eq!(read.status, StatusCode::OK);
    };
    let (told, ()) = tokio::join!(crowd.run(&world.shop, |_| ()), draining);
    assert!(
        told.iter().all(|answered| matches!(answered.told, Told::Yes(_)) && answered.tries == 1)
    );
    let status = world.replicas[0].process().wait(crate::world::LIMIT).await.unwrap();
    assert!(status.success(), "{status}\n{}", world.replicas[0].log_tail(15));
    // It has given its lease back: nothing of it is left on the nodes.
    for node in &world.stack.nodes {
        let mut connection = node.connection().await.unwrap();
        let lease: Option<String> = redis::cmd("GET")
            .arg(format!("sale/{sale}"))
            .query_async(&mut connection)
            .await
            .unwrap();
        assert_eq!(lease, None);
    }
    assert_eq!(world.books(sale).await.sold, 500);
}
