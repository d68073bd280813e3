//! Several resources at once, all or none; and a bounded number of holders.
//!
//! `REDIS_URLS=redis://127.0.0.1:6379 cargo run -p leasehold --example several_resources`
#![expect(clippy::print_stdout, reason = "it shows what happens")]
#![allow(clippy::disallowed_methods, reason = "a program reads its environment")]

use std::{env, error::Error, time::Duration};

use leasehold::{LeaseConfig, Leases, Resource, Slots};

const WAIT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls = env::var("REDIS_URLS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let config = LeaseConfig {
        ttl: Duration::from_secs(3),
        node_timeout: Duration::from_secs(1),
        ..LeaseConfig::default()
    };
    let leases = Leases::connect(urls.split(','), config)?;
    let seat = |n: u32| Resource::new(format!("example/seat/{n}"));

    let held = leases.acquire_all(&[seat(8)?, seat(7)?], WAIT).await?;
    for stamp in held.stamps() {
        println!("{} with token {}", stamp.resource, stamp.token);
    }
    // One of these is taken, so neither is had.
    if let Err(error) = leases.acquire_all(&[seat(7)?, seat(1)?], Duration::ZERO).await {
        println!("seats 7 and 1: {error}");
    }
    println!("released: {:?}", held.release().await);

    // Two readers, or one writer.
    let slots = Slots::new(leases, "example/document", 2)?;
    let (one, two) = (slots.acquire(WAIT).await?, slots.acquire(WAIT).await?);
    println!("readers have {} and {}", one.resource(), two.resource());
    println!("a third reader: {}", outcome(slots.acquire(Duration::ZERO).await.is_ok()));
    println!("a writer:       {}", outcome(slots.acquire_every(Duration::ZERO).await.is_ok()));
    let _outcomes = tokio::join!(one.release(), two.release());
    let writer = slots.acquire_every(WAIT).await?;
    println!("then a writer:  has all {} slots", writer.leases().len());
    let _outcomes = writer.release().await;
    Ok(())
}

const fn outcome(is_held: bool) -> &'static str {
    if is_held { "has it" } else { "refused" }
}
