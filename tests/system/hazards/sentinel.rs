//! A master that a sentinel chooses as one lease node.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use leasehold::{LeaseConfig, Leases, Loss, ReleaseOutcome, Resource, node::RedisNode};
use leasehold_stack::{LeaseNode, Persistence, Silent, Stack, StackConfig};

use crate::world::LIMIT;

const TTL: Duration = Duration::from_millis(1000);
const NAME: &str = "mymaster";

/// A master, its replica, and the sentinel that watches them.
struct Watched {
    replica: LeaseNode,
    sentinel: LeaseNode,
    // Last, so that the folder is removed after the servers have ended.
    stack: Stack,
}

impl Watched {
    async fn start() -> Self {
        let config = StackConfig {
            lease_nodes: 1,
            persistence: Persistence::Durable,
            postgres: false,
            ..StackConfig::default()
        };
        let stack = Stack::start(config, &Silent).await.unwrap();
        let master = &stack.nodes[0];
        let (ip, port) = (master.address().ip(), master.address().port());
        // The dataset is copied at once, not a few seconds later.
        let diskless =
            redis::cmd("CONFIG").arg("SET").arg("repl-diskless-sync-delay").arg(0).clone();
        diskless.exec_async(&mut master.connection().await.unwrap()).await.unwrap();
        let replica =
            master.beside("replica", &format!("replicaof {ip} {port}\n"), &[]).await.unwrap();
        let monitor = format!(
            "sentinel monitor {NAME} {ip} {port} 1\n\
             sentinel down-after-milliseconds {NAME} 5000\n\
             sentinel failover-timeout {NAME} 10000\n"
        );
        let sentinel = master.beside("sentinel", &monitor, &["--sentinel"]).await.unwrap();
        let watched = Self { replica, sentinel, stack };
        let begun = Instant::now();
        while !watched.is_complete().await {
            assert!(begun.elapsed() < LIMIT, "the sentinel knows no replica that is in step");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        watched
    }

    /// Whether the sentinel has seen a replica that copies the master.
    async fn is_complete(&self) -> bool {
        let mut redis = self.sentinel.connection().await.unwrap();
        let about = redis::cmd("SENTINEL").arg("REPLICAS").arg(NAME).clone();
        let replicas: Vec<std::collections::HashMap<String, String>> =
            about.query_async(&mut redis).await.unwrap();
        let is = |key: &str, wanted: &str| {
            replicas.iter().any(|r| r.get(key).is_some_and(|v| v == wanted))
        };
        is("master-link-status", "ok") && is("flags", "slave")
    }

    async fn master(&self) -> SocketAddr {
        let mut redis = self.sentinel.connection().await.unwrap();
        let ask = redis::cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(NAME).clone();
        let (ip, port): (String, u16) = ask.query_async(&mut redis).await.unwrap();
        SocketAddr::new(ip.parse().unwrap(), port)
    }

    async fn until_the_replica_is_master(&self) {
        let begun = Instant::now();
        while self.master().await != self.replica.address() {
            assert!(begun.elapsed() < LIMIT, "no failover");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    fn client(&self) -> Leases {
        self.client_with(TTL, Duration::from_millis(250))
    }

    fn client_with(&self, ttl: Duration, node_timeout: Duration) -> Leases {
        let config = LeaseConfig { ttl, node_timeout, ..LeaseConfig::default() };
        // One sentinel is dead: the other one must do.
        let sentinels = ["redis://127.0.0.1:1".to_owned(), self.sentinel.url()];
        let node = RedisNode::sentinel(sentinels, NAME, config.node_timeout).unwrap();
        Leases::over(vec![Arc::new(node)], config).unwrap()
    }
}

fn resource() -> Resource {
    Resource::new("stage").unwrap()
}

#[tokio::test]
async fn leases_on_the_master_are_exclusive_kept_and_handed_on() {
    let watched = Watched::start().await;
    // Long enough for a machine that pauses.
    let ttl = Duration::from_secs(4);
    let client = || watched.client_with(ttl, ttl / 3);
    let (ours, theirs) = (client(), client());
    let lease = ours.acquire(&resource(), LIMIT).await.unwrap();
    let first = lease.token();
    tokio::time::sleep(ttl * 3 / 2).await;
    assert!(!lease.is_lost());
    assert!(theirs.try_acquire(&resource()).await.is_err());
    let waiter = tokio::spawn(async move { theirs.acquire(&resource(), LIMIT).await.unwrap() });
    tokio::time::sleep(TTL / 4).await;
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(waiter.await.unwrap().token() > first);
    // The settings are told, and that the server is copied is warned of.
    let warnings = ours.check().await.unwrap();
    assert!(warnings.iter().any(|warning| warning.to_string().contains("replicated")));
}

#[tokio::test]
async fn after_a_failover_on_command_the_lease_is_lost_and_tokens_grow() {
    let watched = Watched::start().await;
    let (ours, theirs) = (watched.client(), watched.client());
    let lease = ours.acquire(&resource(), LIMIT).await.unwrap();
    let first = lease.token();
    let mut redis = watched.sentinel.connection().await.unwrap();
    let failover = redis::cmd("SENTINEL").arg("FAILOVER").arg(NAME).clone();
    failover.exec_async(&mut redis).await.unwrap();
    // The other client asks all the time, and gets nothing before the lease is lost.
    let rival = async {
        let next = theirs.acquire(&resource(), LIMIT).await.unwrap();
        (next.token(), lease.is_lost())
    };
    let (loss, (second, was_lost)) = tokio::join!(tokio::time::timeout(LIMIT, lease.lost()), rival);
    assert!(matches!(loss, Ok(Loss::Expired | Loss::Taken)), "{loss:?}");
    assert!(was_lost, "two valid leases at once");
    assert!(second > first, "{second:?} after {first:?}");
    watched.until_the_replica_is_master().await;
    // Where it went on: at the new master.
    let third = ours.acquire(&resource(), LIMIT).await.unwrap();
    assert!(third.token() > second);
    let mut redis = watched.replica.connection().await.unwrap();
    let kept: bool = redis::cmd("EXISTS").arg("stage").query_async(&mut redis).await.unwrap();
    assert!(kept, "the lease is not at the new master");
}

#[tokio::test]
async fn after_its_master_was_killed_a_client_goes_on_at_the_next() {
    let mut watched = Watched::start().await;
    let leases = watched.client();
    let lease = leases.acquire(&resource(), LIMIT).await.unwrap();
    let first = lease.token();
    watched.stack.nodes[0].kill().await.unwrap();
    let loss = tokio::time::timeout(LIMIT, lease.lost()).await.unwrap();
    assert_eq!(loss, Loss::Expired);
    assert!(!matches!(lease.release().await, ReleaseOutcome::Released));
    let second = leases.acquire(&resource(), LIMIT).await.unwrap();
    assert!(second.token() > first);
    assert_eq!(watched.master().await, watched.replica.address());
    // The old one comes back as a replica: nobody goes back to it.
    watched.stack.nodes[0].restart().await.unwrap();
    assert_eq!(second.release().await, ReleaseOutcome::Released);
    assert!(leases.acquire(&resource(), LIMIT).await.is_ok());
    assert_eq!(watched.master().await, watched.replica.address());
}

#[tokio::test]
async fn a_password_of_the_servers_is_given_with_the_masters_name() {
    let watched = Watched::start().await;
    let mut redis = watched.stack.nodes[0].connection().await.unwrap();
    let mut sentinel = watched.sentinel.connection().await.unwrap();
    let tell = redis::cmd("SENTINEL").arg("SET").arg(NAME).arg("auth-pass").arg("hunter2").clone();
    tell.exec_async(&mut sentinel).await.unwrap();
    let set = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("hunter2").clone();
    set.exec_async(&mut redis).await.unwrap();
    let client = |master: &str| {
        let config = LeaseConfig { ttl: TTL, ..LeaseConfig::default() };
        let node = RedisNode::sentinel([watched.sentinel.url()], master, config.node_timeout);
        Leases::over(vec![Arc::new(node.unwrap())], config).unwrap()
    };
    let with = client(&format!("redis://:hunter2@{NAME}"));
    assert!(with.acquire(&resource(), LIMIT).await.is_ok());
    for wrong in [NAME.to_owned(), format!("redis://:hunter1@{NAME}")] {
        let error = client(&wrong).acquire(&resource(), LIMIT).await.unwrap_err();
        assert!(!error.is_retryable() && !error.to_string().contains("hunter"), "{error}");
    }
}
