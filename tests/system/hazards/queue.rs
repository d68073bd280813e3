//! The strategy `queue`: accepted is run, once and in order, whoever dies.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};
use leasehold_stack::{Answer, Replica, audit};
use serde_json::{Value, json};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::world::{LIMIT, World, until};

pub(crate) async fn sale(world: &World, capacity: u32) -> Uuid {
    world.sale_with(json!({"capacity": capacity, "strategy": "queue"})).await
}

/// Asks to buy without waiting for what it comes to.
pub(crate) async fn ask(
    world: &World,
    url: &str,
    sale: Uuid,
    buyer: &str,
) -> anyhow::Result<Answer> {
    let request = Request::post(format!("{url}/v1/sales/{sale}/purchases"))
        .header("authorization", format!("Bearer {}", world.shop.keys().buyer))
        .header("idempotency-key", buyer)
        .header("content-type", "application/json")
        .header("prefer", "respond-async")
        .body(Full::<Bytes>::from(json!({"buyer": buyer, "quantity": 1}).to_string()))?;
    world.shop.send(request).await
}

/// The same, and the command's id: it is accepted.
pub(crate) async fn accepted(world: &World, url: &str, sale: Uuid, buyer: &str) -> Uuid {
    let answer = ask(world, url, sale, buyer).await.unwrap();
    assert_eq!(answer.status, StatusCode::ACCEPTED, "{buyer}: {:?}", answer.body);
    assert_eq!(answer.json()["status"], "queued");
    answer.json()["command_id"].as_str().unwrap().parse().unwrap()
}

/// What a command came to, once it has run.
pub(crate) async fn ran(world: &World, replica: usize, sale: Uuid, command: Uuid) -> Value {
    let url = format!("{}/v1/sales/{sale}/commands/{command}", world.replicas[replica].url());
    let begun = Instant::now();
    loop {
        let answer = world.shop.get(&url).await.unwrap();
        // On a busy machine nodes may be slower than they are given time for.
        let is_slow = answer.status == StatusCode::SERVICE_UNAVAILABLE;
        assert!(is_slow || answer.status == StatusCode::OK, "{command}: {:?}", answer.body);
        let command = answer.json();
        if !is_slow && command["status"] != "queued" {
            return command;
        }
        assert!(begun.elapsed() < LIMIT, "still queued: {command}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_command_is_accepted_and_tells_what_it_came_to() {
    let world = World::start(2).await;
    let sale = sale(&world, 1).await;
    let url = world.replicas[0].url();
    let first = accepted(&world, url, sale, "ada").await;
    let command = ran(&world, 1, sale, first).await;
    assert_eq!((&command["status"], &command["answer"]["status"]), (&json!("done"), &json!(201)));
    assert_eq!(command["answer"]["body"]["buyer"], "ada");
    assert_eq!(command["answer"]["body"]["purchase_id"], first.to_string());

    // The same key again is another command, and comes to the same purchase.
    let again = accepted(&world, url, sale, "ada").await;
    let command = ran(&world, 0, sale, again).await;
    assert_eq!(command["answer"]["body"]["purchase_id"], first.to_string());

    let late = accepted(&world, url, sale, "bob").await;
    let command = ran(&world, 0, sale, late).await;
    assert_eq!(command["answer"]["status"], 409);
    assert_eq!(command["answer"]["body"]["code"], "sold_out");

    // Who waits is told at once, by whichever replica.
    for replica in 0..2 {
        let waited = world.buy(replica, sale, "ada").await.unwrap();
        assert_eq!((waited.status, waited.replayed), (StatusCode::CREATED, true));
    }
    for (sale, id) in [(sale, Uuid::new_v4()), (Uuid::new_v4(), first)] {
        let unknown = format!("{url}/v1/sales/{sale}/commands/{id}");
        assert_eq!(world.shop.get(&unknown).await.unwrap().code(), "not_found");
    }
}

#[tokio::test]
async fn other_sales_are_answered_at_once_whatever_is_preferred() {
    let world = World::start(1).await;
    let sale = world.sale(1).await;
    let answer = ask(&world, world.replicas[0].url(), sale, "ada").await.unwrap();
    assert_eq!(answer.status, StatusCode::CREATED);
}

/// What is wrong with a sale's books, whoever was told what.
async fn wrong(world: &World, sale: Uuid) -> Vec<String> {
    let mut found = audit::violations(&world.books(sale).await, &[]);
    found.retain(|text| !text.contains("by nobody"));
    found
}

/// One who was accepted, and when.
struct Came {
    buyer: String,
    asked: Instant,
    accepted: Instant,
}

/// Buyers who come one after the other, each to another replica, until there were so many.
async fn chain(world: &World, sale: Uuid, name: usize, count: usize) -> Vec<Came> {
    let mut came = Vec::new();
    for number in 0..count {
        let url = world.replicas[(name + number) % world.replicas.len()].url();
        let buyer = format!("{name}-{number}");
        let asked = Instant::now();
        let _id = accepted(world, url, sale, &buyer).await;
        came.push(Came { buyer, asked, accepted: Instant::now() });
    }
    came
}

/// The buyers of a sale in the order of its log, once there are so many.
async fn bought(world: &World, sale: Uuid, count: usize) -> Vec<String> {
    let begun = Instant::now();
    loop {
        let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
        let ask = "select buyer from events where sale_id = $1 and kind = 'purchased' order by seq";
        let buyers: Vec<String> =
            sqlx::query_scalar(ask).bind(sale).fetch_all(&mut database).await.unwrap();
        if buyers.len() >= count {
            return buyers;
        }
        assert!(begun.elapsed() < LIMIT, "{} of {count} were run", buyers.len());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Pairs of whom the second came after the first was accepted, and was served before.
fn overtaken(came: &[Came], served: &[String]) -> Vec<(String, String)> {
    let at: BTreeMap<&str, usize> = served.iter().map(String::as_str).zip(0..).collect();
    let mut found = Vec::new();
    for first in came {
        for second in came {
            let is_later = second.asked > first.accepted;
            if is_later && at[&*second.buyer] < at[&*first.buyer] {
                found.push((first.buyer.clone(), second.buyer.clone()));
            }
        }
    }
    found
}

#[tokio::test]
async fn who_was_accepted_before_another_came_is_served_first_also_when_a_node_dies() {
    let mut world = World::start(3).await;
    let sale = sale(&world, 10_000).await;
    let mut nodes = std::mem::take(&mut world.stack.nodes);
    let world = &world;
    let chains = (0..6).map(|name| chain(world, sale, name, 40));
    let breaking = async {
        let _some = bought(world, sale, 20).await;
        nodes[2].kill().await.unwrap();
        let _more = bought(world, sale, 60).await;
        nodes[2].restart().await.unwrap();
    };
    let (came, ()) = tokio::join!(futures_util::future::join_all(chains), breaking);
    let came: Vec<Came> = came.into_iter().flatten().collect();
    let served = bought(world, sale, came.len()).await;
    assert_eq!(served.len(), came.len());
    assert_eq!(overtaken(&came, &served), vec![]);
    assert!(
        !overtaken(&came, &served.into_iter().rev().collect::<Vec<_>>()).is_empty(),
        "nobody came after another, so this says nothing"
    );
    assert!(wrong(world, sale).await.is_empty());
}

#[tokio::test]
async fn what_is_accepted_is_run_once_whoever_dies() {
    let mut world = World::start(3).await;
    let sale = sale(&world, 1000).await;
    let mut commands = Vec::new();
    for round in 0..4 {
        let world = &mut world;
        for number in 0..50 {
            let url = world.replicas[number % world.replicas.len()].url();
            commands.push(accepted(world, url, sale, &format!("{round}-{number}")).await);
        }
        match round {
            // Any replica, perhaps the one that runs them.
            0 => {
                world.replicas.remove(0).process().kill().await.unwrap();
                world.replicas.push(world.config.start("replica-4").await.unwrap());
            }
            // The one that runs them, between a write and its word.
            1 => {
                world.plant("after_write", "kill");
                let url = world.replicas[0].url();
                // Told nothing, if it is the one that is killed.
                if let Ok(answer) = ask(world, url, sale, "one-more").await {
                    assert_eq!(answer.status, StatusCode::ACCEPTED, "{:?}", answer.body);
                    commands.push(answer.json()["command_id"].as_str().unwrap().parse().unwrap());
                }
                let runs = |replica: &Replica| replica.process().is_running();
                until("nobody was killed", || !world.replicas.iter().all(runs)).await;
                world.replicas.retain(runs);
                world.replicas.push(world.config.start("replica-5").await.unwrap());
            }
            // A node, with everything that it had.
            2 => world.stack.nodes[0].flush_all().await.unwrap(),
            // All replicas at once.
            _ => {
                for replica in std::mem::take(&mut world.replicas) {
                    replica.process().kill().await.unwrap();
                }
                world.replicas.push(world.config.start("replica-9").await.unwrap());
            }
        }
    }
    for command in &commands {
        let command = ran(&world, 0, sale, *command).await;
        assert_eq!(command["answer"]["status"], 201, "{command}");
    }
    assert!(usize::try_from(world.books(sale).await.sold).unwrap() >= commands.len());
    let wrong = wrong(&world, sale).await;
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_full_queue_says_so_and_runs_what_it_accepted() {
    let world = World::start_with(
        1,
        &[
            ("LEASEHOLD_QUEUE_MAX", "10"),
            // On a slow machine a node is slow, and not away.
            ("LEASEHOLD_NODE_TIMEOUT_MS", "3000"),
            ("LEASEHOLD_LEASE_TTL_MS", "10000"),
        ],
    )
    .await;
    let sale = sale(&world, 1000).await;
    // Nothing is taken out meanwhile.
    world.plant("before_write", "hold");
    let url = world.replicas[0].url();
    let buyers: Vec<String> = (0..200).map(|number| format!("buyer-{number}")).collect();
    let asked = buyers.iter().map(|buyer| ask(&world, url, sale, buyer));
    let answers = futures_util::future::join_all(asked).await;
    world.lift("before_write");
    let mut commands = Vec::new();
    for answer in answers {
        let answer = answer.unwrap();
        if answer.status == StatusCode::ACCEPTED {
            commands.push(answer.json()["command_id"].as_str().unwrap().parse::<Uuid>().unwrap());
        } else {
            assert_eq!((answer.status, &*answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
            assert!(answer.retry_after.is_some());
        }
    }
    assert!((1..200).contains(&commands.len()), "{} were accepted", commands.len());
    for command in &commands {
        assert_eq!(ran(&world, 0, sale, *command).await["answer"]["status"], 201);
    }
    assert_eq!(usize::try_from(world.books(sale).await.sold).unwrap(), commands.len());
}
