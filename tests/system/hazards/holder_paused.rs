//! A replica stops between its decision and its write, past the end of its lease.

use hyper::StatusCode;
use leasehold_stack::audit;

use crate::world::World;

/// Stops replica 0 with a decided batch in its hands, lets replica 1 take over and sell, and lets
/// replica 0 go on. Returns what the audit finds in the books.
async fn a_late_write(world: &World) -> Vec<String> {
    let sale = world.sale(10).await;
    world.plant("before_write", "stop");
    let early = world.buy(0, sale, "early");
    let late = async {
        world.reached("before_write").await;
        world.replicas[0].process().stands_still().unwrap();
        // Granted only once the lease of the stopped replica is over.
        let answer = world.buy(1, sale, "late").await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
        world.replicas[0].process().resume().unwrap();
    };
    let (early, ()) = tokio::join!(early, late);
    // Retrying after the refusal is the service's business: the buyer just gets the ticket.
    assert_eq!(early.unwrap().status, StatusCode::CREATED);
    let books = world.books(sale).await;
    assert_eq!(books.sold, 2);
    audit::violations(&books, &[])
        .into_iter()
        .filter(|found| found.starts_with("fencing"))
        .collect()
}

#[tokio::test]
async fn a_paused_holder_cannot_write_after_its_lease_ends() {
    let world = World::start(2).await;
    assert_eq!(a_late_write(&world).await, Vec::<String>::new());
    assert_eq!(world.counter(0, "leasehold_stale_writes_refused_total").await, 1);
    assert_eq!(world.counter(1, "leasehold_stale_writes_refused_total").await, 0);
}

#[tokio::test]
async fn without_the_fence_the_audit_sees_the_late_write() {
    let world = World::start(2).await;
    world.plant("fence_off", "");
    let found = a_late_write(&world).await;
    assert_eq!(found.len(), 1, "the audit is blind: {found:?}");
    assert!(found[0].contains("of replica-1"), "{found:?}");
}
