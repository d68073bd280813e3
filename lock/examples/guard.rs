//! Work that stops when its lease is lost. The loss is made by reaching the longest lifetime.
//!
//! `REDIS_URLS=redis://127.0.0.1:6379 cargo run -p leasehold --example guard`
#![expect(clippy::print_stdout, reason = "it shows what happens")]
#![allow(clippy::disallowed_methods, reason = "a program reads its environment")]

use std::{env, error::Error, time::Duration};

use leasehold::{LeaseConfig, Leases, Resource};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls = env::var("REDIS_URLS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let config = LeaseConfig {
        ttl: Duration::from_secs(3),
        node_timeout: Duration::from_secs(1),
        // Six seconds of renewals, so that this ends soon.
        lifetime_max: Duration::from_secs(6),
        ..LeaseConfig::default()
    };
    let leases = Leases::connect(urls.split(','), config)?;
    let resource = Resource::new("example/guard")?;

    let lease = leases.acquire(&resource, Duration::from_secs(10)).await?;
    let done = lease.guard(async {
        sleep(Duration::from_millis(4500)).await;
        "done, longer than one TTL"
    });
    println!("short work: {}", done.await?);
    let _outcome = lease.release().await;

    let lease = leases.acquire(&resource, Duration::from_secs(10)).await?;
    // For work that wants to be told rather than dropped: a task of its own, say.
    let stop = lease.cancellation();
    let told = tokio::spawn(async move {
        stop.cancelled().await;
        println!("a task was told to stop");
    });
    match lease.guard(sleep(Duration::from_secs(60))).await {
        Ok(()) => println!("long work: done"),
        Err(lost) => println!("long work: stopped, since {lost}"),
    }
    told.await?;
    println!("released: {:?}", lease.release().await);
    Ok(())
}
