//! A lease node that dies while two clients take turns.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use leasehold::Resource;
use tokio::task::JoinHandle;

use super::{
    Site,
    contestant::{Client, Kind},
    table::{Round, longest_gap},
};

/// How long the two take turns before the node dies, at least.
const BEFORE: Duration = Duration::from_millis(300);
/// How long they go on afterwards, beside a TTL.
const AFTER: Duration = Duration::from_millis(1500);

/// What the clients saw.
#[derive(Debug, Default)]
struct Seen {
    is_over: AtomicBool,
    inside: AtomicU64,
    overlaps: AtomicU64,
    /// How often a token was not larger than all before.
    backwards: AtomicU64,
    last: AtomicU64,
}

pub(super) async fn round(site: &mut Site<'_>, kind: Kind, number: u32) -> anyhow::Result<Round> {
    let urls = site.servers.stack.redis_urls();
    let resource = Resource::new(format!("bench/failover/{}/node/{number}", kind.name()))?;
    let seen = Arc::new(Seen::default());
    let mut clients = Vec::new();
    for _ in 0..2 {
        let client = kind.connect(&urls, site.ttl)?;
        // Fresh nodes do not vote for a TTL, and that is not what is measured.
        client.acquire(&resource).await?.release().await;
        clients.push(client);
    }
    let turns: Vec<JoinHandle<_>> = clients
        .into_iter()
        .map(|client| tokio::spawn(turns(client, resource.clone(), Arc::clone(&seen))))
        .collect();
    tokio::time::sleep(BEFORE + site.moment()).await;
    let from = Instant::now();
    site.servers.stack.nodes[0].kill().await?;
    tokio::time::sleep(AFTER + site.ttl).await;
    seen.is_over.store(true, Ordering::SeqCst);
    let to = Instant::now();
    let mut grants = Vec::new();
    for task in turns {
        grants.extend(task.await??);
    }
    // The same node each time: the others are members throughout, whenever this one is one again.
    site.servers.stack.nodes[0].restart().await?;
    tokio::time::sleep(2 * site.ttl).await;
    let overlaps = seen.overlaps.load(Ordering::SeqCst);
    let backwards = seen.backwards.load(Ordering::SeqCst);
    Ok(match (overlaps, backwards) {
        (0, 0) => Round::Gap(longest_gap(&mut grants, from, to)),
        _ => Round::Broken(format!("two held it {overlaps} times, {backwards} tokens went back")),
    })
}

async fn turns(
    client: Client,
    resource: Resource,
    seen: Arc<Seen>,
) -> anyhow::Result<Vec<Instant>> {
    let mut grants = Vec::new();
    while !seen.is_over.load(Ordering::SeqCst) {
        let held = client.acquire(&resource).await?;
        if seen.inside.fetch_add(1, Ordering::SeqCst) > 0 {
            seen.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        grants.push(Instant::now());
        if let Some(token) = held.token().and_then(|token| u64::try_from(token).ok())
            && seen.last.swap(token, Ordering::SeqCst) >= token
        {
            seen.backwards.fetch_add(1, Ordering::SeqCst);
        }
        tokio::task::yield_now().await;
        seen.inside.fetch_sub(1, Ordering::SeqCst);
        held.release().await;
    }
    Ok(grants)
}
