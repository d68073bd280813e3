//! The verbs: pause, resume, kill, restart.

use leasehold_stack::{Persistence, StackConfig, is_alive};
use sqlx::{Connection as _, PgConnection};

use crate::{SILENCE, get, only_nodes, set, small, start};

#[tokio::test]
async fn a_paused_node_is_silent_and_answers_after_it_goes_on() {
    let stack = start(only_nodes(3)).await;
    let mut connection = stack.nodes[0].connection().await.unwrap();
    stack.nodes[0].pause().unwrap();
    let ping = async { redis::cmd("PING").query_async::<String>(&mut connection).await };
    assert!(tokio::time::timeout(SILENCE, ping).await.is_err());
    set(&stack, 1, "another").await;
    stack.nodes[0].resume().unwrap();
    set(&stack, 0, "this").await;
    assert_eq!(get(&stack, 0, "this").await.as_deref(), Some("kept"));
}

#[tokio::test]
async fn a_durable_node_keeps_its_keys_over_a_kill_and_another_forgets() {
    let mut durable = start(only_nodes(1)).await;
    let (address, pid) = (durable.nodes[0].address(), durable.nodes[0].pid());
    set(&durable, 0, "key").await;
    durable.nodes[0].kill().await.unwrap();
    durable.nodes[0].kill().await.unwrap();
    assert!(durable.nodes[0].connection().await.is_err());
    durable.nodes[0].restart().await.unwrap();
    assert_eq!(get(&durable, 0, "key").await.as_deref(), Some("kept"));
    assert_eq!(durable.nodes[0].address(), address);
    assert_ne!(durable.nodes[0].pid(), pid);
    durable.nodes[0].flush_all().await.unwrap();
    assert_eq!(get(&durable, 0, "key").await, None);

    let config = StackConfig { persistence: Persistence::None, ..only_nodes(1) };
    let mut forgetful = start(config).await;
    set(&forgetful, 0, "key").await;
    // Also from a pause, and without a kill before it.
    forgetful.nodes[0].pause().unwrap();
    forgetful.nodes[0].restart().await.unwrap();
    assert_eq!(get(&forgetful, 0, "key").await, None);
}

#[tokio::test]
async fn a_committed_row_outlives_a_killed_postgres() {
    let mut stack = start(StackConfig { lease_nodes: 0, ..small() }).await;
    let postgres = stack.postgres.as_mut().unwrap();
    let url = postgres.create_database("shop").await.unwrap();
    assert!(postgres.create_database("shop").await.is_err(), "it exists");
    assert!(postgres.create_database("a\"b").await.is_err(), "not a plain name");
    let mut connection = PgConnection::connect(&url).await.unwrap();
    sqlx::raw_sql("CREATE TABLE sold (n int); INSERT INTO sold VALUES (7)")
        .execute(&mut connection)
        .await
        .unwrap();

    postgres.pause().unwrap();
    let asking = sqlx::raw_sql("SELECT 1").execute(&mut connection);
    assert!(tokio::time::timeout(SILENCE, asking).await.is_err());
    postgres.resume().unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let durable: (String, String, String) = sqlx::query_as(
        "SELECT current_setting('fsync'), current_setting('synchronous_commit'), \
         current_setting('server_encoding')",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(durable, ("on".to_owned(), "on".to_owned(), "UTF8".to_owned()));

    let before = postgres.pids();
    assert!(before.len() > 2, "{before:?} has the backends too");
    // From a pause: its children would never notice by themselves.
    postgres.pause().unwrap();
    postgres.kill().await.unwrap();
    assert!(before.iter().all(|pid| !is_alive(*pid)));
    assert!(PgConnection::connect(&url).await.is_err());
    postgres.restart().await.unwrap();
    let mut connection = PgConnection::connect(&url).await.unwrap();
    let row: (i32,) =
        sqlx::query_as("SELECT n FROM sold").fetch_one(&mut connection).await.unwrap();
    assert_eq!(row.0, 7);
}
