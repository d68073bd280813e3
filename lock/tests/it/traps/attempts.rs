//! Attempts that do not end in a lease, and attempts against one another.

use std::{collections::HashSet, time::Duration};

use leasehold::{AcquireError, LeaseConfig, ReleaseOutcome, Resource};

use crate::faulty_node::{LIMIT, Way, World, config, resource};

/// Found in redlock-rs 2.0: `ttl - drift - elapsed` wrapped around, and a lock whose keys had expired
/// was "valid" for 18446744073709551568 ms. In rslock the drift is a 32-bit float.
#[tokio::test(start_paused = true)]
async fn a_validity_never_wraps_around() {
    let ttl = Duration::from_millis(250);
    for late in [247, 248, 249, 250, 251, 1000] {
        let world = World::with(1, LeaseConfig { ttl, ..config() });
        world.set(0..1, Way::Late(Duration::from_millis(late)));
        let error = world.leases.try_acquire(&resource()).await.unwrap_err();
        assert!(matches!(error, AcquireError::TooSlow { .. }), "late by {late} ms: {error}");
    }
    // The longest TTL keeps its milliseconds, where a 32-bit float would lose some.
    let day = Duration::from_secs(24 * 60 * 60);
    let world = World::with(1, LeaseConfig { ttl: day, ..config() });
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.remaining(), day - day / 100 - Duration::from_millis(2));
}

/// Found in rslock 0.10 (an attempt that was too slow never unlocks), redlock-rs 2.0 (one node that is
/// down leaves the locks on the others), redsync and many of its users (a cancelled context), distkit
/// and distributed-lock-redis (partial locks).
#[tokio::test(start_paused = true)]
async fn every_path_without_a_lease_frees_every_node() {
    let ms = Duration::from_millis;
    // What the nodes do, and when the caller goes away.
    let paths = [
        ("too slow", vec![Way::Late(ms(1190)); 3], ms(60_000)),
        ("a quorum is silent", vec![Way::Open, Way::Cut, Way::Cut], ms(60_000)),
        ("replies are lost", vec![Way::Open, Way::ReplyLost, Way::ReplyLost], ms(60_000)),
        ("a grant comes after giving up", vec![Way::Cut, Way::Cut, Way::Late(ms(150))], ms(60_000)),
        ("cancelled before a grant", vec![Way::Late(ms(50)); 3], ms(10)),
        ("cancelled between grants", vec![Way::Open, Way::Late(ms(50)), Way::Cut], ms(10)),
        ("cancelled as it comes", vec![Way::Late(ms(50)); 3], ms(50)),
    ];
    for (path, ways, patience) in paths {
        let world = World::new(3);
        for (node, way) in world.nodes.iter().zip(ways) {
            node.set(way);
        }
        let stage = resource();
        let opening = async {
            // The requests are on their way by then; the releases find the way open.
            tokio::time::sleep(ms(5)).await;
            world.set(0..3, Way::Open);
        };
        let attempt = async {
            tokio::select! {
                biased;
                () = tokio::time::sleep(patience) => {}
                attempt = world.leases.try_acquire(&stage) => assert!(attempt.is_err(), "{path}"),
            }
        };
        let ((), ()) = tokio::join!(opening, attempt);
        // Far less than the TTL: what frees the nodes is the release, not the expiry.
        tokio::time::sleep(LIMIT + ms(50)).await;
        let free = world.nodes.iter().filter(|node| node.is_free()).count();
        assert_eq!(free, 3, "{path}");
    }
}

/// Found in redsync and rslock: one random value for all tries of a call, so that a late grant of the
/// first try passes for one of the second.
#[tokio::test(start_paused = true)]
async fn every_attempt_has_a_value_of_its_own() {
    let world = World::new(3);
    let mut holders = HashSet::new();
    for _ in 0..100 {
        let lease = world.leases.try_acquire(&resource()).await.unwrap();
        assert!(holders.insert(lease.stamp().holder));
        assert_eq!(lease.release().await, ReleaseOutcome::Released);
    }
}

/// Found in rslock (parts are concatenated: `["ab", "c"]` is `["a", "bc"]`) and in libraries that wrap
/// names in braces (redlock-rb, distkit). A name is its key, and no two names share one.
#[tokio::test(start_paused = true)]
async fn names_that_look_alike_do_not_exclude_one_another() {
    let world = World::new(3);
    let names = ["ab/c", "a/bc", "{x}", "x", "{{x}}", "{}x", "x{}", "a}b", "a{b", "X", " x", "x "];
    let names = names.map(|name| Resource::new(name).unwrap());
    let mut held = Vec::new();
    for name in &names {
        held.push(world.leases.try_acquire(name).await.unwrap());
    }
    for name in &names {
        assert!(world.another().try_acquire(name).await.is_err(), "{name}");
    }
}

/// Found in rslock (`set_retry(n, 0 ms)` panics, one retry spins) and in libraries whose retries keep in
/// step. Bounds that are equal are allowed; zero is refused when the client is made.
#[tokio::test(start_paused = true)]
async fn a_wait_without_jitter_neither_panics_nor_spins() {
    let pause = Duration::from_millis(50);
    let world = World::with(3, LeaseConfig { retry_min: pause, retry_max: pause, ..config() });
    let _held = world.another().try_acquire(&resource()).await.unwrap();
    let error = world.leases.acquire(&resource(), Duration::from_secs(5)).await.unwrap_err();
    let AcquireError::DeadlineReached { attempts, .. } = error else { panic!("{error}") };
    assert!((90..=110).contains(&attempts), "{attempts} attempts");
    let spins = LeaseConfig { retry_min: Duration::ZERO, ..config() };
    assert!(leasehold::Leases::connect(["redis://a"], spins).is_err());
}

/// Found in every Redlock that retries with an equal delay: five contenders each have one node of five,
/// release, and meet again.
#[tokio::test(start_paused = true)]
async fn contenders_that_split_the_nodes_do_not_do_so_for_ever() {
    let world = World::new(5);
    let ms = Duration::from_millis;
    let contenders: Vec<_> = (0..5)
        .map(|contender| {
            let leases = world.another();
            tokio::spawn(async move {
                let lease = leases.acquire(&resource(), ms(30_000)).await;
                assert!(lease.is_ok(), "contender {contender}: {lease:?}");
                tokio::time::sleep(ms(5)).await;
            })
        })
        .collect();
    // Requests reach the nodes at random, so that the contenders split them.
    let shaking = async {
        loop {
            for node in &world.nodes {
                node.set(Way::Late(ms(fastrand::u64(1..20))));
            }
            tokio::time::sleep(ms(1)).await;
        }
    };
    tokio::select! {
        () = shaking => {}
        ended = futures_util::future::join_all(contenders) => {
            assert!(ended.iter().all(Result::is_ok), "{ended:?}");
        }
    }
}
