//! Acquires a lease, works, gives it back; and what a second holder is told meanwhile.
//!
//! `REDIS_URLS=redis://127.0.0.1:6379 cargo run -p leasehold --example basic`
#![expect(clippy::print_stdout, reason = "it shows what happens")]
#![allow(clippy::disallowed_methods, reason = "a program reads its environment")]

use std::{env, error::Error, time::Duration};

use leasehold::{LeaseConfig, Leases, Resource};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls = env::var("REDIS_URLS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let config = LeaseConfig {
        ttl: Duration::from_secs(3),
        node_timeout: Duration::from_secs(1),
        ..LeaseConfig::default()
    };
    // Two clients, as two processes would be.
    let ours = Leases::connect(urls.split(','), config.clone())?;
    let theirs = Leases::connect(urls.split(','), config)?;
    for warning in ours.check().await? {
        println!("note: {warning}");
    }

    // Servers that were just started do not vote for about a TTL: so wait.
    let resource = Resource::new("example/basic")?;
    let lease = ours.acquire(&resource, Duration::from_secs(10)).await?;
    println!("acquired {} with token {}", lease.resource(), lease.token());
    println!("valid for {:?} more, and renewed in the background", lease.remaining());

    if let Err(refused) = theirs.try_acquire(&resource).await {
        println!("the other client: {refused}");
    }
    println!("released: {:?}", lease.release().await);

    let next = theirs.acquire(&resource, Duration::from_secs(10)).await?;
    println!("the other client has it now, with the larger token {}", next.token());
    let _outcome = next.release().await;
    Ok(())
}
