//! Clients that hang up in the middle of requests: nothing of theirs stays open in Postgres, and the
//! next one's request is its own.

use std::time::Duration;

use futures_util::future::join_all;
use hyper::StatusCode;
use sqlx::Connection as _;
use uuid::Uuid;

use crate::world::World;

#[tokio::test]
async fn clients_that_hang_up_poison_nothing() {
    let world = World::start_with(1, &[("LEASEHOLD_DATABASE_CONNECTIONS", "3")]).await;
    let sale = world.sale(100_000).await;
    let url = world.replicas[0].url().to_owned();
    for round in 0..20_u32 {
        let requests = (0..40_u32).map(|number| {
            let (shop, url) = (world.shop.clone(), url.clone());
            // Some hang up before the request is read, some in the middle of the write.
            let patience = Duration::from_micros(u64::from(round * 40 + number) * 25);
            async move {
                let key = Uuid::new_v4().to_string();
                let _cut =
                    tokio::time::timeout(patience, shop.buy(&url, sale, &key, &key, 1)).await;
                let address = format!("{url}/v1/sales/{sale}");
                let _cut = tokio::time::timeout(patience, shop.get(&address)).await;
            }
        });
        let _all = join_all(requests).await;
        let key = format!("whole-{round}");
        let whole = world.shop.buy(&url, sale, &key, &key, 1).await.unwrap();
        assert_eq!(whole.status, StatusCode::CREATED, "{}", whole.json());
    }
    let mut books = sqlx::PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let open: Vec<String> = sqlx::query_scalar(
        "select state || ': ' || query from pg_stat_activity \
         where application_name = 'leasehold-purchase' and (xact_start is not null and state <> 'active')",
    )
    .fetch_all(&mut books)
    .await
    .unwrap();
    assert_eq!(open, Vec::<String>::new());
    // What was written is what was granted, and every connection is free again.
    let books = world.books(sale).await;
    assert_eq!(i64::from(books.sold), i64::try_from(books.purchases().count()).unwrap());
    let free = || async { world.counter(0, r#"leasehold_postgres_gate_free{pool="sell"}"#).await };
    let begun = std::time::Instant::now();
    while free().await != 2 {
        assert!(begun.elapsed() < crate::world::LIMIT, "a connection is never given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
