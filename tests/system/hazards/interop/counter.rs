//! A counter that only exclusion protects: read on one round trip, written on the next.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use leasehold::{Leases, Resource};
use leasehold_stack::LeaseNode;
use redis::{AsyncCommands as _, aio::MultiplexedConnection};
use tokio::time::sleep;

use super::{
    meeting::{LONG, Meeting},
    peer::{Answer, Library, Peer},
};
use crate::world::LIMIT;

/// Loops of ours, and as many of theirs.
const LOOPS: usize = 3;
/// Updates of each loop.
const UPDATES: usize = 15;
/// Time between read and write, in which another holder would be seen.
const BETWEEN: Duration = Duration::from_millis(2);

struct Counter(MultiplexedConnection);

impl Counter {
    async fn on(node: &LeaseNode) -> Self {
        Self(node.connection().await.unwrap())
    }

    async fn read(&mut self) -> usize {
        let value: Option<usize> = self.0.get("counter").await.unwrap();
        value.unwrap_or_default()
    }

    async fn increment(&mut self) {
        let value = self.read().await;
        sleep(BETWEEN).await;
        let () = self.0.set("counter", value + 1).await.unwrap();
    }
}

async fn ours(leases: &Leases, resource: &Resource, mut counter: Counter) {
    for _ in 0..UPDATES {
        let lease = leases.acquire(resource, LIMIT).await.unwrap();
        counter.increment().await;
        let _outcome = lease.release().await;
    }
}

async fn theirs(mut peer: Peer, name: &str, mut counter: Counter) {
    for update in 0..UPDATES {
        let begun = Instant::now();
        while peer.acquire(name, LONG).await == Answer::Refused {
            assert!(begun.elapsed() < LIMIT, "update {update}: held for {LIMIT:?}");
            // Random, or contenders that split the nodes would do so for ever.
            sleep(Duration::from_millis(fastrand::u64(1..20))).await;
        }
        counter.increment().await;
        assert_eq!(peer.release().await, Answer::Done);
    }
}

/// How many of the updates are left when ours and theirs use these names.
async fn updates_left(meeting: &Meeting, our_name: &Resource, their_name: &str) -> usize {
    // A machine that stops for a moment is not to end a lease here.
    let leases = meeting.nodes.ours(LONG, our_name).await;
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for _ in 0..LOOPS {
        let counter = || Counter::on(meeting.nodes.guarded());
        of_ours.push(ours(&leases, our_name, counter().await));
        of_theirs.push(theirs(meeting.another().await, their_name, counter().await));
    }
    join(join_all(of_ours), join_all(of_theirs)).await;
    Counter::on(meeting.nodes.guarded()).await.read().await
}

pub(super) async fn no_update_is_lost(meeting: Meeting) {
    let left = updates_left(&meeting, &meeting.resource, meeting.name()).await;
    assert_eq!(left, 2 * LOOPS * UPDATES);
}

#[tokio::test]
async fn updates_are_lost_when_the_names_differ() {
    let meeting = Meeting::start(Library::Rslock, 3).await.unwrap();
    let left = updates_left(&meeting, &meeting.resource, "another-name").await;
    assert!(left < 2 * LOOPS * UPDATES, "nothing was lost: the counter notices nothing");
}
