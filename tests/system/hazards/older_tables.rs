//! A program meets tables that are older than it.

use std::time::{Duration, Instant};

use hyper::StatusCode;

use crate::{
    program::sql,
    world::{LIMIT, World},
};

/// As if the last migration had not been run.
const OLDER: &str =
    "delete from _sqlx_migrations where version = (select max(version) from _sqlx_migrations)";

#[tokio::test]
async fn a_program_on_older_tables_does_not_serve_and_says_what_to_do() {
    let world = World::start(0).await;
    let postgres = world.stack.postgres.as_ref().unwrap();
    let mut fresh = world.config.clone();
    fresh.database_url = postgres.create_database("empty").await.unwrap();
    sql(&world.stack, OLDER).await;
    for config in [&world.config, &fresh] {
        let refused = config.start("replica-1").await.unwrap_err().to_string();
        assert!(refused.contains("older than this program"), "{refused}");
        assert!(refused.contains("run `purchase migrate`"), "{refused}");
    }
}

#[tokio::test]
async fn a_replica_that_started_while_postgres_was_away_is_not_ready_on_older_tables() {
    let mut world = World::start(0).await;
    sql(&world.stack, OLDER).await;
    world.stack.postgres.as_mut().unwrap().kill().await.unwrap();
    let replica = world.config.start("replica-1").await.unwrap();
    world.stack.postgres.as_mut().unwrap().restart().await.unwrap();
    let url = format!("{}/readyz", replica.url());
    let begun = Instant::now();
    loop {
        let answer = world.shop.get(&url).await.unwrap();
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{answer:?}");
        // The reason is for operators: it stands in the log.
        if replica.log_tail(1000).contains("run `purchase migrate`") {
            break;
        }
        assert!(begun.elapsed() < LIMIT, "{}", replica.log_tail(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
