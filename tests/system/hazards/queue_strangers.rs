//! The strategy `queue`, when something else than our replicas was at the nodes; and at its limits.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use hyper::StatusCode;
use leasehold_stack::LeaseNode;
use redis::{FromRedisValue, Script, cmd};
use serde_json::json;
use uuid::Uuid;

use crate::{
    queue::{accepted, ask, ran, sale},
    world::{LIMIT, World, until},
};

pub(crate) fn stream(sale: Uuid) -> String {
    format!("leasehold:queue:{{purchase/{}}}", sale.as_u128() % 16)
}

/// One command, as a person at a terminal gives it.
pub(crate) async fn on<T: FromRedisValue>(
    node: &LeaseNode,
    words: &[&str],
) -> redis::RedisResult<T> {
    let mut asked = cmd(words[0]);
    words[1..].iter().for_each(|word| {
        let _more = asked.arg(word);
    });
    asked.query_async(&mut node.connection().await.unwrap()).await
}

#[tokio::test]
async fn groups_of_others_are_no_obstacle() {
    let world = World::start(1).await;
    let sale = sale(&world, 10).await;
    for node in &world.stack.nodes {
        let asked = ["XGROUP", "CREATE", &stream(sale), "debug", "0", "MKSTREAM"];
        let _ok: String = on(node, &asked).await.unwrap();
    }
    let command = accepted(&world, world.replicas[0].url(), sale, "ada").await;
    assert_eq!(ran(&world, 0, sale, command).await["answer"]["status"], 201);
}

#[tokio::test]
async fn entries_of_others_keep_nobody_out_and_go_when_they_are_old() {
    let world = World::start(1).await;
    let sale = sale(&world, 10).await;
    let twice = |index: u32| {
        json!({
            "place": {"number": 1, "batch": Uuid::from_u128(7), "index": index}, "from": "nobody",
            "sale": sale, "id": Uuid::from_u128(5), "key": format!("eve-{index}"),
            "command": {"do": "purchase", "buyer": "eve", "units": 1, "partial": false, "payment": null},
        })
        .to_string()
    };
    for node in &world.stack.nodes {
        let key = stream(sale);
        for words in [
            ["XADD", &*key, "1-1", "command", "teleport"],
            ["XADD", &key, "1-2", "color", "red"],
            ["XADD", &key, "*", "command", &twice(0)],
            // Another place, and a command that was there.
            ["XADD", &key, "*", "command", &twice(1)],
        ] {
            let _name: String = on(node, &words).await.unwrap();
        }
    }
    let command = accepted(&world, world.replicas[0].url(), sale, "ada").await;
    assert_eq!(ran(&world, 0, sale, command).await["answer"]["status"], 201);
    for node in &world.stack.nodes {
        let begun = Instant::now();
        while on::<u64>(node, &["XLEN", &stream(sale)]).await.unwrap() > 0 {
            assert!(begun.elapsed() < LIMIT, "something is still there");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(world.books(sale).await.sold, 2);
}

#[tokio::test]
async fn a_question_that_comes_late_reads_nothing() {
    let world = World::start(0).await;
    let node = &world.stack.nodes[0];
    let mut redis = node.connection().await.unwrap();
    let script = Script::new(include_str!("../../../service/purchase/src/queue/read.lua"));
    let mut ask = async |leader: &str, cursor: &str| {
        let mut call = script.key("s");
        let _call = call.key("s:leader").key("s:waiting");
        let _call = call.arg(leader).arg("purchase").arg("leader").arg(1000).arg(cursor).arg(0);
        let answer = call.invoke_async::<(u64, String, Vec<redis::Value>)>(&mut redis).await;
        answer.map(|(_, _, entries)| entries.len()).map_err(|error| error.to_string())
    };
    assert_eq!(ask("7/1", "0-0").await, Ok(0));
    let _name: String = on(node, &["XADD", "s", "*", "command", "x"]).await.unwrap();
    // What was asked at first got no answer, so the reader took over anew. Then the first comes.
    assert_eq!(ask("7/2", "0-0").await, Ok(0));
    assert!(ask("7/1", "").await.unwrap_err().contains("STALE"));
    assert_eq!(ask("7/2", "").await, Ok(1));
    assert!(ask("7/3", "").await.unwrap_err().contains("FORGOT"));
}

#[tokio::test]
async fn at_the_limit_nobody_is_left_in_doubt() {
    let world = World::start_with(3, &[("LEASEHOLD_QUEUE_MAX", "5")]).await;
    let sale = sale(&world, 100_000).await;
    let begun = Instant::now();
    let world = &world;
    let buyers = (0..60).map(|name| async move {
        let mut told = BTreeMap::new();
        for number in 0.. {
            if begun.elapsed() > Duration::from_secs(4) {
                break;
            }
            let url = world.replicas[name % 3].url();
            let answer = ask(world, url, sale, &format!("{name}-{number}")).await.unwrap();
            *told.entry(answer.status).or_insert(0) += 1;
        }
        told
    });
    let mut told: BTreeMap<StatusCode, u32> = BTreeMap::new();
    for some in futures_util::future::join_all(buyers).await {
        some.into_iter().for_each(|(status, count)| *told.entry(status).or_default() += count);
    }
    assert!(told.contains_key(&StatusCode::SERVICE_UNAVAILABLE), "{told:?}");
    assert!(told.contains_key(&StatusCode::ACCEPTED), "{told:?}");
    assert!(!told.contains_key(&StatusCode::GATEWAY_TIMEOUT), "{told:?}");
}

#[tokio::test]
async fn readers_leave_no_names_behind() {
    let mut world = World::start(1).await;
    let sale = sale(&world, 10).await;
    for number in 0..3 {
        let command =
            accepted(&world, world.replicas[0].url(), sale, &format!("buyer-{number}")).await;
        assert_eq!(ran(&world, 0, sale, command).await["answer"]["status"], 201);
        world.replicas.remove(0).stop().await.unwrap();
        world.replicas.push(world.config.start(&format!("next-{number}")).await.unwrap());
    }
    for node in &world.stack.nodes {
        let asked = ["XINFO", "CONSUMERS", &stream(sale), "purchase"];
        let names: Vec<redis::Value> = on(node, &asked).await.unwrap();
        assert_eq!(names.len(), 1, "{names:?}");
    }
}

#[tokio::test]
async fn a_node_that_hangs_keeps_nobody_from_buying() {
    let world = World::start(2).await;
    let sale = sale(&world, 100_000).await;
    for round in 0..6 {
        let node = &world.stack.nodes[round % 3];
        for (what, count) in [("before", 20), ("hangs", 40), ("back", 40)] {
            match what {
                "hangs" => node.pause().unwrap(),
                "back" => node.resume().unwrap(),
                _ => {}
            }
            for number in 0..count {
                let buyer = format!("{round}-{what}-{number}");
                let bought = world.buy(number % 2, sale, &buyer).await.unwrap();
                assert_eq!(bought.status, StatusCode::CREATED, "{buyer}");
            }
        }
    }
}

#[tokio::test]
async fn who_comes_while_too_few_nodes_answer_waits_for_them_and_is_taken_once() {
    let mut world = World::start(1).await;
    let sale = sale(&world, 10).await;
    let mut nodes = std::mem::take(&mut world.stack.nodes);
    let (world, url) = (&world, world.replicas[0].url());

    // None has it.
    for node in &mut nodes[1..] {
        node.kill().await.unwrap();
    }
    let back = async {
        let is_later = || world.replicas[0].log_tail(1000).contains("commands are put later");
        until("nothing was put again", is_later).await;
        for node in &mut nodes[1..] {
            node.restart().await.unwrap();
        }
    };
    let (ada, ()) = tokio::join!(accepted(world, url, sale, "ada"), back);
    assert_eq!(ran(world, 0, sale, ada).await["answer"]["status"], 201);

    // One has it, and the others take nothing: so it may be run, and is not accepted.
    let memory = async |limit: &str| {
        for node in &nodes[1..] {
            let _ok: String = on(node, &["CONFIG", "SET", "maxmemory", limit]).await.unwrap();
        }
    };
    memory("1").await;
    let back = async {
        let begun = Instant::now();
        while on::<u64>(&nodes[0], &["XLEN", &stream(sale)]).await.unwrap() == 0 {
            assert!(begun.elapsed() < LIMIT, "it does not come to the node that answers");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        memory("0").await;
    };
    let (bob, ()) = tokio::join!(accepted(world, url, sale, "bob"), back);
    assert_eq!(ran(world, 0, sale, bob).await["answer"]["status"], 201);
    assert_eq!(world.books(sale).await.sold, 2);
}
