//! Who leads which part of the queue, and what that takes.

use std::{collections::BTreeSet, time::Instant};

use hyper::StatusCode;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::{
    permissions::{make_user, rules, with_user},
    queue::{accepted, ran, sale},
    world::{LIMIT, World},
};

/// Has the rights that the queue needs beside those of leases.
const GUIDE: &str = include_str!("../../../service/purchase/docs/strategies.md");

/// Which replicas wrote to these sales since the last of these versions.
async fn writers(world: &World, sales: &[Uuid]) -> BTreeSet<String> {
    let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let ask = "select distinct on (sale_id) replica from batches where sale_id = any ($1) \
               and token is not null order by sale_id, version desc";
    let names: Vec<String> =
        sqlx::query_scalar(ask).bind(sales).fetch_all(&mut database).await.unwrap();
    names.into_iter().collect()
}

#[tokio::test]
async fn partitions_go_to_the_replicas_that_live() {
    let mut world = World::start(2).await;
    let mut sales = Vec::new();
    for _ in 0..40 {
        sales.push(sale(&world, 1000).await);
    }
    let mut number = 0;
    let mut is_shared_by = async |world: &World, names: &[&str]| {
        let begun = Instant::now();
        loop {
            number += 1;
            for &sale in &sales {
                let bought = world.buy(0, sale, &format!("buyer-{number}")).await.unwrap();
                assert_eq!(bought.status, StatusCode::CREATED);
            }
            let writers = writers(world, &sales).await;
            if writers.iter().eq(names) {
                return;
            }
            assert!(begun.elapsed() < LIMIT, "led by {writers:?} instead of {names:?}");
        }
    };
    is_shared_by(&world, &["replica-1", "replica-2"]).await;
    world.replicas.push(world.config.start("replica-3").await.unwrap());
    is_shared_by(&world, &["replica-1", "replica-2", "replica-3"]).await;
    world.replicas.pop().unwrap().process().kill().await.unwrap();
    is_shared_by(&world, &["replica-1", "replica-2"]).await;
    world.replicas.pop().unwrap().stop().await.unwrap();
    is_shared_by(&world, &["replica-1"]).await;
}

#[tokio::test]
async fn the_user_of_the_guide_may_do_what_a_queue_needs() {
    let mut world = World::start(0).await;
    let mut rules = rules();
    let more = GUIDE.lines().find(|line| line.starts_with("&leasehold:queue:"));
    rules.extend(more.expect("the guide has the line").split_whitespace());
    for node in &world.stack.nodes {
        make_user(&mut node.connection().await.unwrap(), &rules).await;
    }
    world.config.redis_urls = world.stack.redis_urls().iter().map(|url| with_user(url)).collect();
    for name in ["replica-1", "replica-2"] {
        world.replicas.push(world.config.start(name).await.unwrap());
    }
    let sale = sale(&world, 10).await;
    for replica in 0..2 {
        let url = world.replicas[replica].url();
        let command = accepted(&world, url, sale, &format!("buyer-{replica}")).await;
        assert_eq!(ran(&world, 1 - replica, sale, command).await["answer"]["status"], 201);
    }
    // Messages are heard: nobody has to look.
    let log = world.replicas.iter().map(|replica| replica.log_tail(1000)).collect::<String>();
    assert!(!log.contains("is not heard") && !log.contains("NOPERM"), "{log}");
}
