//! A Redis Cluster as one lease node: three servers, each with a third of the slots.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use leasehold::{
    AcquireError, FencingToken, GrantNumber, Hold, HolderId, LeaseConfig, Leases, Loss,
    NodeErrorKind, ReleaseOutcome, Resource,
    model::{ClientId, GrantRequest, Question},
    node::{Node as _, Notice, RedisNode},
};
use leasehold_stack::{LeaseNode, Persistence, Silent, Stack, StackConfig};
use tokio::sync::mpsc;

use crate::world::LIMIT;

const TTL: Duration = Duration::from_millis(2000);
const CONFIG: &str =
    "cluster-enabled yes\ncluster-node-timeout 3000\ncluster-require-full-coverage no\n";
const SLOTS: [(u16, u16); 3] = [(0, 5000), (5001, 10_000), (10_001, 16_383)];

struct Cluster {
    servers: Vec<LeaseNode>,
    // Last, so that the folder is removed after the servers have ended.
    stack: Stack,
}

impl Cluster {
    async fn start() -> Self {
        let config = StackConfig {
            lease_nodes: 1,
            persistence: Persistence::None,
            postgres: false,
            ..StackConfig::default()
        };
        let stack = Stack::start(config, &Silent).await.unwrap();
        let mut servers = Vec::new();
        for (index, (from, to)) in SLOTS.into_iter().enumerate() {
            let name = format!("cluster-{index}");
            let server = stack.nodes[0].beside(&name, CONFIG, &[]).await.unwrap();
            let mut redis = server.connection().await.unwrap();
            let mut add = redis::cmd("CLUSTER");
            add.arg("ADDSLOTSRANGE").arg(from).arg(to).exec_async(&mut redis).await.unwrap();
            servers.push(server);
        }
        let cluster = Self { servers, stack };
        for server in &cluster.servers[1..] {
            cluster.meet(server).await;
        }
        tokio::time::timeout(LIMIT, cluster.agrees()).await.unwrap();
        cluster
    }

    async fn meet(&self, server: &LeaseNode) {
        let first = self.servers[0].address();
        let mut redis = server.connection().await.unwrap();
        let mut meet = redis::cmd("CLUSTER");
        meet.arg("MEET").arg(first.ip().to_string()).arg(first.port());
        meet.exec_async(&mut redis).await.unwrap();
    }

    /// Adds a replica of a server, and waits until it is in step.
    async fn replica_of(&self, server: &LeaseNode) -> LeaseNode {
        let mut redis = server.connection().await.unwrap();
        let now = redis::cmd("CONFIG").arg("SET").arg("repl-diskless-sync-delay").arg(0).clone();
        now.exec_async(&mut redis).await.unwrap();
        let id: String = redis::cmd("CLUSTER").arg("MYID").query_async(&mut redis).await.unwrap();
        let replica = self.stack.nodes[0].beside("cluster-replica", CONFIG, &[]).await.unwrap();
        self.meet(&replica).await;
        let mut redis = replica.connection().await.unwrap();
        let begun = Instant::now();
        loop {
            assert!(begun.elapsed() < LIMIT, "the replica is not in step");
            // Refused until it has heard of the server.
            let _heard =
                redis::cmd("CLUSTER").arg("REPLICATE").arg(&id).exec_async(&mut redis).await;
            let about: String = redis::cmd("INFO").query_async(&mut redis).await.unwrap();
            if about.contains("master_link_status:up") {
                return replica;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until every server knows where each slot is.
    async fn agrees(&self) {
        for server in &self.servers {
            let mut redis = server.connection().await.unwrap();
            loop {
                let about: String =
                    redis::cmd("CLUSTER").arg("INFO").query_async(&mut redis).await.unwrap();
                if about.contains("cluster_state:ok") && about.contains("cluster_size:3") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// A client that was told of one server only.
    fn client(&self) -> Leases {
        let config = LeaseConfig {
            ttl: TTL,
            node_timeout: Duration::from_millis(450),
            ..LeaseConfig::default()
        };
        let node = RedisNode::cluster([self.servers[0].url()], config.node_timeout).unwrap();
        Leases::over(vec![Arc::new(node)], config).unwrap()
    }
}

fn resource(name: &str) -> Resource {
    Resource::new(name).unwrap()
}

async fn token(leases: &Leases, name: &str) -> FencingToken {
    let lease = leases.acquire(&resource(name), LIMIT).await.unwrap();
    let token = lease.token();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    token
}

#[tokio::test]
async fn leases_exclude_each_other_and_tokens_grow_wherever_their_slots_are() {
    let cluster = Cluster::start().await;
    let clients = [cluster.client(), cluster.client()];
    let names = (0..12)
        .map(|n| format!("stage/{n}"))
        .chain(["{tour}/1", "a{tour}b", "open{brace", "späti"].map(str::to_owned));
    for name in names {
        let mut newest = None;
        for turn in 0..4 {
            let lease = clients[turn % 2].acquire(&resource(&name), LIMIT).await.unwrap();
            assert!(Some(lease.token()) > newest, "{name}: {:?} after {newest:?}", lease.token());
            newest = Some(lease.token());
            let rival = clients[(turn + 1) % 2].try_acquire(&resource(&name)).await.unwrap_err();
            assert!(matches!(rival, AcquireError::Contended { .. }), "{name}: {rival}");
            let hold = clients[turn % 2].inspect(&resource(&name)).await.hold;
            let token = Some(lease.token());
            assert!(matches!(hold, Hold::Ours { token: seen, .. } if seen == token), "{hold:?}");
            assert_eq!(lease.release().await, ReleaseOutcome::Released, "{name}");
        }
    }
    // The leases are on every server, so the client was led to those that it was not told of.
    for server in &cluster.servers {
        let mut redis = server.connection().await.unwrap();
        let keys: usize = redis::cmd("DBSIZE").query_async(&mut redis).await.unwrap();
        assert!(keys > 0, "{} has no key", server.name());
    }
    assert!(clients[0].failing_nodes().await.is_empty());
    assert!(clients[0].check().await.unwrap().is_empty());
}

#[tokio::test]
async fn many_leases_are_asked_for_at_once() {
    let cluster = Cluster::start().await;
    let leases = cluster.client();
    let names: Vec<Resource> = (0..60).map(|n| resource(&format!("seat/{n}"))).collect();
    let acquired =
        futures_util::future::join_all(names.iter().map(|name| leases.acquire(name, LIMIT))).await;
    let acquired: Vec<_> = acquired.into_iter().map(Result::unwrap).collect();
    // They are kept past their lifetime, and all of them are freed.
    tokio::time::sleep(TTL * 2).await;
    for lease in acquired {
        assert!(!lease.is_lost(), "{lease:?}");
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
    }
}

#[tokio::test]
async fn who_waits_gets_the_lease_and_is_told_by_any_server_of_the_cluster() {
    let cluster = Cluster::start().await;
    let (ours, theirs) = (cluster.client(), cluster.client());
    let lease = ours.acquire(&resource("stage"), LIMIT).await.unwrap();
    let first = lease.token();
    let waiter =
        tokio::spawn(async move { theirs.acquire(&resource("stage"), LIMIT).await.unwrap() });
    tokio::time::sleep(TTL / 4).await;
    assert!(!waiter.is_finished());
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(waiter.await.unwrap().token() > first);

    // It listens at one server, and the leases are on all of them.
    let node = RedisNode::cluster([cluster.servers[0].url()], Duration::from_secs(5)).unwrap();
    let client = ClientId::from_random(7);
    let (sender, mut heard) = mpsc::channel(8);
    let listens = node.listen(client, sender);
    let releases = async {
        assert_eq!(heard.recv().await, Some(Notice::Listening));
        for name in ["a", "b", "c", "d", "e", "f"].map(resource) {
            let grant = |holder, waiter| {
                Question::Grant(Arc::new(GrantRequest {
                    resource: name.clone(),
                    holder: HolderId::from_random(holder),
                    ttl: TTL,
                    hint: GrantNumber::ONE,
                    waiter,
                }))
            };
            let holder = HolderId::from_random(1);
            let release = Question::Release { resource: name.clone(), holder, next: None };
            for question in [grant(1, None), grant(2, Some(client)), release] {
                let answer = node.ask(&[question]).await.pop().unwrap();
                assert!(answer.is_ok(), "{answer:?}");
            }
            let notice = tokio::time::timeout(LIMIT, heard.recv()).await.unwrap();
            let Some(Notice::Granted(handover)) = notice else { panic!("{notice:?}") };
            assert_eq!(handover.resource, name);
        }
    };
    tokio::select! {
        broke = listens => panic!("{broke}"),
        () = releases => {}
        () = tokio::time::sleep(LIMIT) => panic!("nobody was told"),
    }
}

#[tokio::test]
async fn a_name_whose_keys_cannot_be_in_one_slot_is_refused_and_told_why() {
    let cluster = Cluster::start().await;
    let leases = cluster.client();
    for name in ["a}b", "{}a", "}{"] {
        let error = leases.try_acquire(&resource(name)).await.unwrap_err();
        let AcquireError::Unavailable { failures, .. } = &error else { panic!("{error}") };
        assert!(matches!(failures[0].kind, NodeErrorKind::Rejected(_)), "{error}");
        assert!(error.to_string().contains("hash tag"), "{error}");
    }
    // What the server itself would say, were it asked; another name is not disturbed.
    let mut says = Vec::new();
    for server in &cluster.servers {
        let mut redis = server.connection().await.unwrap();
        let script = "return redis.call('GET', 'leasehold:fence-of:{' .. KEYS[1] .. '}')";
        let answer = redis::cmd("EVAL").arg(script).arg(1).arg("a}b").exec_async(&mut redis).await;
        says.push(answer.unwrap_err().to_string());
    }
    let refuses = |error: &String| error.contains("same slot") || error.contains("non local key");
    assert!(says.iter().any(refuses), "{says:?}");
    token(&leases, "a").await;
}

#[tokio::test]
async fn a_paused_server_holds_up_only_its_own_leases() {
    let cluster = Cluster::start().await;
    let leases = cluster.client();
    // "a" is in slot 15495, of the last server; "b" in 3300, of the first.
    let before = token(&leases, "a").await;
    token(&leases, "b").await;
    cluster.servers[2].pause().unwrap();
    let error = leases.try_acquire(&resource("a")).await.unwrap_err();
    assert!(error.is_unavailable() && error.is_retryable(), "{error}");
    token(&leases, "b").await;
    cluster.servers[2].resume().unwrap();
    assert!(token(&leases, "a").await > before);
}

#[tokio::test]
async fn after_a_server_was_killed_a_client_goes_on_at_its_replica() {
    let mut cluster = Cluster::start().await;
    let leases = cluster.client();
    let replica = cluster.replica_of(&cluster.servers[2]).await;
    let lease = leases.acquire(&resource("a"), LIMIT).await.unwrap();
    let first = lease.token();
    cluster.servers[2].kill().await.unwrap();
    // The servers take longer to agree on a failover than the lease lasts.
    assert_eq!(tokio::time::timeout(LIMIT, lease.lost()).await.unwrap(), Loss::Expired);
    let begun = Instant::now();
    let second = leases.acquire(&resource("a"), LIMIT).await.unwrap();
    assert!(second.token() > first, "{:?} after {first:?}", second.token());
    assert!(!second.is_lost(), "after {:?}", begun.elapsed());
    let mut redis = replica.connection().await.unwrap();
    let kept: bool = redis::cmd("EXISTS").arg("a").query_async(&mut redis).await.unwrap();
    assert!(kept, "the lease is not at the replica");
}
