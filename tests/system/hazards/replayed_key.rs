//! The same request twice, at once, elsewhere, after the sale is sold out, or with another body.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hyper::StatusCode;
use serde_json::json;
use sqlx::Connection as _;

use crate::world::{LIMIT, World};

#[tokio::test]
async fn a_repeated_key_gets_the_first_answer_byte_for_byte_on_every_replica() {
    let world = World::start(2).await;
    let sale = world.sale(2).await;
    // Twenty copies of one request at once, half of them at each replica.
    let copies = (0..20).map(|copy| world.buy(copy % 2, sale, "ada"));
    let answers: Vec<_> = join_all(copies).await.into_iter().map(Result::unwrap).collect();
    assert!(answers.iter().all(|answer| answer.status == StatusCode::CREATED), "{answers:?}");
    assert!(answers.iter().all(|answer| answer.body == answers[0].body), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert_eq!(world.books(sale).await.sold, 1);

    // Sold out: who has a ticket still gets the receipt again, others are refused.
    assert_eq!(world.buy(1, sale, "bob").await.unwrap().status, StatusCode::CREATED);
    for _ in 0..3 {
        for replica in [0, 1] {
            let refused = world.buy(replica, sale, "eve").await.unwrap();
            assert_eq!(
                (refused.status, refused.code().as_str()),
                (StatusCode::CONFLICT, "sold_out")
            );
            let again = world.buy(replica, sale, "ada").await.unwrap();
            assert!(again.replayed);
            assert_eq!(again.body, answers[0].body);
        }
    }
    assert_eq!(world.books(sale).await.sold, 2);
}

#[tokio::test]
async fn a_key_used_for_another_request_is_refused() {
    let world = World::start(1).await;
    let (url, sale) = (world.replicas[0].url().to_owned(), world.sale(5).await);
    let buy = |key: &'static str, buyer: &'static str, quantity| {
        let (shop, url) = (world.shop.clone(), url.clone());
        async move { shop.buy(&url, sale, key, buyer, quantity).await.unwrap() }
    };
    assert_eq!(buy("k", "ada", 1).await.status, StatusCode::CREATED);
    for (buyer, quantity) in [("ada", 2), ("bob", 1)] {
        let reused = buy("k", buyer, quantity).await;
        let code = (reused.status, reused.code());
        assert_eq!(code, (StatusCode::UNPROCESSABLE_ENTITY, "idempotency_key_reused".to_owned()));
    }
    // The same key names another request at another sale.
    let other = world.sale(5).await;
    let elsewhere = world.shop.buy(&url, other, "k", "bob", 3).await.unwrap();
    assert_eq!(elsewhere.status, StatusCode::CREATED);
    assert_eq!(world.books(sale).await.sold, 1);
}

#[tokio::test]
async fn a_sale_is_made_once_per_key() {
    let world = World::start(2).await;
    let make = |replica: usize, name: &str| {
        let body = json!({"name": name, "capacity": 3, "unit_price_minor": 1, "currency": "EUR"});
        let (shop, url) =
            (world.shop.clone(), format!("{}/v1/sales", world.replicas[replica].url()));
        async move { shop.post(&url, &shop.keys().admin, "same", &body).await.unwrap() }
    };
    let (one, two) = tokio::join!(make(0, "a"), make(1, "a"));
    assert_eq!((one.status, two.status), (StatusCode::CREATED, StatusCode::CREATED));
    assert_eq!(one.body, two.body);
    assert_ne!(one.replayed, two.replayed);
    assert_eq!(make(0, "b").await.code(), "idempotency_key_reused");
}

#[tokio::test]
async fn old_replies_are_forgotten_however_many_and_however_seldom_sales_are_tidied() {
    let world = World::start_with(0, &[("LEASEHOLD_SWEEP_MS", "86400000")]).await;
    let mut books = sqlx::PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let fill = "insert into replies (scope, key, fingerprint, kind, body, created_at) \
        select gen_random_uuid(), 'k', decode(repeat('00', 32), 'hex'), 'purchased', '{}', \
        case when n = 1 then leasehold_now() else 0 end from generate_series(1, 20001) n";
    let _filled = sqlx::query(fill).execute(&mut books).await.unwrap();
    let _replica = world.config.start("replica-1").await.unwrap();
    let begun = Instant::now();
    loop {
        let count = sqlx::query_scalar("select count(*) from replies").fetch_one(&mut books);
        let kept: i64 = count.await.unwrap();
        if kept == 1 {
            break;
        }
        assert!(kept > 1 && begun.elapsed() < LIMIT, "{kept} replies are kept");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
