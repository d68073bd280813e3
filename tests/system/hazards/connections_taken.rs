//! Postgres has no connection left for the replicas.

use leasehold_stack::audit;

use crate::world::{World, answered};

#[tokio::test]
async fn replicas_without_a_connection_say_so_and_sell_again_by_themselves() {
    // It need not wait for as long as a statement may take: Postgres says at once what is wrong.
    let quick =
        [("LEASEHOLD_OUTAGE_PATIENCE_MS", "500"), ("LEASEHOLD_STATEMENT_TIMEOUT_MS", "3000")];
    let world = World::start_with(2, &quick).await;
    let sale = world.sale(100_000).await;
    let ada = world.buy_in_the_end(0, sale, "ada").await;
    let taken = world.stack.postgres.as_ref().unwrap().take_connections().await.unwrap();
    let mut told = vec![answered("ada", &ada)];
    for (replica, url) in world.urls().iter().enumerate() {
        let buyer = format!("buyer-{replica}");
        let refused = world.buy(replica, sale, &buyer).await.unwrap();
        assert_eq!((refused.status.as_u16(), refused.code().as_str()), (503, "unavailable"));
        assert!(refused.retry_after.is_some());
        assert_eq!(world.shop.get(&format!("{url}/readyz")).await.unwrap().status, 503);
        assert_eq!(world.shop.get(&format!("{url}/livez")).await.unwrap().status, 200);
    }
    for replica in &world.replicas {
        let log = replica.log_tail(1000);
        let is_clear = log.contains("too many clients") || log.contains("connection slots");
        assert!(is_clear, "{log}");
    }
    drop(taken);
    for replica in [0, 1] {
        let buyer = format!("buyer-{replica}");
        let answer = world.buy_in_the_end(replica, sale, &buyer).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        told.push(answered(&buyer, &answer));
    }
    assert_eq!(audit::violations(&world.books(sale).await, &told), Vec::<String>::new());
}
