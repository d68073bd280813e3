//! What cannot work is refused with a reason, before any node is asked.

use std::{sync::Arc, time::Duration};

use leasehold::{
    AcquireAllError, AcquireError, ConfigError, LeaseConfig, Leases, NODES_MAX, NodeError,
    RESOURCES_MAX, Resource, ResourceError, Slots, SlotsError,
    model::{ClientId, Question, RESOURCE_BYTES_MAX, TURNS_PER_GRANT, TimingError},
    node::{Answers, MemoryNode, Node, NodeFuture, Notice},
};
use tokio::sync::mpsc;

use crate::faulty_node::{World, config, resource};

/// A node that must not be asked.
#[derive(Debug)]
struct Untouchable;

impl Node for Untouchable {
    fn address(&self) -> &'static str {
        "untouchable"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        unreachable!("asked {questions:?}")
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        _: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        unreachable!("client {client} listens")
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        unreachable!("pinged")
    }
}

fn untouchable(nodes: usize, config: LeaseConfig) -> Result<Leases, ConfigError> {
    Leases::over((0..nodes).map(|_| Arc::new(Untouchable) as _).collect(), config)
}

/// The refusal of these settings; its message names each of `values`.
#[track_caller]
fn check(config: LeaseConfig, values: &[&str]) -> ConfigError {
    let error = untouchable(3, config.clone()).unwrap_err();
    assert_eq!(Leases::connect(["redis://a"], config).unwrap_err(), error);
    let message = error.to_string();
    for value in values {
        assert!(message.contains(value), "no {value} in: {message}");
    }
    error
}

#[test]
fn names_that_no_log_or_store_carries_are_refused_with_what_is_wrong() {
    let name = |name: &str| Resource::new(name).unwrap_err().to_string();
    assert!(name("").contains("empty"));
    let long = name(&"x".repeat(64 * 1024));
    assert!(long.contains("65536") && long.contains(&RESOURCE_BYTES_MAX.to_string()), "{long}");
    // Bytes count, not characters.
    assert!(Resource::new("ü".repeat(RESOURCE_BYTES_MAX / 2)).is_ok());
    assert!(name(&"ü".repeat(RESOURCE_BYTES_MAX / 2 + 1)).contains("514"));
    for (control, at) in
        [("a\0b", 1), ("\r\n", 0), ("ü\u{1b}[2J", 2), ("x\u{7f}", 1), ("\u{85}", 0)]
    {
        let error = Resource::new(control).unwrap_err();
        assert!(matches!(error, ResourceError::ControlCharacter { at: found, .. } if found == at));
        assert!(!error.to_string().contains(|c: char| c.is_control()), "{error:?}");
        assert!(error.to_string().contains(&format!("byte {at}")), "{error}");
    }
    assert!(name("leasehold:member").contains("leasehold:"));
}

#[tokio::test(start_paused = true)]
async fn names_full_of_braces_are_names() {
    let world = World::new(3);
    for name in
        ["{", "}", "{}", "}{", "{{{{", "{a}{b}", "a{", "a}", "{leasehold:x}", "%s%n", "'\"\\"]
    {
        let resource = Resource::new(name).unwrap();
        assert_eq!(resource.as_str(), name);
        assert!(world.leases.try_acquire(&resource).await.is_ok(), "{name}");
    }
}

/// A name is text: bytes that are none do not get as far as a `Resource`.
#[test]
fn bytes_that_are_no_text_are_turned_away_by_the_type() {
    let bytes = vec![b'a', 0xff, 0xfe];
    let error = String::from_utf8(bytes).unwrap_err();
    assert_eq!(error.utf8_error().valid_up_to(), 1);
    let lossless = String::from_utf8(b"stage".to_vec()).unwrap();
    assert!(Resource::new(lossless).is_ok());
}

#[test]
fn a_ttl_that_cannot_work_is_named() {
    let ms = Duration::from_millis;
    let years = Duration::from_secs(10 * 365 * 24 * 60 * 60);
    for (ttl, value) in [
        (Duration::ZERO, "0ns"),
        (ms(1), "1ms"),
        (ms(19), "19ms"),
        (years, "315360000s"),
        (Duration::MAX, "18446744073709551615"),
    ] {
        let error = check(LeaseConfig { ttl, ..config() }, &[value, "20ms", "86400s"]);
        assert_eq!(error, ConfigError::Timing(TimingError::Ttl { ttl }));
    }
    let ttl = Duration::from_micros(1_000_500);
    let error = check(LeaseConfig { ttl, ..config() }, &["1.0005s", "whole number"]);
    assert_eq!(error, ConfigError::Timing(TimingError::Fraction { ttl }));
}

#[test]
fn a_node_timeout_that_does_not_fit_is_named_with_the_ttl() {
    let ms = Duration::from_millis;
    for (node_timeout, value) in [
        (Duration::ZERO, "0ns"),
        (ms(593), "593ms"),
        (ms(1200), "1.2s"),
        (Duration::MAX, "1844674"),
    ] {
        let config = LeaseConfig { node_timeout, ..config() };
        let error = check(config, &[value, "1.2s", "14ms"]);
        assert!(matches!(error, ConfigError::Timing(TimingError::NodeTimeout { .. })), "{error}");
    }
    assert!(untouchable(1, LeaseConfig { node_timeout: ms(592), ..config() }).is_ok());
    // The shortest TTL still has room for something.
    let shortest = LeaseConfig { ttl: ms(20), node_timeout: ms(8), ..config() };
    assert!(untouchable(1, shortest).is_ok());
}

#[test]
fn waits_and_turns_that_cannot_work_are_named() {
    let ms = Duration::from_millis;
    let retry = |retry_min, retry_max| LeaseConfig { retry_min, retry_max, ..config() };
    let _error = check(retry(Duration::ZERO, ms(5)), &["0ns", "5ms"]);
    let _error = check(retry(Duration::ZERO, Duration::ZERO), &["0ns"]);
    let _error = check(retry(ms(6), ms(5)), &["6ms", "5ms"]);
    let turns = |turns_max| LeaseConfig { turns_max, ..config() };
    let _error = check(turns(0), &["turns_max 0", "1024"]);
    let _error = check(turns(TURNS_PER_GRANT + 1), &["1025", "1024"]);
    let _error = check(turns(u16::MAX), &["65535", "1024"]);
    assert!(untouchable(1, turns(TURNS_PER_GRANT)).is_ok());
    assert!(untouchable(1, turns(1)).is_ok());
}

/// Bounds that are allowed however large they are must not overflow where they are added up.
#[tokio::test(start_paused = true)]
async fn the_longest_spans_of_all_neither_panic_nor_end() {
    let endless = LeaseConfig {
        lifetime_max: Duration::MAX,
        retry_min: Duration::MAX,
        retry_max: Duration::MAX,
        turns_time: Duration::MAX,
        ..config()
    };
    let world = World::with(3, endless);
    let held = world.another().try_acquire(&resource()).await.unwrap();
    // A node that may not vote, too, says how long that lasts, which is added to the pause.
    world.nodes.iter().for_each(|node| node.restart(false));
    let lease =
        world.leases.acquire(&Resource::new("other").unwrap(), Duration::from_secs(5)).await;
    assert!(matches!(lease, Err(AcquireError::DeadlineReached { .. })), "{lease:?}");
    tokio::time::sleep(Duration::from_secs(5)).await;
    let lease = world.leases.try_acquire(&Resource::new("other").unwrap()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(!lease.is_lost() && held.is_lost());
}

#[test]
fn lists_of_nodes_that_make_no_quorum_are_refused() {
    assert_eq!(untouchable(0, config()).unwrap_err(), ConfigError::NoNodes);
    let none: [&str; 0] = [];
    assert_eq!(Leases::connect(none, config()).unwrap_err(), ConfigError::NoNodes);
    assert!(untouchable(NODES_MAX, config()).is_ok());
    let error = untouchable(NODES_MAX + 1, config()).unwrap_err();
    assert_eq!(error, ConfigError::TooManyNodes { nodes: 65 });
    assert_eq!(error.to_string(), "65 nodes are more than 64");
    let many = (0..=NODES_MAX).map(|node| format!("redis://10.0.0.{node}"));
    assert!(matches!(Leases::connect(many, config()), Err(ConfigError::TooManyNodes { .. })));
}

#[test]
fn the_same_address_twice_is_refused_however_it_is_written() {
    for second in ["redis://a:6379", "redis://a", "redis://user:hunter2@a:6379", "redis://a:6379/3"]
    {
        let error = Leases::connect(["redis://b", "redis://a:6379", second], config()).unwrap_err();
        let ConfigError::Duplicate { first: 1, second: 2, .. } = &error else { panic!("{error}") };
        assert!(error.to_string().contains("a:6379"), "{error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let different = ["redis://a:6379", "redis://a:6380", "redis://b:6379"];
    assert_eq!(Leases::connect(different, config()).unwrap().nodes(), 3);
}

#[test]
fn an_address_that_cannot_be_read_is_named_by_its_place_and_without_its_password() {
    for bad in ["", "redis://", "http://a", "redis://user:hunter2@a:port", "a:6379:x"] {
        let error = Leases::connect(["redis://b", bad], config()).unwrap_err();
        assert!(matches!(error, ConfigError::Address { index: 1, .. }), "{bad}: {error}");
        let message = error.to_string();
        assert!(message.contains("node 1") && !message.contains("hunter2"), "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn numbers_of_resources_and_slots_are_bounded() {
    let leases = untouchable(3, config()).unwrap();
    let resources = |count: usize| -> Vec<Resource> {
        (0..count).map(|n| Resource::new(format!("seat/{n}")).unwrap()).collect()
    };
    for count in [0, RESOURCES_MAX + 1, 10_000] {
        let error = leases.acquire_all(&resources(count), Duration::MAX).await.unwrap_err();
        assert!(matches!(error, AcquireAllError::Count { resources } if resources == count));
        assert!(error.to_string().contains(&format!("{count} resources")), "{error}");
        let error = Slots::new(leases.clone(), "export", count).unwrap_err();
        assert_eq!(error, SlotsError::Count { slots: count });
    }
    for (name, reason) in [("\n", "byte 0"), (&*"x".repeat(508), "longer")] {
        let error = Slots::new(leases.clone(), name, 2).unwrap_err();
        assert!(matches!(error, SlotsError::Name(_)));
        assert!(error.to_string().contains(reason), "{error}");
    }
    // The most that is allowed works.
    let node: Arc<dyn Node> = Arc::new(MemoryNode::new());
    let leases = Leases::over(vec![node], config()).unwrap();
    let all = resources(RESOURCES_MAX);
    assert_eq!(
        leases.acquire_all(&all, Duration::ZERO).await.unwrap().leases().len(),
        RESOURCES_MAX
    );
}
