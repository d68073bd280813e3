//! Several resources, several holders, and leaders.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use leasehold::{
    AcquireAllError, AcquireError, Candidate, Event, LeaseConfig, Loss, ReleaseOutcome, Resource,
    Slots,
};

use crate::faulty_node::{Way, World, config, resource};

const MS: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_secs(60);

fn seats<const N: usize>(numbers: [usize; N]) -> [Resource; N] {
    numbers.map(|number| Resource::new(format!("seat/{number}")).unwrap())
}

#[tokio::test(start_paused = true)]
async fn callers_with_opposite_orders_do_not_wait_for_one_another_for_ever() {
    let world = World::new(3);
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for task in 0..20 {
        let (leases, inside) = (world.another(), Arc::clone(&inside));
        let wanted = if task % 2 == 0 { seats([1, 2, 3]) } else { seats([3, 2, 1]) };
        tasks.push(tokio::spawn(async move {
            let held = leases.acquire_all(&wanted, LONG).await.unwrap();
            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two at once");
            tokio::time::sleep(10 * MS).await;
            let _one = inside.fetch_sub(1, Ordering::SeqCst);
            assert_eq!(held.release().await, [ReleaseOutcome::Released; 3]);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_resource_that_is_held_leaves_none_of_the_others_held() {
    let world = World::new(3);
    let other = world.another();
    let held = other.try_acquire(&seats([2])[0]).await.unwrap();
    for wait in [Duration::ZERO, 300 * MS] {
        let error = world.leases.acquire_all(&seats([1, 2, 3]), wait).await.unwrap_err();
        assert!(matches!(error, AcquireAllError::Acquire(_)), "{error}");
        tokio::time::sleep(MS).await;
        for free in seats([1, 3]) {
            let lease = other.try_acquire(&free).await.unwrap();
            assert_eq!(lease.release().await, ReleaseOutcome::Released);
        }
    }
    assert_eq!(held.release().await, ReleaseOutcome::Released);
    assert!(world.leases.acquire_all(&seats([1, 2, 3]), Duration::ZERO).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_gives_back_what_it_has_so_far() {
    let world = World::new(3);
    let other = world.another();
    let _held = other.try_acquire(&seats([3])[0]).await.unwrap();
    let all = seats([1, 2, 3]);
    let gone = tokio::time::timeout(100 * MS, world.leases.acquire_all(&all, LONG)).await;
    assert!(gone.is_err());
    tokio::time::sleep(10 * MS).await;
    assert!(other.acquire_all(&seats([1, 2]), Duration::ZERO).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn names_given_twice_count_once_and_each_has_its_token() {
    let world = World::new(3);
    let held = world.leases.acquire_all(&seats([7, 3, 7, 3, 7]), Duration::ZERO).await.unwrap();
    let names: Vec<_> = held.stamps().map(|stamp| stamp.resource.as_str().to_owned()).collect();
    assert_eq!(names, ["seat/3", "seat/7"]);
    let stamps: Vec<_> = held.stamps().collect();
    assert_ne!(stamps[0].token, stamps[1].token);
    assert_ne!(stamps[0].holder, stamps[1].holder);
}

#[tokio::test(start_paused = true)]
async fn the_loss_of_one_stops_the_work_under_all() {
    let world = World::new(3);
    let held = world.leases.acquire_all(&seats([1, 2]), Duration::ZERO).await.unwrap();
    assert_eq!(held.guard(async { 7 }).await, Ok(7));
    world.set(0..3, Way::Cut);
    let lost = held.guard(std::future::pending::<()>()).await.unwrap_err();
    assert_eq!((lost.resource, lost.loss), (seats([1])[0].clone(), Loss::Expired));
}

#[tokio::test(start_paused = true)]
async fn there_are_never_more_holders_than_slots_and_each_comes_in() {
    let world = World::new(3);
    let inside = Arc::new(AtomicUsize::new(0));
    let most = Arc::new(AtomicUsize::new(0));
    let mut tasks = Vec::new();
    for _ in 0..5 {
        let slots = Slots::new(world.another(), "export", 3).unwrap();
        for _ in 0..6 {
            let (slots, inside, most) = (slots.clone(), Arc::clone(&inside), Arc::clone(&most));
            tasks.push(tokio::spawn(async move {
                let permit = slots.acquire(LONG).await.unwrap();
                let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                let _before = most.fetch_max(now, Ordering::SeqCst);
                tokio::time::sleep(20 * MS).await;
                let _one = inside.fetch_sub(1, Ordering::SeqCst);
                assert_eq!(permit.release().await, ReleaseOutcome::Released);
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(most.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_slot_says_how_long_it_was() {
    let world = World::new(3);
    let taken = Slots::new(world.another(), "export", 2).unwrap();
    let _all = taken.acquire_every(Duration::ZERO).await.unwrap();
    let slots = Slots::new(world.leases.clone(), "export", 2).unwrap();
    let error = slots.acquire(Duration::from_secs(5)).await.unwrap_err();
    let AcquireError::DeadlineReached { waited, attempts, last, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(*waited, Duration::from_secs(5), "{error}");
    assert!(*attempts > 20, "{error}");
    assert!(matches!(**last, AcquireError::Contended { .. }), "{last}");
}

#[tokio::test(start_paused = true)]
async fn a_writer_excludes_every_reader_and_readers_one_writer() {
    let world = World::new(3);
    let readers = Slots::new(world.leases.clone(), "table", 3).unwrap();
    let writers = Slots::new(world.another(), "table", 3).unwrap();
    let reading = readers.acquire(Duration::ZERO).await.unwrap();
    assert!(writers.acquire_every(Duration::ZERO).await.is_err());
    assert!(
        readers.acquire(Duration::ZERO).await.is_ok(),
        "the writer that failed left a slot held"
    );
    assert_eq!(reading.release().await, ReleaseOutcome::Released);
    let writing = writers.acquire_every(LONG).await.unwrap();
    assert!(readers.acquire(300 * MS).await.is_err());
    drop(writing);
    assert!(readers.acquire(300 * MS).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_leader_is_elected_lost_and_elected_again() {
    let world = World::new(3);
    let mut candidate = Candidate::new(world.leases.clone(), resource());
    assert!(!candidate.is_leader() && candidate.stamp().is_none());
    assert_eq!(candidate.lead(async { 7 }).await, None);
    let Event::Elected(first) = candidate.next().await.unwrap() else { panic!("lost first") };
    assert!(candidate.is_leader());
    assert_eq!(candidate.lead(async { 7 }).await, Some(Ok(7)));
    world.set(0..3, Way::Cut);
    let Event::Lost(lost) = candidate.next().await.unwrap() else { panic!("elected twice") };
    assert_eq!((lost.token, lost.loss), (first.token, Loss::Expired));
    assert!(!candidate.is_leader() && candidate.stamp().is_none());
    world.set(0..3, Way::Open);
    let Event::Elected(second) = candidate.next().await.unwrap() else { panic!("lost twice") };
    assert!(second.token > first.token);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_resigns_is_succeeded_at_once() {
    let world = World::with(3, LeaseConfig { retry_max: 10 * LONG, ..config() });
    let mut leader = Candidate::new(world.another(), resource());
    let mut other = Candidate::new(world.leases.clone(), resource());
    let Event::Elected(first) = leader.next().await.unwrap() else { panic!("lost first") };
    // A candidate that is asked in slices loses nothing.
    for _ in 0..5 {
        assert!(tokio::time::timeout(10 * MS, other.next()).await.is_err());
    }
    let begun = tokio::time::Instant::now();
    let resigning = async {
        tokio::time::sleep(100 * MS).await;
        leader.resign().await
    };
    let (elected, resigned) = tokio::join!(other.next(), resigning);
    assert_eq!(resigned, Some(ReleaseOutcome::Released));
    assert_eq!(leader.resign().await, None);
    let Event::Elected(second) = elected.unwrap() else { panic!("lost first") };
    assert!(second.token > first.token);
    assert!(begun.elapsed() < 110 * MS, "{:?}", begun.elapsed());
}
