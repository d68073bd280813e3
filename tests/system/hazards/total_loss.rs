//! What the store remembers when the nodes do not, and when the holder was not there.

use std::time::Duration;

use leasehold::{
    FencingToken, GrantNumber, HolderId, Stamp,
    fence::{self, FenceError},
};
use leasehold_stack::{Launch, Process, Silent, Stack, StackConfig};
use sqlx::{Connection as _, PgConnection};

use crate::{
    servers::{PATIENCE, client, client_of, clock, resource},
    world::LIMIT,
};

/// What the process that is stopped is told.
const URLS: &str = "TEST_HOLDER_URLS";
const DATABASE: &str = "TEST_HOLDER_DATABASE";

async fn stack() -> (Stack, PgConnection) {
    let config = StackConfig { lease_nodes: 3, ..StackConfig::default() };
    let stack = Stack::start(config, &Silent).await.unwrap();
    let mut store = PgConnection::connect(&stack.database_url()).await.unwrap();
    fence::install(&mut store).await.unwrap();
    (stack, store)
}

#[tokio::test]
async fn after_a_total_loss_the_refusal_of_the_store_lifts_the_next_token() {
    let (stack, mut store) = stack().await;
    // Accepted before the loss, from a client whose clock was three minutes ahead.
    let ahead = clock(&stack.nodes[0]).await + 180_000_000;
    let token = FencingToken::new(GrantNumber::new(ahead).unwrap(), 0).unwrap();
    let holder = HolderId::from_random(1);
    let accepted = Stamp { resource: resource(), token, holder };
    fence::claim(&mut store, &accepted).await.unwrap();
    for node in &stack.nodes {
        node.flush_all().await.unwrap();
    }
    let leases = client(&stack);
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    let refused = fence::claim(&mut store, lease.stamp()).await;
    let Err(FenceError::Stale(stale)) = refused else { panic!("accepted: {refused:?}") };
    assert_eq!(stale.newest, token);
    leases.observe(stale.newest);
    let _outcome = lease.release().await;
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    assert!(lease.token() > token);
    fence::claim(&mut store, lease.stamp()).await.unwrap();
}

/// The process that is stopped: not a test of its own.
#[tokio::test]
#[ignore = "is run by the test below, as another process"]
async fn holder() {
    let urls = std::env::var(URLS).unwrap();
    let mut store = PgConnection::connect(&std::env::var(DATABASE).unwrap()).await.unwrap();
    let leases = client_of(urls.split(','));
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    fence::claim(&mut store, lease.stamp()).await.unwrap();
    say(&format!("held {}", lease.token()));
    say(&format!("lost {}", tokio::time::timeout(LIMIT, lease.lost()).await.unwrap()));
    assert!(lease.is_lost());
    let late = fence::claim(&mut store, lease.stamp()).await;
    say(if matches!(late, Err(FenceError::Stale(_))) { "refused" } else { "accepted" });
}

#[expect(clippy::print_stdout, reason = "this is how the process answers")]
fn say(line: &str) {
    println!("\nholder: {line}");
}

/// The next line of the process that is for us; the test harness writes others.
async fn heard(process: &mut Process) -> String {
    loop {
        let line = process.next_line(LIMIT).await.unwrap().expect("the process has ended");
        if let Some(line) = line.strip_prefix("holder: ") {
            return line.to_owned();
        }
    }
}

#[tokio::test]
async fn a_process_that_was_stopped_over_its_ttl_wakes_up_without_its_lease_and_is_refused() {
    let (stack, mut store) = stack().await;
    let program = std::env::current_exe().unwrap();
    let launch = Launch::new("holder", &program, stack.folder().join("holder.log"))
        .args(["--ignored", "--exact", "total_loss::holder", "--nocapture"])
        .capture_lines(100)
        .env(URLS, stack.redis_urls().join(","))
        .env(DATABASE, stack.database_url());
    let mut process = Process::spawn(&launch).unwrap();
    let held = heard(&mut process).await;
    let token: i64 = held.strip_prefix("held ").unwrap().parse().unwrap();
    process.pause().unwrap();
    let lease = client(&stack).acquire(&resource(), PATIENCE).await.unwrap();
    assert!(lease.token().as_i64() > token);
    fence::claim(&mut store, lease.stamp()).await.unwrap();
    process.resume().unwrap();
    let lost = heard(&mut process).await;
    assert!(lost.starts_with("lost "), "{lost}");
    assert_eq!(heard(&mut process).await, "refused");
    process.wait(Duration::from_secs(60)).await.unwrap();
}
