//! Two candidates for one office. The first leads and resigns; the second follows.
//!
//! `REDIS_URLS=redis://127.0.0.1:6379 cargo run -p leasehold --example election`
#![expect(clippy::print_stdout, reason = "it shows what happens")]
#![allow(clippy::disallowed_methods, reason = "a program reads its environment")]

use std::{env, error::Error, time::Duration};

use leasehold::{AcquireError, Candidate, Event, LeaseConfig, Leases, Resource};
use tokio::time::sleep;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls = env::var("REDIS_URLS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let config = LeaseConfig {
        ttl: Duration::from_secs(3),
        node_timeout: Duration::from_secs(1),
        ..LeaseConfig::default()
    };
    let office = Resource::new("example/scheduler")?;
    // Each with connections of its own, as two processes would have.
    let ada = Candidate::new(Leases::connect(urls.split(','), config.clone())?, office.clone());
    let bob = Candidate::new(Leases::connect(urls.split(','), config)?, office);
    let (first, second) = tokio::join!(one_term("Ada", ada), one_term("Bob", bob));
    first?;
    second?;
    Ok(())
}

/// Waits for the office, leads for a while, resigns.
async fn one_term(name: &str, mut candidate: Candidate) -> Result<(), AcquireError> {
    match candidate.next().await? {
        Event::Elected(stamp) => println!("{name} leads with token {}", stamp.token),
        Event::Lost(lost) => println!("{name}: {lost}"),
    }
    // What only a leader does; dropped if the office is lost.
    match candidate.lead(sleep(Duration::from_millis(700))).await {
        Some(Ok(())) => println!("{name} did a leader's work"),
        Some(Err(lost)) => println!("{name} stopped, since {lost}"),
        None => println!("{name} does not lead"),
    }
    println!("{name} resigns: {:?}", candidate.resign().await);
    Ok(())
}
