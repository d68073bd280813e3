//! More to give up, or to offer, than one decision does: nobody is told "sold out" before all of it is done.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use leasehold_stack::audit::violations;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::world::World;

const STRATEGIES: [&str; 5] = ["leased", "row_lock", "optimistic", "event_log", "queue"];

/// Nobody tidies.
const NO_SWEEPER: (&str, &str) = ("LEASEHOLD_SWEEP_MS", "86400000");

/// One write of many claims of one unit each: with a deadline that has passed they are held, without one
/// they wait.
const FILL: &str = "
    with sale as (
        update sales set version = version + $2,
            held = held + case when $3 = 'reserved' then $2 else 0 end,
            waiting = waiting + case when $3 = 'queued' then $2 else 0 end
        where id = $1 returning version - $2 as before
    ), claim as (
        select n, gen_random_uuid() as id, case when $3 = 'reserved' then leasehold_now() - 1 end as deadline
        from generate_series(1, $2) n
    ), batch as (
        insert into batches (sale_id, version, token, replica, events, units, written_at)
        select $1, before + $2, null, 'fill', $2, case when $3 = 'reserved' then $2 else 0 end, leasehold_now()
        from sale
    ), event as (
        insert into events (sale_id, seq, at, kind, claim_id, buyer, quantity, total_minor, expires_at)
        select $1, before + n, written.at, $3, id, 'filled-' || n, 1, 500, deadline
        from sale, claim, (select leasehold_now() as at) written
    )
    insert into claims
        (id, sale_id, buyer, quantity, refunded, status, expires_at, total_minor, seq, created_at)
    select id, $1, 'filled-' || n, 1, 0, case when $3 = 'reserved' then 'pending' else 'waiting' end, deadline,
        500, before + n, leasehold_now()
    from sale, claim";

impl World {
    pub(crate) async fn fill(&self, sale: Uuid, kind: &str, count: i32) {
        let mut database = PgConnection::connect(&self.stack.database_url()).await.unwrap();
        let fill = sqlx::query(FILL).bind(sale).bind(count).bind(kind);
        let _filled = fill.execute(&mut database).await.unwrap();
    }

    /// As [`World::assert_books`]: nobody asked for what was filled in.
    pub(crate) async fn assert_filled_books(&self, sale: Uuid) {
        let mut found = violations(&self.books(sale).await, &[]);
        found.retain(|text| !text.contains("by nobody") && !text.contains("has no reply"));
        assert!(found.is_empty(), "{found:?}");
    }

    /// What buyers are told who want so many units each, all at once.
    async fn rush(&self, sale: Uuid, quantities: &[u32]) -> BTreeMap<u32, u16> {
        let each = quantities.iter().map(|&quantity| async move {
            let (url, name) = (self.replicas[0].url(), format!("buyer-{quantity}"));
            let answer = self.shop.buy(url, sale, &name, &name, quantity).await.unwrap();
            (quantity, answer.status.as_u16())
        });
        join_all(each).await.into_iter().collect()
    }
}

#[tokio::test]
async fn all_units_of_thousands_of_overdue_reservations_are_free_for_those_who_come_next() {
    let world = World::start_with(1, &[NO_SWEEPER]).await;
    for strategy in STRATEGIES {
        let sale = world.sale_with(json!({"capacity": 2600, "strategy": strategy})).await;
        world.fill(sale, "reserved", 2600).await;
        // Together they want exactly what is free.
        let told = world.rush(sale, &[1000, 999, 601]).await;
        assert!(told.values().all(|status| *status == 201), "{strategy}: {told:?}");
        assert_eq!(world.rush(sale, &[1]).await[&1], 409, "{strategy}");
        world.assert_filled_books(sale).await;
    }
}

#[tokio::test]
async fn what_is_left_by_a_long_waiting_list_is_free_for_those_who_come_next() {
    let world = World::start_with(1, &[NO_SWEEPER]).await;
    for strategy in STRATEGIES {
        let sale = world.sale_with(json!({"capacity": 1, "strategy": strategy})).await;
        world.fill(sale, "queued", 1000).await;
        let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
        // As if whoever raised it had died before anything was offered.
        let raised = "with sale as (update sales set capacity = 1007, version = version + 1 where id = $1 \
            returning version), batch as (insert into batches (sale_id, version, token, replica, events, units, \
            written_at) select $1, version, null, 'fill', 1, 0, leasehold_now() from sale) \
            insert into events (sale_id, seq, at, kind, terms) select $1, version, leasehold_now(), \
            'sale_changed', (select terms || '{\"capacity\": 1007}' from events where sale_id = $1 and seq = 1) \
            from sale";
        let _raised = sqlx::query(raised).bind(sale).execute(&mut database).await.unwrap();
        let told = world.rush(sale, &[4, 3]).await;
        assert!(told.values().all(|status| *status == 201), "{strategy}: {told:?}");
        let books = world.books(sale).await;
        assert_eq!((books.held, books.sold, books.waiting), (1000, 7, 0), "{strategy}");
        // Those who only buy look at few who wait; whoever tidies for them sees many.
        let count =
            sqlx::query_scalar("select count(*) from batches where sale_id = $1").bind(sale);
        let writes: i64 = count.fetch_one(&mut database).await.unwrap();
        assert!((4..30).contains(&writes), "{strategy}: {writes} writes");
        world.assert_filled_books(sale).await;
    }
}
