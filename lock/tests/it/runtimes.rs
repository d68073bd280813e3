//! A client outlives the runtimes that it is used in.

use std::{future::pending, time::Duration};

use leasehold::LeaseConfig;
use tokio::runtime::{Builder, Runtime};

use crate::faulty_node::{World, config, resource};

const WAIT: Duration = Duration::from_secs(5);

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn a_client_works_in_one_runtime_after_another() {
    let world = World::new(3);
    let mut tokens = Vec::new();
    for _ in 0..3 {
        tokens.push(runtime().block_on(async {
            let lease = world.leases.acquire(&resource(), WAIT).await.unwrap();
            let token = lease.token();
            lease.release().await;
            token
        }));
    }
    assert!(tokens.is_sorted_by(|a, b| a < b), "{tokens:?}");
}

/// Nobody renewed it after the runtime's end, so it is lost.
#[test]
fn a_lease_does_not_outlive_the_runtime_that_renews_it() {
    let world = World::new(3);
    let lease = runtime().block_on(world.leases.try_acquire(&resource())).unwrap();
    assert!(lease.is_lost());
    // Another runtime does not wait for the handle, only for the TTL.
    let next = runtime().block_on(world.leases.acquire(&resource(), WAIT)).unwrap();
    assert!(next.token() > lease.token());
}

/// A runtime that ends drops its tasks in any order, the engine among them; what the others leave then
/// is left to nobody, and the next runtime must not believe that somebody works on it.
#[test]
fn tasks_that_end_with_their_runtime_do_not_stop_the_client() {
    let world = World::new(3);
    runtime().block_on(async {
        // The engine is the oldest task, so it ends first.
        let _first = world.leases.try_acquire(&resource()).await.unwrap();
        for task in 0..20 {
            let leases = world.leases.clone();
            let name = leasehold::Resource::new(format!("stage/{task}")).unwrap();
            drop(tokio::spawn(async move {
                let _lease = leases.acquire(&name, WAIT).await.unwrap();
                pending::<()>().await;
            }));
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    });
    let again = runtime().block_on(async {
        tokio::time::timeout(WAIT, world.leases.acquire(&resource(), WAIT)).await
    });
    assert!(again.expect("the client stands still").is_ok());
}

/// The seeker of those who wait ends with its runtime; those who come later need another one.
#[test]
fn waiters_that_end_with_their_runtime_do_not_block_the_line() {
    check_waiters_that_end(config(), Duration::from_millis(10));
}

/// A seeker that pauses for so long that the engine has ended before.
#[test]
fn waiters_that_pause_when_their_runtime_ends_do_not_block_the_line() {
    let pause = Duration::from_secs(60);
    let config = LeaseConfig { retry_min: pause, retry_max: pause, ..config() };
    check_waiters_that_end(config, Duration::from_secs(20));
}

#[track_caller]
fn check_waiters_that_end(config: LeaseConfig, after: Duration) {
    let world = World::with(3, config);
    let other = world.another();
    runtime().block_on(async {
        let _held = other.try_acquire(&resource()).await.unwrap();
        for _ in 0..3 {
            let leases = world.leases.clone();
            drop(tokio::spawn(async move {
                let _lease = leases.acquire(&resource(), after * 2).await;
            }));
        }
        tokio::time::sleep(after).await;
    });
    let again = runtime().block_on(async {
        // The stopped clock of this runtime begins where that of the first one did.
        tokio::time::sleep(after + WAIT).await;
        world.leases.try_acquire(&resource()).await
    });
    assert!(again.is_ok(), "nobody seeks it: {again:?}");
}
