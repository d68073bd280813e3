//! Long waiting lists.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hyper::StatusCode;
use leasehold_purchase::domain::{Kind, Moment};
use serde_json::json;
use sqlx::Connection as _;

use crate::world::{LIMIT, World};

/// More than one decision offers to; each write is one that a replica may not survive.
#[tokio::test]
async fn all_who_wait_are_offered_what_is_free_although_who_began_is_killed() {
    const WAITING: u64 = 300;
    let world = World::start_with(2, &[("LEASEHOLD_SWEEP_MS", "200")]).await;
    let sale = world.sale_with(json!({"capacity": 1})).await;
    assert_eq!(world.buy(0, sale, "first").await.unwrap().status, StatusCode::CREATED);
    let names: Vec<String> = (0..WAITING).map(|number| format!("buyer-{number}")).collect();
    let told = join_all(names.iter().map(|buyer| world.wait(sale, buyer, 1))).await;
    assert!(told.iter().all(|answer| answer.status == StatusCode::ACCEPTED), "{told:?}");

    world.plant("after_write", "kill");
    let cut_off = world.change(0, sale, json!({"capacity": 1 + WAITING})).await;
    assert!(cut_off.is_err(), "{cut_off:?}");
    let url = format!("{}/v1/sales/{sale}", world.replicas[1].url());
    let begun = Instant::now();
    loop {
        let read = world.shop.get(&url).await.unwrap().json();
        if read["held"] == WAITING {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "{read}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.assert_books(sale).await;
}

#[tokio::test]
async fn the_end_of_the_longest_waiting_list_is_read_as_fast_as_its_beginning() {
    let world = World::start_with(1, &[("LEASEHOLD_STATEMENT_TIMEOUT_MS", "2000")]).await;
    let sale = world.sale(2).await;
    let mut books = sqlx::PgConnection::connect(&world.stack.database_url()).await.unwrap();
    // Each wants more than the one unit that is free.
    let fill = "with taken as (update sales set sold = 1, waiting = 100000, version = 100001 where id = $1) \
        insert into claims (id, sale_id, buyer, quantity, refunded, status, total_minor, seq, created_at) \
        select gen_random_uuid(), $1, 'b' || n, 2, 0, 'waiting', 1, n + 1, 0 from generate_series(1, 100000) n";
    let _filled = sqlx::query(fill).bind(sale).execute(&mut books).await.unwrap();
    let page = format!("{}/v1/sales/{sale}/waiting-list?limit=500", world.replicas[0].url());
    for (after, first, last) in [(0, 1, 500), (50_001, 50_001, 50_500), (99_501, 99_501, 100_000)] {
        let url = format!("{page}&after={after}");
        let answer = world.shop.get_as(&url, &world.shop.keys().admin).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK, "after {after}: {answer:?}");
        let answer = answer.json();
        let claims = answer["claims"].as_array().unwrap();
        let position = |at: usize| claims[at]["position"].as_u64();
        assert_eq!((claims.len(), position(0), position(499)), (500, Some(first), Some(last)));
        assert_eq!(answer["next"].is_null(), last == 100_000);
    }
}

/// More wait than one decision sees.
#[tokio::test]
async fn nobody_waits_any_more_once_selling_has_ended() {
    const WAITING: i32 = 600;
    let world = World::start_with(2, &[("LEASEHOLD_SWEEP_MS", "100")]).await;
    for strategy in ["leased", "row_lock", "optimistic", "event_log", "queue"] {
        let sale = world.sale_with(json!({"capacity": 1, "strategy": strategy})).await;
        assert_eq!(world.buy(0, sale, "first").await.unwrap().status, StatusCode::CREATED);
        world.fill(sale, "queued", WAITING).await;
        let last = world.wait(sale, "last", 1).await;
        assert_eq!(last.status, StatusCode::ACCEPTED, "{strategy}: {last:?}");
        let closes_at = Moment::from_millis(world.books(sale).await.read_at.as_millis() + 300);
        let closing = json!({"closes_at": closes_at.to_string()});
        assert_eq!(world.change(0, sale, closing).await.unwrap().status, StatusCode::OK);
        // Nobody asks for anything: that the time has come has to be noticed.
        let begun = Instant::now();
        let books = loop {
            let books = world.books(sale).await;
            if books.waiting == 0 {
                break books;
            }
            assert!(begun.elapsed() < LIMIT, "{strategy}: {} wait for ever", books.waiting);
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let ended = books.events.iter().filter(|event| event.event.kind() == Kind::Cancelled);
        assert!(ended.clone().all(|event| event.at >= closes_at), "{strategy}: too early");
        assert_eq!(ended.count(), 601, "{strategy}");
        let id = last.json()["reservation_id"].as_str().unwrap().to_owned();
        let url = format!("{}/v1/reservations/{id}", world.replicas[1].url());
        assert_eq!(world.shop.get(&url).await.unwrap().json()["status"], "cancelled", "{strategy}");
        world.assert_filled_books(sale).await;
    }
}
