//! Waiting for a lease: what it costs the nodes, whose turn it is, and how it ends.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{AcquireError, FencingToken, LeaseConfig, Leases};
use leasehold_stack::{LeaseNode, Persistence, Stack};
use tokio::net::TcpListener;

use crate::{
    servers::{PATIENCE, all_vote, client, config, nodes, redis, resource},
    world::LIMIT,
};

/// Longer than any test: nothing is renewed, and nothing expires.
const FOR_EVER: Duration = Duration::from_secs(3600);

async fn voting() -> Stack {
    let stack = nodes(3, Persistence::None).await;
    let leases = client(&stack);
    while !all_vote(&stack).await {
        let _outcome = leases.acquire(&resource(), PATIENCE).await.unwrap().release().await;
    }
    // Behind everything that this client has sent.
    assert_eq!(leases.failing_nodes().await, []);
    stack
}

/// Waits until every node has granted the lease: a quorum is enough for its holder.
async fn granted_by_all(stack: &Stack) {
    for node in &stack.nodes {
        let mut redis = redis(node).await;
        let mut exists = redis::cmd("EXISTS");
        let exists = exists.arg(resource().as_str());
        while !exists.query_async::<bool>(&mut redis).await.unwrap() {}
    }
}

fn client_with(stack: &Stack, config: LeaseConfig) -> Leases {
    Leases::connect(stack.redis_urls(), config).unwrap()
}

/// How often a node was asked for something, as it counts itself: commands of which `counts` holds.
async fn asked(node: &LeaseNode, counts: fn(&str) -> bool) -> u64 {
    let mut redis = redis(node).await;
    let stats: String =
        redis::cmd("INFO").arg("commandstats").query_async(&mut redis).await.unwrap();
    let calls = stats.lines().filter_map(|line| {
        let (command, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        counts(command).then(|| rest.split(',').next().unwrap().parse::<u64>().unwrap())
    });
    calls.sum()
}

async fn asked_of_all(stack: &Stack, counts: fn(&str) -> bool) -> u64 {
    let mut sum = 0;
    for node in &stack.nodes {
        sum += asked(node, counts).await;
    }
    sum
}

#[tokio::test]
async fn clients_that_contend_cost_few_commands_and_all_get_their_share() {
    const CLIENTS: usize = 8;
    const TURNS: usize = 400;
    let is_script = |command: &str| matches!(command, "evalsha" | "eval");
    let stack = voting().await;
    let before = asked_of_all(&stack, is_script).await;
    let (taken, inside) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let newest = Arc::new(Mutex::new(None::<FencingToken>));
    let clients = (0..CLIENTS).map(|_| {
        // A TTL that no pause of the machine uses up: each section is really alone. Polls are rare also
        // where a turn takes long, since what is counted here is what a turn costs.
        let retry_max = Duration::from_secs(2);
        let leases = client_with(&stack, LeaseConfig { ttl: LIMIT, retry_max, ..config() });
        let (taken, inside, newest) = (taken.clone(), inside.clone(), newest.clone());
        tokio::spawn(async move {
            let mut turns = 0;
            while taken.fetch_add(1, Ordering::SeqCst) < TURNS {
                let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
                assert!(!inside.swap(true, Ordering::SeqCst), "two at once");
                let before = newest.lock().unwrap().replace(lease.token());
                assert!(Some(lease.token()) > before);
                tokio::time::sleep(Duration::from_millis(3)).await;
                inside.store(false, Ordering::SeqCst);
                let _outcome = lease.release().await;
                turns += 1;
            }
            turns
        })
    });
    let mut shares = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        shares.push(client.await.unwrap());
    }
    let commands = asked_of_all(&stack, is_script).await - before;
    let (turns, nodes) = (u64::try_from(TURNS).unwrap(), 3);
    say(&format!(
        "{}.{:02} commands per turn and node; shares {shares:?}",
        commands / (turns * nodes),
        commands * 100 / (turns * nodes) % 100
    ));
    // A grant and a release; what is above two is for messages that came too late.
    assert!(commands <= 3 * turns * nodes, "{commands} commands for {turns} turns");
    assert_eq!(shares.iter().sum::<usize>(), TURNS);
    assert!(shares.iter().all(|&share| share >= TURNS / CLIENTS / 4), "{shares:?}");
}

#[expect(clippy::print_stdout, reason = "a figure to be seen with --nocapture")]
fn say(line: &str) {
    println!("{line}");
}

#[tokio::test]
async fn tasks_of_one_process_pass_the_lease_on_without_any_command() {
    const TASKS: usize = 50;
    // But for the two with which this test asks.
    let is_any = |command: &str| command != "info" && !command.starts_with("client");
    let stack = Arc::new(voting().await);
    let patient = LeaseConfig { ttl: FOR_EVER, turns_time: FOR_EVER, ..config() };
    let leases = client_with(&stack, patient);
    let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
    granted_by_all(&stack).await;
    let tokens = Arc::new(Mutex::new(vec![lease.token()]));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (leases, tokens, stack) = (leases.clone(), tokens.clone(), stack.clone());
            tokio::spawn(async move {
                let lease = leases.acquire(&resource(), PATIENCE).await.unwrap();
                let served = {
                    let mut tokens = tokens.lock().unwrap();
                    tokens.push(lease.token());
                    tokens.len() - 1
                };
                // Before it goes back to the nodes.
                let asked = match served {
                    TASKS => Some(asked_of_all(&stack, is_any).await),
                    _ => None,
                };
                let _outcome = lease.release().await;
                asked
            })
        })
        .collect();
    // All on one thread: each has its place in the line when it was polled once.
    for _ in 0..2 * TASKS {
        tokio::task::yield_now().await;
    }
    let before = asked_of_all(&stack, is_any).await;
    let _outcome = lease.release().await;
    let mut after = None;
    for task in tasks {
        after = after.or(task.await.unwrap());
    }
    assert_eq!(after, Some(before));
    let tokens = tokens.lock().unwrap();
    assert!(tokens.is_sorted_by(|one, next| one < next), "{tokens:?}");
    assert!(tokens.iter().all(|token| token.number() == tokens[0].number()), "{tokens:?}");
}

#[tokio::test]
async fn who_waits_is_handed_it_by_the_release_and_need_not_poll() {
    let stack = voting().await;
    // Polls come once in half a minute, and nothing expires: ten of them would take five minutes.
    let rare =
        LeaseConfig { ttl: FOR_EVER, retry_max: Duration::from_secs(60), turns_max: 1, ..config() };
    let clients = [client_with(&stack, rare.clone()), client_with(&stack, rare)];
    let mut lease = clients[0].acquire(&resource(), PATIENCE).await.unwrap();
    let turns = async {
        for turn in 1..=10 {
            let next = clients[turn % 2].clone();
            let waiting = tokio::spawn(async move { next.acquire(&resource(), FOR_EVER).await });
            while enlisted(&stack).await < 3 {
                tokio::task::yield_now().await;
            }
            let _outcome = lease.release().await;
            lease = waiting.await.unwrap().unwrap();
        }
    };
    tokio::time::timeout(LIMIT, turns).await.unwrap();
}

/// On how many nodes somebody waits who listens too.
async fn enlisted(stack: &Stack) -> usize {
    let mut count = 0;
    for node in &stack.nodes {
        let mut redis = redis(node).await;
        let key = "leasehold:waiting-of:{stage}";
        let waits: bool = redis::cmd("EXISTS").arg(key).query_async(&mut redis).await.unwrap();
        let listens: Vec<String> =
            redis::cmd("PUBSUB").arg("CHANNELS").query_async(&mut redis).await.unwrap();
        count += usize::from(waits && !listens.is_empty());
    }
    count
}

#[tokio::test]
async fn nodes_that_are_down_are_not_stormed_by_those_who_wait() {
    let connections = Arc::new(AtomicUsize::new(0));
    let mut urls = Vec::new();
    for _ in 0..3 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        urls.push(format!("redis://{}", listener.local_addr().unwrap()));
        let connections = Arc::clone(&connections);
        // Each connection is closed at once.
        drop(tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                drop(stream);
            }
        }));
    }
    let leases = Leases::connect(urls, config()).unwrap();
    let waiting: Vec<_> = (0..50)
        .map(|_| {
            let leases = leases.clone();
            tokio::spawn(async move {
                leases.acquire(&resource(), Duration::from_secs(3)).await.unwrap_err()
            })
        })
        .collect();
    for task in waiting {
        let error = task.await.unwrap();
        assert!(error.is_unavailable(), "{error}");
        let AcquireError::DeadlineReached { attempts, .. } = error else { panic!("{error}") };
        // One of them asks for all, at intervals that grow.
        assert!((1..=30).contains(&attempts), "{attempts} attempts in 3 s");
    }
    let connections = connections.load(Ordering::SeqCst);
    assert!(connections <= 3 * 60, "{connections} connections to three nodes in 3 s");
}

#[tokio::test]
async fn a_wrong_password_ends_the_wait_of_all() {
    let stack = voting().await;
    for node in &stack.nodes[..2] {
        let set = redis::cmd("CONFIG").arg("SET").arg("requirepass").arg("other").clone();
        set.exec_async(&mut redis(node).await).await.unwrap();
    }
    let urls = stack.redis_urls().into_iter().map(|url| url.replace("//", "//:wrong@"));
    let leases = Leases::connect(urls, config()).unwrap();
    let waiting: Vec<_> = (0..10)
        .map(|_| {
            let leases = leases.clone();
            tokio::spawn(async move { leases.acquire(&resource(), FOR_EVER).await })
        })
        .collect();
    for task in waiting {
        let error = tokio::time::timeout(LIMIT, task).await.unwrap().unwrap().unwrap_err();
        assert!(!error.is_retryable() && error.to_string().contains("denied"), "{error}");
    }
}
