//! Every way to grant keeps the same promises, under the same load and the same faults.

use std::time::Duration;

use hyper::StatusCode;
use leasehold_stack::{Answered, Arrivals, Buyers, Told, audit};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::world::World;

const STRATEGIES: [&str; 5] = ["leased", "row_lock", "optimistic", "event_log", "queue"];

/// Those whose requests are worked on by the replica that they come to; `queue` has tests of its own.
const ON_THE_SPOT: [&str; 4] = ["leased", "row_lock", "optimistic", "event_log"];

async fn sale(world: &World, strategy: &str, capacity: u32) -> Uuid {
    world.sale_with(json!({"capacity": capacity, "strategy": strategy})).await
}

/// Lets buyers loose, and returns what the audit finds in the books, and how many were told yes.
async fn crowd(world: &World, sale: Uuid, count: usize, seed: u64) -> (Vec<String>, usize) {
    let crowd = Buyers { count, arrivals: Arrivals::AtOnce, sale, replicas: world.urls(), seed };
    let told = crowd.run(&world.shop, |_| ()).await;
    let books = world.books(sale).await;
    (audit::violations(&books, &told), bought(&told))
}

fn bought(told: &[Answered]) -> usize {
    told.iter().filter(|answered| matches!(answered.told, Told::Yes(_))).count()
}

#[tokio::test]
async fn a_hundred_tickets_for_two_thousand_buyers_at_three_replicas() {
    let world = World::start(3).await;
    for strategy in STRATEGIES {
        let sale = sale(&world, strategy, 100).await;
        let (found, bought) = crowd(&world, sale, 2000, 1).await;
        assert_eq!((found, bought), (vec![], 100), "{strategy}");
    }
}

/// Without their protection (the lease, the lock, the version) and without the last line behind it, the
/// same crowd is sold too much: the test above can fail.
#[tokio::test]
async fn without_their_protection_they_oversell() {
    let world = World::start(3).await;
    let drop = "alter table sales drop constraint never_oversold";
    let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let _done = sqlx::query(drop).execute(&mut database).await.unwrap();
    for strategy in STRATEGIES {
        let sale = sale(&world, strategy, 4).await;
        for fault in ["fence_off", "lease_off"] {
            world.plant(fault, "");
        }
        // Each replica knows it, and one unit is left.
        for replica in 0..3 {
            let early = world.buy(replica, sale, &format!("early-{replica}")).await.unwrap();
            assert_eq!(early.status, StatusCode::CREATED);
        }
        world.plant("before_write", "hold");
        let all_have_decided = async {
            world.held("before_write", 3).await;
            world.lift("before_write");
        };
        let ((found, bought), ()) = tokio::join!(crowd(&world, sale, 100, 2), all_have_decided);
        for fault in ["fence_off", "lease_off"] {
            world.lift(fault);
        }
        assert!(
            bought > 1,
            "{strategy} sold {bought} of one: its protection is not what protects it"
        );
        assert!(
            found.iter().any(|text| text.contains("units sold and reserved of")),
            "{strategy}: {found:?}"
        );
    }
}

#[tokio::test]
async fn a_replica_killed_between_its_decision_and_its_answer_loses_and_doubles_nothing() {
    let mut world = World::start(2).await;
    for strategy in ON_THE_SPOT {
        for point in ["before_write", "after_write"] {
            let sale = sale(&world, strategy, 10).await;
            world.plant(point, "kill");
            let cut = world.buy(0, sale, "ada").await;
            assert!(cut.is_err(), "{strategy} {point}: {cut:?}");
            let again = world.buy(1, sale, "ada").await.unwrap();
            assert_eq!(again.status, StatusCode::CREATED, "{strategy} {point}");
            assert_eq!(again.replayed, point == "after_write", "{strategy} {point}");
            let books = world.books(sale).await;
            let found = audit::violations(&books, &[]);
            let found: Vec<_> = found.iter().filter(|text| !text.contains("by nobody")).collect();
            assert!(found.is_empty(), "{strategy} {point}: {found:?}");
            assert_eq!(books.sold, 1, "{strategy} {point}");
            world.replicas[0] =
                world.config.start(&format!("replica-1-{strategy}-{point}")).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_replica_that_stands_still_in_the_middle_is_passed_and_overwrites_nothing() {
    let world = World::start_with(2, &[("LEASEHOLD_STATEMENT_TIMEOUT_MS", "4000")]).await;
    for strategy in ON_THE_SPOT {
        let sale = sale(&world, strategy, 2).await;
        world.plant("before_write", "stop");
        let early = world.buy(0, sale, "early");
        let meanwhile = async {
            world.reached("before_write").await;
            world.replicas[0].process().stands_still().unwrap();
            let bought = [world.buy(1, sale, "one").await, world.buy(1, sale, "two").await];
            world.replicas[0].process().resume().unwrap();
            bought.map(|answer| answer.unwrap().status)
        };
        let (early, bought) = tokio::join!(early, meanwhile);
        assert_eq!(bought, [StatusCode::CREATED; 2], "{strategy}");
        assert_eq!(early.unwrap().code(), "sold_out", "{strategy}");
        let books = world.books(sale).await;
        assert_eq!((books.sold, books.claims.len()), (2, 2), "{strategy}");
    }
}

#[tokio::test]
async fn who_gives_up_is_told_the_version_that_the_sale_is_at() {
    let none = [("LEASEHOLD_RETRIES_INSTANT", "0"), ("LEASEHOLD_RETRIES_DELAYED", "0")];
    let world = World::start_with(2, &none).await;
    for strategy in ["optimistic", "event_log"] {
        let sale = sale(&world, strategy, 10).await;
        world.plant("before_write", "stop");
        let early = world.buy(0, sale, "early");
        let meanwhile = async {
            world.reached("before_write").await;
            world.replicas[0].process().stands_still().unwrap();
            // A change of terms makes every decision wrong.
            let changed = [11, 12].map(|units| world.change(1, sale, json!({"capacity": units})));
            for changed in changed {
                assert_eq!(changed.await.unwrap().status, StatusCode::OK, "{strategy}");
            }
            world.replicas[0].process().resume().unwrap();
        };
        let (early, ()) = tokio::join!(early, meanwhile);
        let early = early.unwrap();
        assert_eq!((early.status, &*early.code()), (StatusCode::CONFLICT, "conflict"));
        assert_eq!(early.retry_after, Some(1));
        let detail = early.json()["detail"].to_string();
        assert!(detail.contains("the sale is at version 3"), "{strategy}: {detail}");
        assert_eq!(early.json()["current_version"], 3, "{strategy}");
        // Nothing happened: the same key is a new request.
        let again = world.buy(0, sale, "early").await.unwrap();
        assert_eq!((again.status, again.replayed), (StatusCode::CREATED, false), "{strategy}");
    }
}

#[tokio::test]
async fn a_replica_that_is_killed_under_load_loses_nothing() {
    let mut world = World::start(3).await;
    for (seed, strategy) in (1..).zip(STRATEGIES) {
        let sale = sale(&world, strategy, 150).await;
        let arrivals = Arrivals::Over(Duration::from_millis(1500));
        let crowd = Buyers { count: 600, arrivals, sale, replicas: world.urls(), seed };
        let killing = async {
            let url = format!("{}/v1/sales/{sale}", world.replicas[1].url());
            let mut sold = 0;
            while sold == 0 {
                sold = world.shop.get(&url).await.unwrap().json()["sold"].as_u64().unwrap();
            }
            world.replicas[0].process().kill().await.unwrap();
        };
        let (told, ()) = tokio::join!(crowd.run(&world.shop, |_| ()), killing);
        let books = world.books(sale).await;
        assert_eq!(audit::violations(&books, &told), Vec::<String>::new(), "{strategy}");
        assert_eq!((books.sold, bought(&told)), (150, 150), "{strategy}");
        world.replicas[0] = world.config.start(&format!("replica-1-{strategy}")).await.unwrap();
    }
}

#[tokio::test]
async fn a_reservation_that_nobody_pays_for_is_sold_again_and_its_units_are_tidied_up() {
    let world = World::start_with(2, &[("LEASEHOLD_SWEEP_MS", "200")]).await;
    let world = &world;
    let each = STRATEGIES.map(|strategy| async move {
        let terms = json!({"capacity": 1, "strategy": strategy, "reservation_seconds": 5});
        let sale = world.sale_with(terms).await;
        let held = world.reserve(sale, "ada", 1).await;
        assert_eq!(held.status, StatusCode::CREATED, "{strategy}");
        let turned_away = world.buy(1, sale, "early").await.unwrap();
        assert_eq!(turned_away.code(), "sold_out", "{strategy}");
        let url = format!("{}/v1/sales/{sale}", world.replicas[1].url());
        let mut sale_now = world.shop.get(&url).await.unwrap().json();
        while sale_now["held"] != 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            sale_now = world.shop.get(&url).await.unwrap().json();
        }
        let late = world.buy(1, sale, "late").await.unwrap();
        assert_eq!(late.status, StatusCode::CREATED, "{strategy}: {late:?}");
    });
    let _all: Vec<()> = futures_util::future::join_all(each).await;
}

/// Somebody gives a reservation up between the two looks of a read: at the sale, and at its claims.
#[tokio::test]
async fn a_unit_that_comes_back_in_the_middle_of_a_read_is_not_refused() {
    let world = World::start_with(1, &[("LEASEHOLD_SWEEP_MS", "86400000")]).await;
    for strategy in ["optimistic", "leased"] {
        let terms = json!({"capacity": 1, "strategy": strategy, "reservation_seconds": 600});
        let sale = world.sale_with(terms).await;
        assert_eq!(world.reserve(sale, "ada", 1).await.status, StatusCode::CREATED);
        let mut other = PgConnection::connect(&world.stack.database_url()).await.unwrap();
        let lock = "begin; lock table claims in access exclusive mode";
        let _done = sqlx::raw_sql(lock).execute(&mut other).await.unwrap();
        let late = world.buy(0, sale, "late");
        let gives_up = async {
            let waits = "select count(*) from pg_stat_activity \
                where query like '%read_sale%' and wait_event_type = 'Lock'";
            while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut other).await.unwrap() == 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            for change in [
                "update claims set status = 'cancelled' where sale_id = $1",
                "update sales set held = 0, version = version + 1 where id = $1",
            ] {
                let _done = sqlx::query(change).bind(sale).execute(&mut other).await.unwrap();
            }
            let _done = sqlx::raw_sql("commit").execute(&mut other).await.unwrap();
        };
        let (late, ()) = tokio::join!(late, gives_up);
        let late = late.unwrap();
        assert_eq!(late.status, StatusCode::CREATED, "{strategy}: {late:?}");
    }
}
