//! Who looks, and does not hold.

use std::{sync::Arc, time::Duration};

use leasehold::{
    FencingToken, GrantNumber, Hold, Inspection, Leases, NodeErrorKind, NodeStep,
    model::{ClientId, Question, Seen},
    node::{Answers, MemoryNode, Node, NodeError, NodeFuture, Notice},
};
use tokio::sync::mpsc;

use crate::faulty_node::{LIMIT, Way, World, config, resource};

#[tokio::test(start_paused = true)]
async fn who_looks_sees_the_holder_its_token_and_the_time_left() {
    let world = World::new(3);
    let watcher = world.another();
    let Inspection { hold, failures, .. } = watcher.inspect(&resource()).await;
    assert_eq!((hold, failures), (Hold::Free, vec![]));
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let held = Hold::Ours {
        holder: lease.stamp().holder,
        token: Some(lease.token()),
        ttl_left: Some(config().ttl - Duration::from_millis(200)),
    };
    assert_eq!(watcher.inspect(&resource()).await.hold, held);
    // The holder's own client sees the same, and nothing was changed.
    assert_eq!(world.leases.inspect(&resource()).await.hold, held);
    let _outcome = lease.release().await;
    assert_eq!(watcher.inspect(&resource()).await.hold, Hold::Free);
}

#[tokio::test(start_paused = true)]
async fn who_has_it_in_a_later_turn_is_seen_with_the_token_of_the_first() {
    let world = World::new(3);
    let first = world.leases.try_acquire(&resource()).await.unwrap();
    let (stage, number) = (resource(), first.token().number());
    let waiting = world.leases.acquire(&stage, Duration::from_secs(1));
    let (second, _passed) = tokio::join!(waiting, first.release());
    let second = second.unwrap();
    assert_eq!(second.token().turn(), 1);
    let Hold::Ours { token, .. } = world.leases.inspect(&resource()).await.hold else {
        panic!("it is held")
    };
    assert_eq!(token, Some(FencingToken::of_grant(number)));
}

#[tokio::test(start_paused = true)]
async fn a_silent_minority_is_named_and_a_silent_majority_leaves_it_unknown() {
    let world = World::new(3);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    world.set(0..1, Way::Cut);
    let begun = tokio::time::Instant::now();
    let inspection = world.leases.inspect(&resource()).await;
    assert!(matches!(inspection.hold, Hold::Ours { .. }), "{inspection:?}");
    assert_eq!(inspection.failures.len(), 1);
    assert_eq!(inspection.failures[0].step, NodeStep::Look);
    assert!(begun.elapsed() <= LIMIT);
    world.set(0..2, Way::Cut);
    let inspection = world.leases.inspect(&resource()).await;
    assert_eq!((inspection.hold, inspection.failures.len()), (Hold::Unknown, 2));
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn a_lock_of_another_library_is_seen_as_foreign() {
    let world = World::new(3);
    world.nodes[..2].iter().for_each(|node| node.show_foreign());
    let inspection = world.leases.inspect(&resource()).await;
    assert_eq!(inspection.hold, Hold::Foreign { ttl_left: None });
}

/// The same server under many names; one that cannot say what it has, if it is told so.
#[derive(Debug)]
struct Name {
    node: Arc<MemoryNode>,
    run: Option<u64>,
    can_say: bool,
}

impl Node for Name {
    fn address(&self) -> &'static str {
        "name"
    }

    fn ask<'a>(&'a self, questions: &'a [Question]) -> NodeFuture<'a, Answers> {
        self.node.ask(questions)
    }

    fn listen<'a>(
        &'a self,
        client: ClientId,
        heard: mpsc::Sender<Notice>,
    ) -> NodeFuture<'a, NodeError> {
        self.node.listen(client, heard)
    }

    fn run(&self) -> Option<u64> {
        self.run
    }

    fn look<'a>(
        &'a self,
        resource: &'a leasehold::Resource,
    ) -> NodeFuture<'a, Result<Option<Seen>, NodeError>> {
        let can_say = self.can_say;
        Box::pin(async move { Ok(self.node.look(resource).await?.filter(|_| can_say)) })
    }

    fn ping(&self) -> NodeFuture<'_, Result<(), NodeError>> {
        self.node.ping()
    }
}

fn named(runs: [Option<u64>; 3], can_say: bool) -> Leases {
    let node = Arc::new(MemoryNode::new());
    let name = |run| Arc::new(Name { node: Arc::clone(&node), run, can_say }) as Arc<dyn Node>;
    Leases::over(runs.map(name).to_vec(), config()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_server_under_two_names_is_counted_once() {
    let inspection = named([Some(1), Some(1), Some(1)], true).inspect(&resource()).await;
    assert_eq!((inspection.hold, inspection.failures.len()), (Hold::Unknown, 2));
    assert!(matches!(inspection.failures[0].kind, NodeErrorKind::SameServer(_)));
    assert_eq!(
        named([Some(1), Some(2), Some(1)], true).inspect(&resource()).await.hold,
        Hold::Free
    );
}

#[tokio::test(start_paused = true)]
async fn nodes_that_cannot_say_what_they_have_are_not_counted_as_free() {
    let leases = named([None; 3], false);
    assert_eq!(leases.inspect(&resource()).await.hold, Hold::Unknown);
    assert!(leases.evict(&resource()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn who_looks_does_not_raise_the_numbers() {
    let world = World::new(3);
    world.nodes.iter().for_each(|node| node.ignore_clocks());
    for _ in 0..3 {
        let _hold = world.leases.inspect(&resource()).await;
    }
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    assert_eq!(lease.token(), FencingToken::of_grant(GrantNumber::ONE));
}
