//! Postgres rolls a transaction back: the whole of it is tried again, in a transaction of its own, and
//! neither the buyer nor the books show it.

use hyper::StatusCode;
use leasehold_stack::Answer;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::world::World;

/// Those that decide each request in a transaction of its own.
const DIRECT: [&str; 3] = ["row_lock", "optimistic", "event_log"];

/// Whoever reaches a planted point is refused there, as often as the table says. Sequences survive the
/// rollback, so they can count. Who tries again in the transaction that was refused gets an error after
/// which nobody tries again. The last thing written is a reply: by then all else was.
const PLANTED: &str = "
create table planted (point text primary key, code text not null, times integer not null);
create sequence planted_tries;
create sequence planted_in;
create function reach(p_point text) returns void language plpgsql volatile as $$
declare
    v_fault planted;
begin
    select p.point, p.code, p.times into v_fault from planted p where p.point = p_point;
    if not found then
        return;
    end if;
    if (select last_value from planted_in) = txid_current() then
        raise exception 'tried again in the transaction that was refused';
    end if;
    perform setval('planted_in', txid_current());
    if nextval('planted_tries') <= v_fault.times then
        raise exception 'planted' using errcode = v_fault.code;
    end if;
end $$;
create function reach_at() returns trigger language plpgsql as $$
begin
    perform reach(tg_argv[0]);
    return null;
end $$;
create trigger planted_write after insert on replies for each row
    when (new.scope <> '00000000-0000-0000-0000-000000000000') execute function reach_at('write');
create constraint trigger planted_commit after insert on replies deferrable initially deferred for each row
    when (new.scope <> '00000000-0000-0000-0000-000000000000') execute function reach_at('commit');
create trigger planted_make after insert on replies for each row
    when (new.scope = '00000000-0000-0000-0000-000000000000') execute function reach_at('make');
-- Reads of claims call no function; each of their rows reads this table.
create function reach_in_reads() returns boolean language plpgsql volatile as $$
begin
    if current_query() like 'select c.id, c.buyer%' and (select last_value from planted_in) <> txid_current() then
        perform reach('claims');
    end if;
    return true;
end $$;
alter table batches rename to kept_batches;
create view batches as select * from kept_batches where reach_in_reads();
create or replace function leasehold_now() returns bigint language plpgsql volatile as $$
begin
    if current_query() like '%for update%' then
        perform reach('lock');
    elsif current_query() like 'select * from read_sale(%' or current_query() like 'select s.version, leasehold_now()%' then
        perform reach('read');
    elsif current_query() like 'select s.id, s.name%' then
        perform reach('sale');
    end if;
    return (extract(epoch from clock_timestamp()) * 1000)::bigint;
end $$";

/// A replica that sells through a single connection: whatever an attempt leaves behind on it, the next
/// one meets.
struct Planted {
    world: World,
    database: PgConnection,
}

impl Planted {
    async fn start(env: &[(&str, &str)]) -> Self {
        let alone = [("LEASEHOLD_DATABASE_CONNECTIONS", "2"), ("LEASEHOLD_SWEEP_MS", "86400000")];
        let world = World::start_with(1, &[&alone, env].concat()).await;
        let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
        let _made = sqlx::raw_sql(PLANTED).execute(&mut database).await.unwrap();
        Self { world, database }
    }

    /// Refuses the next tries that reach this point.
    async fn plant(&mut self, point: &str, code: &str, times: i32) {
        let forget = "delete from planted; alter sequence planted_tries restart";
        let _done = sqlx::raw_sql(forget).execute(&mut self.database).await.unwrap();
        let plant = sqlx::query("insert into planted (point, code, times) values ($1, $2, $3)");
        let plant = plant.bind(point).bind(code).bind(times);
        let _done = plant.execute(&mut self.database).await.unwrap();
    }

    /// How many tries reached the point.
    async fn tries(&mut self) -> i64 {
        let tries = "select case when is_called then last_value else 0 end from planted_tries";
        sqlx::query_scalar(tries).fetch_one(&mut self.database).await.unwrap()
    }

    /// What the replica's connections left open.
    async fn left_open(&mut self) -> Vec<String> {
        let open = "select state || ': ' || query from pg_stat_activity \
                    where application_name = 'leasehold-purchase' and state like 'idle in transaction%'";
        sqlx::query_scalar(open).fetch_all(&mut self.database).await.unwrap()
    }

    /// What is under a sale's address.
    async fn read(&self, sale: Uuid, path: &str) -> Answer {
        let url = format!("{}/v1/sales/{sale}{path}", self.world.replicas[0].url());
        self.world.shop.get_as(&url, &self.world.shop.keys().admin).await.unwrap()
    }

    async fn make(&self, key: &str) -> Answer {
        let (shop, url) = (&self.world.shop, self.world.replicas[0].url());
        let draft =
            json!({"name": "made", "capacity": 1, "unit_price_minor": 1, "currency": "EUR"});
        shop.post(&format!("{url}/v1/sales"), &shop.keys().admin, key, &draft).await.unwrap()
    }

    /// It was tried until it was refused no more, or as often as allowed.
    async fn assert_tried(
        &mut self,
        answer: &Answer,
        status: StatusCode,
        tries_max: i32,
        refused: i32,
        what: &str,
    ) {
        let what = format!("{what}, refused {refused} times: {}", answer.json());
        if refused < tries_max {
            assert_eq!(answer.status, status, "{what}");
        } else {
            let told = (answer.status, &*answer.code(), answer.retry_after.is_some());
            assert_eq!(told, (StatusCode::SERVICE_UNAVAILABLE, "unavailable", true), "{what}");
        }
        assert_eq!(self.tries().await, i64::from((refused + 1).min(tries_max)), "{what}");
    }

    async fn sale(&self, strategy: &str) -> Uuid {
        self.world.sale_with(json!({"capacity": 100, "strategy": strategy})).await
    }

    /// Buys one unit, and looks whether the books show that and nothing else.
    async fn buys_one(&mut self, sale: Uuid, buyer: &str, what: &str) {
        let sold = self.world.books(sale).await.sold;
        let answer = self.world.buy(0, sale, buyer).await.unwrap();
        assert_eq!(answer.status, StatusCode::CREATED, "{what}: {}", answer.json());
        assert!(!answer.replayed, "{what}: an attempt that was refused has left a reply");
        let books = self.world.books(sale).await;
        let claims = i32::try_from(books.claims.len()).unwrap();
        assert_eq!((books.sold, claims), (sold + 1, sold + 1), "{what}");
        self.world.assert_books(sale).await;
        assert_eq!(self.left_open().await, Vec::<String>::new(), "{what}");
    }
}

#[tokio::test]
async fn whatever_postgres_rolls_back_is_tried_again_as_a_whole() {
    let mut planted = Planted::start(&[]).await;
    for strategy in DIRECT {
        let sale = planted.sale(strategy).await;
        // From here on every attempt reads once.
        planted.buys_one(sale, "first", strategy).await;
        let read = if strategy == "row_lock" { "lock" } else { "read" };
        for point in [read, "write", "commit"] {
            for code in ["40001", "40P01"] {
                let what = format!("{strategy} {point} {code}");
                planted.plant(point, code, 2).await;
                planted.buys_one(sale, &format!("{point}-{code}"), &what).await;
                assert_eq!(planted.tries().await, 3, "{what}");
            }
        }
    }
}

/// `row_lock` looks without its lock once a sale seems sold out.
#[tokio::test]
async fn who_comes_too_late_is_told_so_also_if_the_look_is_rolled_back() {
    let mut planted = Planted::start(&[]).await;
    let sale = planted.world.sale_with(json!({"capacity": 1, "strategy": "row_lock"})).await;
    planted.buys_one(sale, "first", "row_lock").await;
    for code in ["40001", "40P01"] {
        planted.plant("read", code, 2).await;
        let late = planted.world.buy(0, sale, &format!("late-{code}")).await.unwrap();
        assert_eq!(late.code(), "sold_out", "{code}");
        assert_eq!(planted.tries().await, 3, "{code}");
    }
    planted.world.assert_books(sale).await;
}

/// In the transaction that was refused every statement is refused, so a retry inside of it is none.
#[tokio::test]
async fn a_retry_is_a_transaction_of_its_own() {
    let mut planted = Planted::start(&[]).await;
    for strategy in DIRECT {
        let sale = planted.sale(strategy).await;
        planted.plant("write", "LH002", 5).await;
        planted.buys_one(sale, "ada", strategy).await;
        assert_eq!(planted.tries().await, 6, "{strategy}");
    }
}

/// Retries within retries multiply, and the inner ones are inside of what the outer ones should undo.
#[tokio::test]
async fn retries_are_in_one_place_and_as_many_as_set() {
    let some = [
        ("LEASEHOLD_RETRIES_INSTANT", "2"),
        ("LEASEHOLD_RETRIES_DELAYED", "1"),
        ("LEASEHOLD_RETRIES_PAUSE_MS", "1"),
    ];
    let mut planted = Planted::start(&some).await;
    for strategy in DIRECT {
        let sale = planted.sale(strategy).await;
        planted.plant("write", "LH002", i32::MAX).await;
        let refused = planted.world.buy(0, sale, "ada").await.unwrap();
        assert_eq!((refused.status, &*refused.code()), (StatusCode::CONFLICT, "conflict"));
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("4 times"), "{strategy}: {detail}");
        assert_eq!(planted.tries().await, 4, "{strategy}");
        let books = planted.world.books(sale).await;
        assert_eq!((books.sold, books.version, books.claims.len()), (0, 1, 0), "{strategy}");
        // The same key, once nobody is faster any more.
        planted.plant("write", "LH002", 0).await;
        planted.buys_one(sale, "ada", strategy).await;
    }
}

/// Who got a connection in the middle of somebody's transaction would be told yes for what the end of
/// that transaction takes back.
#[tokio::test]
async fn nobody_is_given_a_connection_in_the_middle_of_a_transaction() {
    let mut planted = Planted::start(&[]).await;
    let before = planted.sale("row_lock").await;
    planted.buys_one(before, "first", "row_lock").await;
    for after in DIRECT {
        let sale = planted.sale(after).await;
        // Refused under the lock: there is nothing to write.
        let url = planted.world.replicas[0].url().to_owned();
        let key = format!("greedy-{after}");
        let refused = planted.world.shop.buy(&url, before, &key, &key, 100).await.unwrap();
        assert_eq!(refused.code(), "sold_out", "{}", refused.json());
        assert_eq!(planted.left_open().await, Vec::<String>::new(), "{after}");
        planted.buys_one(sale, "refused-before", after).await;
        // Refused for good by each statement.
        for point in ["lock", "write", "commit"] {
            let what = format!("{after}-after-{point}");
            planted.plant(point, "P0001", 1).await;
            let failed = planted.world.buy(0, before, &what).await.unwrap();
            assert_eq!(failed.code(), "internal", "{what}");
            assert_eq!(planted.left_open().await, Vec::<String>::new(), "{what}");
            planted.buys_one(sale, &what, &what).await;
        }
    }
}

/// One statement each, and no part of a decision. It is sent again when others were in its way, and not
/// when it took too long: that would take as long again.
#[tokio::test]
async fn reading_and_making_sales_are_tried_again_some_times() {
    let mut planted = Planted::start(&[]).await;
    let sale = planted.world.sale_with(json!({"capacity": 1, "strategy": "optimistic"})).await;
    planted.buys_one(sale, "ada", "to be read").await;
    let waits = planted.world.wait(sale, "bob", 1).await;
    assert_eq!(waits.status, StatusCode::ACCEPTED, "{}", waits.json());
    let paths = [("sale", ""), ("claims", "/claims?buyer=ada"), ("claims", "/waiting-list")];
    let (again, not_again) = (["40001", "40P01"], ["55P03", "57014"]);
    for code in again.into_iter().chain(not_again) {
        let tries_max = if again.contains(&code) { 3 } else { 1 };
        for (point, path) in paths {
            let what = format!("{path} {code}");
            for times in [tries_max - 1, tries_max] {
                planted.plant(point, code, times).await;
                let read = planted.read(sale, path).await;
                planted.assert_tried(&read, StatusCode::OK, tries_max, times, &what).await;
            }
        }
        for times in [tries_max - 1, tries_max] {
            planted.plant("make", code, times).await;
            let key = format!("{code}-{times}");
            let made = planted.make(&key).await;
            planted.assert_tried(&made, StatusCode::CREATED, tries_max, times, &key).await;
            planted.plant("make", code, 0).await;
            let made_again = planted.make(&key).await;
            assert_eq!(made_again.status, StatusCode::CREATED, "{key}");
            assert_eq!(made_again.replayed, times < tries_max, "{key}: what failed left a sale");
        }
    }
}
