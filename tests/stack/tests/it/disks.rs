//! The verbs for disks that are full or slow, and for a Postgres that has no connection left.

use std::time::{Duration, Instant};

use leasehold_stack::{Means, Prepared, StackConfig, is_alive};
use sqlx::{Connection as _, PgConnection};

use crate::{LIMIT, get, only_nodes, set, small, start};

const SMALL_DISKS: Prepared = Prepared { clocks: false, small_disks: true };

#[tokio::test]
async fn a_durable_node_ends_when_its_disk_is_full_and_comes_back_with_what_it_acknowledged() {
    if !Means::SmallDisks.are_here() {
        return;
    }
    let mut stack = start(StackConfig { prepared: SMALL_DISKS, ..only_nodes(1) }).await;
    set(&stack, 0, "before").await;
    stack.nodes[0].fill_disk().unwrap();
    // What is left of the page that it writes to may take some.
    let mut connection = stack.nodes[0].connection().await.unwrap();
    let mut acknowledged = 0;
    loop {
        let set = redis::cmd("SET").arg("n").arg(acknowledged + 1).clone();
        if set.exec_async(&mut connection).await.is_err() {
            break;
        }
        acknowledged += 1;
        assert!(acknowledged < 10_000, "the disk is not full");
    }
    stack.nodes[0].process().unwrap().wait(LIMIT).await.unwrap();
    stack.nodes[0].free_disk().unwrap();
    stack.nodes[0].free_disk().unwrap();
    stack.nodes[0].restart().await.unwrap();
    assert_eq!(get(&stack, 0, "before").await.as_deref(), Some("kept"));
    let kept = get(&stack, 0, "n").await.map_or(0, |n| n.parse().unwrap());
    assert!(kept >= acknowledged, "{kept} of {acknowledged}");
    set(&stack, 0, "after").await;
    let folder = stack.folder().to_owned();
    drop(stack);
    assert!(!folder.exists(), "it is still mounted");
}

#[tokio::test]
async fn a_postgres_without_room_fails_and_keeps_what_was_committed() {
    if !Means::SmallDisks.are_here() {
        return;
    }
    let config = StackConfig { lease_nodes: 0, prepared: SMALL_DISKS, ..small() };
    let mut stack = start(config).await;
    let postgres = stack.postgres.as_mut().unwrap();
    let url = postgres.url().to_owned();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let make = "CREATE TABLE sold (n int, filler text); INSERT INTO sold VALUES (0, '')";
    let _made = sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
    postgres.fill_disk().unwrap();
    let mut committed = 0;
    let refused = loop {
        let insert = "INSERT INTO sold VALUES ($1, repeat('x', 1000))";
        match sqlx::query(insert).bind(committed + 1).execute(&mut connection).await {
            Ok(_one) => committed += 1,
            Err(error) => break error,
        }
        assert!(committed < 100_000, "the disk is not full");
    };
    let code = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("53100"), "{refused}");
    let pid = postgres.pid().unwrap();
    postgres.run_out_of_disk().await.unwrap();
    assert!(!is_alive(pid));
    postgres.free_disk().unwrap();
    postgres.restart().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let newest: i32 =
        sqlx::query_scalar("SELECT max(n) FROM sold").fetch_one(&mut connection).await.unwrap();
    assert_eq!(newest, committed);
}

#[tokio::test]
async fn syncs_take_longer_until_the_guard_is_dropped() {
    if !Means::SlowSyncs.are_here() {
        return;
    }
    let stack = start(StackConfig { lease_nodes: 1, ..small() }).await;
    let (node, postgres) = (&stack.nodes[0], stack.postgres.as_ref().unwrap());
    let delay = Duration::from_millis(300);
    let mut connection = PgConnection::connect(postgres.url()).await.unwrap();
    let make = "CREATE TABLE sold (n int)";
    let _made = sqlx::raw_sql(make).execute(&mut connection).await.unwrap();
    let commit = "INSERT INTO sold VALUES (1)";

    let slow = node.slow_sync(delay).await.unwrap();
    let begun = Instant::now();
    set(&stack, 0, "key").await;
    assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    let slower = postgres.slow_sync(delay).await.unwrap();
    // On the connection that it had, and on a new one.
    for connection in [&mut connection, &mut PgConnection::connect(postgres.url()).await.unwrap()] {
        let begun = Instant::now();
        let _made = sqlx::raw_sql(commit).execute(connection).await.unwrap();
        assert!(begun.elapsed() >= delay, "{:?}", begun.elapsed());
    }
    drop((slow, slower));
    assert_eq!(get(&stack, 0, "key").await.as_deref(), Some("kept"));
    // Both go on, and some of many are faster than any could be before.
    let mut fastest = delay;
    for _ in 0..20 {
        let begun = Instant::now();
        set(&stack, 0, "key").await;
        let _made = sqlx::raw_sql(commit).execute(&mut connection).await.unwrap();
        fastest = fastest.min(begun.elapsed());
    }
    assert!(fastest < delay, "{fastest:?}");
    // Also one that was killed meanwhile.
    let slow = node.slow_sync(delay).await.unwrap();
    node.process().unwrap().kill().await.unwrap();
    drop(slow);
    assert!(node.slow_sync(delay).await.is_err());
}

#[tokio::test]
async fn a_postgres_whose_connections_are_taken_refuses_until_they_are_given_back() {
    let stack = start(StackConfig { lease_nodes: 0, ..small() }).await;
    let postgres = stack.postgres.as_ref().unwrap();
    let mut before = PgConnection::connect(postgres.url()).await.unwrap();
    let taken = postgres.take_connections().await.unwrap();
    assert!(sqlx::raw_sql("SELECT 1").execute(&mut before).await.is_err(), "it was cut off");
    let refused = PgConnection::connect(postgres.url()).await.unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code());
    assert_eq!(code.as_deref(), Some("53300"), "{refused}");
    drop(taken);
    let begun = Instant::now();
    while PgConnection::connect(postgres.url()).await.is_err() {
        assert!(begun.elapsed() < LIMIT, "they were never given back");
    }
}
