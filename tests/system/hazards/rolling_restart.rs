//! Three replicas are restarted one after the other under load, behind the load balancer as it is
//! deployed: not one request fails.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use hyper::StatusCode;
use leasehold_stack::{LoadBalancer, Means, Replica, ReplicaConfig, Shop, free_port};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{LIMIT, World, until};

/// Clients that ask one request after the other.
const CLIENTS: usize = 6;

/// Buys until it is told to stop; returns every answer that was not a purchase.
async fn buy(
    shop: Shop,
    url: String,
    sale: Uuid,
    stop: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
) -> Vec<String> {
    let mut failed = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        let key = Uuid::new_v4().to_string();
        match shop.buy(&url, sale, &key, &key, 1).await {
            Ok(answer) if answer.status == StatusCode::CREATED => {
                let _before = count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(answer) => failed.push(format!("{} {}", answer.status, answer.code())),
            Err(error) => failed.push(format!("no answer: {error:#}")),
        }
    }
    failed
}

async fn start(config: &ReplicaConfig, number: usize, place: SocketAddr) -> Replica {
    let mut config = config.clone();
    config.env.push(("LEASEHOLD_LISTEN".to_owned(), place.to_string()));
    config.env.push(("LEASEHOLD_DRAIN_MS".to_owned(), "5000".to_owned()));
    config.start(&format!("replica-{}", number + 1)).await.unwrap()
}

/// How a replica is made to go.
#[derive(Clone, Copy, PartialEq)]
enum Going {
    Told,
    Killed,
}

/// Restarts three replicas one by one under load. Returns what failed, how many purchases clients
/// were told of, and how many there are; `None` when there is no load balancer.
async fn restart_all(going: Going) -> Option<(Vec<String>, usize, usize)> {
    if !Means::LoadBalancer.are_here() {
        return None;
    }
    let mut world = World::start(0).await;
    let free = |_| SocketAddr::from(([127, 0, 0, 1], free_port().unwrap()));
    let places: Vec<SocketAddr> = (0..3).map(free).collect();
    for (number, place) in places.iter().enumerate() {
        world.replicas.push(start(&world.config, number, *place).await);
    }
    let sale = world.sale(1_000_000).await;
    let balancer = LoadBalancer::start(world.stack.folder(), &places).await.unwrap();
    for server in 0..3 {
        balancer.sees(server, true, LIMIT).await.unwrap();
    }
    let (stop, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        clients.spawn(buy(world.shop.clone(), balancer.url(), sale, stop, count));
    }
    for (number, place) in places.iter().enumerate() {
        let before = count.load(Ordering::Relaxed);
        match going {
            Going::Told => world.replicas[number].stop().await.unwrap(),
            Going::Killed => world.replicas[number].process().kill().await.unwrap(),
        }
        balancer.sees(number, false, LIMIT).await.unwrap();
        world.replicas[number] = start(&world.config, number, *place).await;
        balancer.sees(number, true, LIMIT).await.unwrap();
        // Without load nothing could fail.
        let stuck = format!("nothing was bought since replica {number} was restarted");
        until(&stuck, || count.load(Ordering::Relaxed) > before).await;
    }
    stop.store(true, Ordering::Relaxed);
    let failed = clients.join_all().await.concat();
    let sold = usize::try_from(world.books(sale).await.sold).unwrap();
    Some((failed, count.load(Ordering::Relaxed), sold))
}

#[tokio::test]
async fn three_replicas_are_restarted_one_by_one_and_no_request_fails() {
    let Some((failed, told, sold)) = restart_all(Going::Told).await else { return };
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(told, sold);
}

#[tokio::test]
async fn replicas_that_are_killed_instead_are_noticed() {
    let Some((failed, told, sold)) = restart_all(Going::Killed).await else { return };
    assert_ne!(failed, Vec::<String>::new(), "the test above could not fail");
    // Who was left without an answer may have bought: the key would tell.
    assert!((told..=told + failed.len()).contains(&sold), "{told} told, {sold} sold, {failed:?}");
}
