//! Leases that an earlier process held.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::{FutureExt as _, poll};
use leasehold::{
    FencingToken, GrantNumber, HolderId, Lease, LeaseConfig, Leases, ReleaseOutcome, ResumeError,
    Stamp,
};
use tokio::time::{Instant, sleep, timeout};

use crate::faulty_node::{Way, World, config, resource};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(600);

/// Nodes with a lease of a process that is gone: its handle is here, and nobody renews it.
async fn left_behind() -> (World, Lease, Stamp) {
    let unrenewed = LeaseConfig { lifetime_max: Duration::ZERO, ..config() };
    let world = World::with(3, unrenewed);
    let lease = world.leases.try_acquire(&resource()).await.unwrap();
    let stamp = lease.stamp().clone();
    (world, lease, stamp)
}

#[tokio::test(start_paused = true)]
async fn a_resumed_lease_has_its_very_stamp_and_is_renewed() {
    let (world, _earlier, stamp) = left_behind().await;
    sleep(config().ttl / 2).await;
    let lease = world.another().resume(&stamp).await.unwrap();
    assert_eq!(lease.stamp(), &stamp);
    assert_eq!(lease.remaining(), Duration::from_millis(1200 - 14));
    sleep(config().ttl * 5).await;
    assert!(!lease.is_lost());
    assert!(world.another().try_acquire(&resource()).await.is_err());
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    assert!(world.nodes.iter().all(|node| node.is_free()));
}

#[tokio::test(start_paused = true)]
async fn it_lives_for_a_new_lifetime_and_no_longer() {
    let (world, _earlier, stamp) = left_behind().await;
    sleep(config().ttl / 2).await;
    let short = LeaseConfig { lifetime_max: config().ttl * 2, ..config() };
    let lease = World::over(&world.nodes, short).resume(&stamp).await.unwrap();
    let begun = Instant::now();
    assert_eq!(lease.lost().await, leasehold::Loss::LifetimeOver);
    assert!((config().ttl * 2..config().ttl * 3).contains(&begun.elapsed()));
}

#[tokio::test(start_paused = true)]
async fn validity_counts_from_the_question() {
    let (world, _earlier, stamp) = left_behind().await;
    world.set(0..3, Way::Late(50 * MS));
    let lease = world.another().resume(&stamp).await.unwrap();
    assert_eq!(lease.remaining(), Duration::from_millis(1200 - 14 - 50));
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_not_made_again() {
    let (world, _earlier, stamp) = left_behind().await;
    sleep(config().ttl).await;
    let error = world.another().resume(&stamp).await.unwrap_err();
    let ResumeError::NotHeld { token, tally, .. } = &error else { panic!("{error}") };
    assert_eq!((*token, tally.granted, tally.quorum), (stamp.token, 0, 2));
    assert!(world.nodes.iter().all(|node| node.is_free()));
}

#[tokio::test(start_paused = true)]
async fn the_stamp_of_another_holder_or_number_is_refused_and_takes_nothing_away() {
    let world = World::new(3);
    let held = world.leases.try_acquire(&resource()).await.unwrap();
    let stamp = held.stamp().clone();
    let older = GrantNumber::new(stamp.token.number().get() - 1).unwrap();
    for wrong in [
        Stamp { holder: HolderId::from_random(1), ..stamp.clone() },
        Stamp { token: FencingToken::of_grant(older), ..stamp.clone() },
        Stamp { token: FencingToken::of_grant(stamp.token.number().next()), ..stamp },
    ] {
        let error = world.another().resume(&wrong).await.unwrap_err();
        assert!(matches!(error, ResumeError::NotHeld { .. }), "{error}");
    }
    sleep(config().ttl * 2).await;
    assert!(!held.is_lost());
}

#[tokio::test(start_paused = true)]
async fn silence_is_unknown_and_it_can_be_tried_again() {
    let (world, _earlier, stamp) = left_behind().await;
    let leases = world.another();
    for way in [Way::Cut, Way::ReplyLost] {
        world.set(0..2, way);
        let error = leases.resume(&stamp).await.unwrap_err();
        let ResumeError::Unknown { tally, failures, .. } = &error else { panic!("{error}") };
        assert_eq!((tally.granted, tally.unknown, failures.len()), (1, 2, 2));
        assert!(error.to_string().contains("node faulty: renew"), "{error}");
    }
    // Also for one whose questions cross those of before.
    world.set(0..3, Way::Late(90 * MS));
    let stopped = timeout(20 * MS, leases.resume(&stamp)).await;
    assert!(stopped.is_err());
    world.set(0..3, Way::Open);
    let lease = leases.resume(&stamp).await.unwrap();
    sleep(config().ttl * 3).await;
    assert!(!lease.is_lost());
}

#[tokio::test(start_paused = true)]
async fn what_a_minority_keeps_is_released_whenever_it_answers() {
    for (last, way) in [(0, Way::Open), (2, Way::Late(50 * MS))] {
        let (world, _earlier, stamp) = left_behind().await;
        for (node, faulty) in world.nodes.iter().enumerate() {
            if node != last {
                faulty.forget_unnoticed();
            }
        }
        world.nodes[last].set(way);
        let error = world.another().resume(&stamp).await.unwrap_err();
        assert!(matches!(error, ResumeError::NotHeld { .. }), "{error}");
        sleep(150 * MS).await;
        assert!(world.nodes[last].is_free(), "kept for nobody");
    }
}

#[tokio::test(start_paused = true)]
async fn the_process_of_a_resumed_lease_passes_it_on_in_its_later_turns() {
    let (world, earlier, _first) = left_behind().await;
    let (stage, before) = (resource(), world.leases.clone());
    let (second, _passed) = tokio::join!(before.acquire(&stage, LONG), earlier.release());
    let second = second.unwrap();
    assert_eq!(second.token().turn(), 1);
    let leases = world.another();
    let lease = leases.resume(second.stamp()).await.unwrap();
    assert_eq!(lease.token(), second.token());
    let waiting = {
        let leases = leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    sleep(10 * MS).await;
    assert!(!waiting.is_finished());
    let asked: usize = world.nodes.iter().map(|node| node.grants.load(Ordering::Relaxed)).sum();
    assert_eq!(lease.release().await, ReleaseOutcome::Released);
    let third = waiting.await.unwrap().unwrap();
    let number = second.token().number();
    assert_eq!(third.token(), FencingToken::new(number, 2).unwrap());
    let after: usize = world.nodes.iter().map(|node| node.grants.load(Ordering::Relaxed)).sum();
    assert_eq!(after, asked, "it was asked for, and not passed on");
}

#[tokio::test(start_paused = true)]
async fn the_last_turn_of_a_grant_is_not_passed_on() {
    let (world, _earlier, stamp) = left_behind().await;
    let last = FencingToken::new(stamp.token.number(), 1023).unwrap();
    let leases = world.another();
    let lease = leases.resume(&Stamp { token: last, ..stamp }).await.unwrap();
    let stage = resource();
    let (next, _released) = tokio::join!(leases.acquire(&stage, LONG), lease.release());
    assert!(next.unwrap().token().number() > last.number());
}

#[tokio::test(start_paused = true)]
async fn who_waits_gets_it_though_it_was_not_there_to_be_resumed() {
    let (world, _earlier, stamp) = left_behind().await;
    sleep(config().ttl).await;
    world.set(0..3, Way::Late(50 * MS));
    let leases = Arc::new(world.another());
    let resuming = {
        let leases = Arc::clone(&leases);
        tokio::spawn(async move { leases.resume(&stamp).await })
    };
    sleep(10 * MS).await;
    let waited = timeout(LONG, leases.acquire(&resource(), LONG)).await.unwrap();
    assert!(resuming.await.unwrap().is_err());
    assert!(waited.is_ok(), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn what_this_process_has_already_is_neither_resumed_nor_waited_for() {
    let is_refused = async |leases: &Leases, stamp: &Stamp| {
        let begun = Instant::now();
        let error = leases.resume(stamp).await.unwrap_err();
        assert!(matches!(error, ResumeError::HeldHere { .. }), "{error}");
        assert_eq!(begun.elapsed(), Duration::ZERO);
    };
    let (world, earlier, stamp) = left_behind().await;
    is_refused(&world.leases, &stamp).await;
    let leases = world.another();
    let seeking = {
        let leases = leases.clone();
        tokio::spawn(async move { leases.acquire(&resource(), LONG).await })
    };
    sleep(MS).await;
    is_refused(&leases, &stamp).await;
    seeking.abort();
    sleep(MS).await;
    let lease = leases.resume(&stamp).await.unwrap();
    is_refused(&leases, &stamp).await;
    assert!(!lease.is_lost());
    // Lost, but not given back yet: that would take the resumed one along.
    sleep(config().ttl).await;
    assert!(earlier.is_lost());
    is_refused(&world.leases, &stamp).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_nothing_renewed_and_releases_nothing() {
    for looked_at in [10 * MS, 60 * MS] {
        let (world, _earlier, stamp) = left_behind().await;
        world.set(0..3, Way::Late(50 * MS));
        let leases = world.another();
        {
            let mut resuming = Box::pin(leases.resume(&stamp));
            assert!(poll!(resuming.as_mut()).is_pending());
            sleep(looked_at).await;
        }
        // The nodes let it run anew at 50 ms, for nobody.
        sleep(100 * MS - looked_at).await;
        world.set(0..3, Way::Open);
        assert!(world.nodes.iter().all(|node| !node.is_free()));
        let renewals = world.renewals();
        sleep(config().ttl - 60 * MS).await;
        assert!(world.another().try_acquire(&resource()).await.is_err(), "released");
        sleep(20 * MS).await;
        assert!(world.another().try_acquire(&resource()).await.is_ok(), "kept for nobody");
        assert_eq!(world.renewals(), renewals);
        // The client has nothing of it any more.
        assert!(leases.try_acquire(&resource()).await.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn who_went_away_can_come_back_within_the_ttl() {
    let (world, _earlier, stamp) = left_behind().await;
    let leases = world.another();
    world.set(0..3, Way::Late(50 * MS));
    for _ in 0..3 {
        let mut resuming = Box::pin(leases.resume(&stamp));
        assert!(poll!(resuming.as_mut()).is_pending());
        sleep(MS).await;
    }
    world.set(0..3, Way::Open);
    let lease = leases.resume(&stamp).await.unwrap();
    // The answers to the earlier ones come now, and nobody takes them.
    sleep(config().ttl * 3).await;
    assert!(!lease.is_lost());
}

#[test]
fn without_a_runtime_it_says_so() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (world, stamp) = runtime.block_on(async {
        let (world, _earlier, stamp) = left_behind().await;
        (world, stamp)
    });
    drop(runtime);
    let leases = world.another();
    let outcome = leases.resume(&stamp).now_or_never();
    assert!(matches!(outcome, Some(Err(ResumeError::Shutdown { .. }))), "{outcome:?}");
}
