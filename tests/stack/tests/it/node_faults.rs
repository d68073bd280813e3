//! The verbs of a node that say how it is broken: its clock, its memory, its scripts, its connections.

use std::path::Path;

use leasehold_stack::{LeaseNode, Means, Prepared, StackConfig};
use redis::{RedisResult, aio::MultiplexedConnection};

use crate::{get, only_nodes, own_servers, set, start};

const HOUR: i64 = 60 * 60;

async fn time(node: &LeaseNode) -> i64 {
    let mut connection = node.connection().await.unwrap();
    let (seconds, _micros): (i64, i64) =
        redis::cmd("TIME").query_async(&mut connection).await.unwrap();
    seconds
}

#[tokio::test]
async fn the_clock_of_one_node_jumps_and_what_has_run_out_is_gone() {
    if !Means::Clocks.are_here() {
        return;
    }
    let prepared = Prepared { clocks: true, ..Prepared::default() };
    let mut stack = start(StackConfig { prepared, ..only_nodes(2) }).await;
    let mut connection = stack.nodes[0].connection().await.unwrap();
    let set = redis::cmd("SET").arg("key").arg(1).arg("PX").arg(600_000).clone();
    set.exec_async(&mut connection).await.unwrap();
    for (jump, kept) in [(-HOUR, true), (0, true), (HOUR, false)] {
        stack.nodes[0].jump_clock(jump).unwrap();
        let ahead = time(&stack.nodes[0]).await - time(&stack.nodes[1]).await;
        // Five minutes for a slow machine.
        assert!((ahead - jump).abs() < 300, "{ahead} instead of {jump}");
        assert_eq!(get(&stack, 0, "key").await.is_some(), kept, "{jump}");
    }
    // Also over a restart, and nothing stays in shared memory.
    stack.nodes[0].restart().await.unwrap();
    assert!(time(&stack.nodes[0]).await - time(&stack.nodes[1]).await > HOUR / 2);
    let pid = stack.nodes[0].pid().unwrap();
    for name in [format!("faketime_shm_{pid}"), format!("sem.faketime_sem_{pid}")] {
        assert!(!Path::new("/dev/shm").join(&name).exists(), "{name} stays");
    }
}

#[tokio::test]
async fn a_clock_that_was_not_prepared_cannot_be_set() {
    let stack = start(only_nodes(1)).await;
    let error = stack.nodes[0].jump_clock(1).unwrap_err().to_string();
    assert!(error.contains("node-0: started without a clock"), "{error}");
}

#[tokio::test]
async fn a_node_without_memory_reads_and_deletes_and_takes_no_more() {
    let stack = start(only_nodes(1)).await;
    set(&stack, 0, "key").await;
    stack.nodes[0].refuse_writes().await.unwrap();
    let mut connection = stack.nodes[0].connection().await.unwrap();
    let refused = redis::cmd("SET").arg("a").arg(1).exec_async(&mut connection).await.unwrap_err();
    assert_eq!(refused.code(), Some("OOM"), "{refused}");
    assert_eq!(get(&stack, 0, "key").await.as_deref(), Some("kept"));
    let deleted = redis::cmd("DEL").arg("key").query_async::<u8>(&mut connection).await;
    assert_eq!(deleted.unwrap(), 1);
    stack.nodes[0].accept_writes().await.unwrap();
    set(&stack, 0, "key").await;
}

#[tokio::test]
async fn a_node_forgets_its_scripts_and_keeps_its_keys() {
    let stack = start(only_nodes(1)).await;
    set(&stack, 0, "key").await;
    let mut connection = stack.nodes[0].connection().await.unwrap();
    let load = redis::cmd("SCRIPT").arg("LOAD").arg("return 1").clone();
    let hash: String = load.query_async(&mut connection).await.unwrap();
    let run = redis::cmd("EVALSHA").arg(hash).arg(0).clone();
    assert_eq!(run.query_async::<u8>(&mut connection).await.unwrap(), 1);
    stack.nodes[0].forget_scripts().await.unwrap();
    let error = run.query_async::<u8>(&mut connection).await.unwrap_err();
    assert_eq!(error.code(), Some("NOSCRIPT"), "{error}");
    assert_eq!(get(&stack, 0, "key").await.as_deref(), Some("kept"));
}

async fn ping(connection: &mut MultiplexedConnection) -> RedisResult<()> {
    redis::cmd("PING").exec_async(connection).await
}

#[tokio::test]
async fn connections_are_cut_and_so_many_may_come_back() {
    let mut stack = start(only_nodes(1)).await;
    let node = &stack.nodes[0];
    let mut before = node.connection().await.unwrap();
    ping(&mut before).await.unwrap();
    node.drop_connections().await.unwrap();
    assert!(ping(&mut before).await.is_err());

    let mut before = node.connection().await.unwrap();
    let limit = node.limit_connections(1).unwrap();
    assert!(ping(&mut before).await.is_err());
    let mut only = node.connection().await.unwrap();
    ping(&mut only).await.unwrap();
    assert!(node.connection().await.is_err());
    assert!(node.limit_connections(5).is_err(), "it is limited");
    drop(limit);
    let mut another = node.connection().await.unwrap();
    ping(&mut another).await.unwrap();
    ping(&mut only).await.unwrap();

    let limit = node.limit_connections(0).unwrap();
    assert!(node.connection().await.is_err());
    // Who restarts it has lifted the limit; the guard does not mind.
    stack.nodes[0].restart().await.unwrap();
    stack.nodes[0].connection().await.unwrap();
    drop(limit);
    stack.nodes[0].connection().await.unwrap();
}

#[tokio::test]
async fn nodes_that_are_not_ours_are_left_alone() {
    let ours = start(only_nodes(1)).await;
    let sources =
        leasehold_stack::Sources { redis_urls: vec![ours.nodes[0].url()], ..own_servers() };
    let silent = &leasehold_stack::Silent;
    let given = leasehold_stack::Stack::start_from(only_nodes(1), &sources, silent).await.unwrap();
    let node = &given.nodes[0];
    for refused in [
        node.jump_clock(1),
        node.flush_all().await,
        node.refuse_writes().await,
        node.forget_scripts().await,
        node.drop_connections().await,
        node.limit_connections(1).map(drop),
    ] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("LEASEHOLD_REDIS_URLS"), "{error}");
    }
}
