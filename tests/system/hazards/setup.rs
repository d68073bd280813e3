//! Mistakes of configuration: named at the door, and harmless behind it.

use leasehold::{AcquireError, ConfigError, NodeErrorKind, Warning};
use leasehold_stack::{LeaseNode, Persistence};

use crate::{
    servers::{NOBODY, client, client_of, nodes, redis, resource, votes},
    world::LIMIT,
};

async fn set(node: &LeaseNode, setting: &str, value: &str) {
    let set = redis::cmd("CONFIG").arg("SET").arg(setting).arg(value).clone();
    set.exec_async(&mut redis(node).await).await.unwrap();
}

fn under_another_name(node: &LeaseNode) -> String {
    format!("redis://localhost:{}", node.address().port())
}

#[tokio::test]
async fn servers_as_they_should_be_are_not_warned_about() {
    let stack = nodes(3, Persistence::Durable).await;
    assert_eq!(client(&stack).check().await, Ok(vec![]));
    assert_eq!(client(&stack).failing_nodes().await, []);
}

#[tokio::test]
async fn one_server_under_two_names_is_refused_with_both() {
    let stack = nodes(2, Persistence::Durable).await;
    let [one, two] = &stack.nodes[..] else { panic!("two nodes") };
    let leases = client_of([one.url(), two.url(), under_another_name(one)]);
    let Err(ConfigError::SameServer { first, second, run_id }) = leases.check().await else {
        panic!("not refused")
    };
    assert_eq!(first, one.address().to_string());
    assert_eq!(second, format!("localhost:{}", one.address().port()));
    assert!(!run_id.is_empty());
}

/// Who does not check is not harmed: two names and a dead node are one vote of three.
#[tokio::test]
async fn one_server_under_two_names_has_one_vote() {
    let stack = nodes(1, Persistence::Durable).await;
    let node = &stack.nodes[0];
    let leases = client_of([&node.url(), &under_another_name(node), NOBODY]);
    let begun = std::time::Instant::now();
    let mut refused_after_admission = 0;
    while refused_after_admission < 20 {
        let error = leases.try_acquire(&resource()).await.unwrap_err();
        let AcquireError::Unavailable { failures, .. } = &error else { panic!("{error}") };
        let same =
            |failure: &leasehold::NodeError| matches!(failure.kind, NodeErrorKind::SameServer(_));
        if votes(node).await && failures.iter().any(same) {
            refused_after_admission += 1;
        }
        assert!(begun.elapsed() < LIMIT, "it is not named: {error}");
    }
}

#[tokio::test]
async fn an_even_number_of_nodes_is_warned_about() {
    let stack = nodes(2, Persistence::Durable).await;
    assert_eq!(client(&stack).check().await, Ok(vec![Warning::EvenNodes(2)]));
}

#[tokio::test]
async fn a_server_that_forgets_is_warned_about_with_its_setting() {
    let stack = nodes(1, Persistence::None).await;
    let leases = client(&stack);
    let warning = |append_only: &str| Warning::NotDurable {
        address: stack.nodes[0].address().to_string().into(),
        append_only: append_only.to_owned(),
    };
    assert_eq!(leases.check().await, Ok(vec![warning("off")]));
    set(&stack.nodes[0], "appendonly", "yes").await;
    set(&stack.nodes[0], "appendfsync", "everysec").await;
    assert_eq!(leases.check().await, Ok(vec![warning("everysec")]));
    set(&stack.nodes[0], "appendfsync", "always").await;
    assert_eq!(leases.check().await, Ok(vec![]));
}

#[tokio::test]
async fn a_server_that_may_throw_fences_away_is_warned_about() {
    let stack = nodes(1, Persistence::Durable).await;
    let leases = client(&stack);
    // Without a limit the policy never counts.
    set(&stack.nodes[0], "maxmemory-policy", "volatile-lru").await;
    assert_eq!(leases.check().await, Ok(vec![]));
    set(&stack.nodes[0], "maxmemory", "100mb").await;
    let (address, policy) = (stack.nodes[0].address().to_string().into(), "volatile-lru".into());
    assert_eq!(leases.check().await, Ok(vec![Warning::Evicts { address, policy }]));
    set(&stack.nodes[0], "maxmemory-policy", "noeviction").await;
    assert_eq!(leases.check().await, Ok(vec![]));
}

#[tokio::test]
async fn a_replica_and_its_master_are_warned_about() {
    let stack = nodes(3, Persistence::Durable).await;
    let [master, replica, _] = &stack.nodes[..] else { panic!("three nodes") };
    let follow = redis::cmd("REPLICAOF")
        .arg(master.address().ip().to_string())
        .arg(master.address().port())
        .clone();
    follow.exec_async(&mut redis(replica).await).await.unwrap();
    let leases = client(&stack);
    let replicated = [master, replica]
        .map(|node| Warning::Replicated { address: node.address().to_string().into() });
    // The master knows of it when the first copy is made.
    let begun = std::time::Instant::now();
    while leases.check().await.unwrap() != replicated {
        assert!(begun.elapsed() < LIMIT, "not warned about");
    }
}

#[tokio::test]
async fn a_dead_node_is_named_and_keeps_nobody_from_the_check() {
    let mut stack = nodes(3, Persistence::Durable).await;
    stack.nodes[1].kill().await.unwrap();
    let leases = client(&stack);
    assert_eq!(leases.check().await, Ok(vec![]));
    let failing = leases.failing_nodes().await;
    assert_eq!(failing.len(), 1);
    assert_eq!(*failing[0].address, *stack.nodes[1].address().to_string());
}
