//! Many sales, one webhook.

use std::{collections::HashSet, time::Duration};

use leasehold_purchase::{
    domain::WebhookId,
    store::{Store, StoreConfig},
};
use sqlx::Connection as _;
use uuid::Uuid;

use crate::world::World;

/// A receiver that is slow, and sales that are behind all the time: each comes to its turn.
#[tokio::test]
async fn no_sale_is_behind_others_for_ever() {
    let world = World::start(0).await;
    let webhook = Uuid::from_u128(1);
    let mut books = sqlx::PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let fill = "insert into sales (id, name, unit_price_minor, currency, without_leases, strategy, capacity, \
        allowance, reservation_seconds, created_at) \
        select gen_random_uuid(), 'test', 1, 'EUR', 'refuse', 'leased', 1, 0, 1, 0 from generate_series(1, 5)";
    let _filled = sqlx::query(fill).execute(&mut books).await.unwrap();
    let make =
        "insert into webhooks (id, url, secret, created_at) values ($1, 'https://x', 'x', 0)";
    let _made = sqlx::query(make).bind(webhook).execute(&mut books).await.unwrap();
    let store = Store::new(&StoreConfig {
        url: world.stack.database_url(),
        name: "test",
        connections_max: 1,
        statement_timeout: Duration::from_secs(20),
    })
    .unwrap();
    let mut first = HashSet::new();
    // Each is missed once in 10^48.
    for _ in 0..500 {
        let webhook = WebhookId::from_uuid(webhook);
        first.extend(store.sales_pending(webhook, 1).await.unwrap());
    }
    assert_eq!(first.len(), 5);
}
