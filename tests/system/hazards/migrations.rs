//! The tables change while replicas sell, as `service/purchase/docs/migrations.md` says: programs work with
//! the tables of their own release and of the next one.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::StatusCode;
use leasehold_stack::{Answer, Shop};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, Row as _, raw_sql};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::{
    program::{Deployment, sql},
    receiver::{Does, Receiver},
    world::{LIMIT, World, until},
};

/// What the next release might add: a column to every table, a table, an index.
///
/// Each takes a lock on one table, and not for long, as the guide asks for: who locked two could meet a buyer
/// who has the second and wants the first.
const COLUMNS: &str = "select format('alter table %I add column later text', tablename) from pg_tables \
     where schemaname = 'public' and tablename <> '_sqlx_migrations'";

const TABLE: &str =
    "create table laters (id bigint primary key, sale_id uuid references sales (id))";

const NOTE: &str = "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
     values (99999999999999, 'later', true, '', 0)";

/// Not in a transaction, so neither in the block above.
const INDEX: &str = "create index concurrently claims_later on claims (later)";

const INDEX_OF_TODAY: &str = "create index concurrently claims_made on claims (created_at)";

/// Does everything that buyers and sellers do, over and over; returns what went otherwise than it should.
struct Client {
    shop: Shop,
    url: String,
    sale: Uuid,
    failed: Vec<String>,
}

impl Client {
    fn note(&mut self, what: &str, answer: anyhow::Result<Answer>) -> Option<Uuid> {
        match answer {
            Ok(answer) if answer.status.is_success() => {
                let json = answer.json();
                let id = json["reservation_id"].as_str().or_else(|| json["purchase_id"].as_str());
                return id.and_then(|id| id.parse().ok());
            }
            Ok(answer) => self.failed.push(format!("{what}: {answer:?}")),
            Err(error) => self.failed.push(format!("{what}: {error:#}")),
        }
        None
    }

    async fn post(&mut self, path: &str, admin: bool, body: serde_json::Value) -> Option<Uuid> {
        let keys = self.shop.keys();
        let api_key = if admin { keys.admin.clone() } else { keys.buyer.clone() };
        let (url, key) = (format!("{}{path}", self.url), Uuid::new_v4().to_string());
        let answer = self.shop.post(&url, &api_key, &key, &body).await;
        self.note(path, answer)
    }

    async fn round(&mut self) {
        let sale = self.sale;
        let one = json!({"buyer": "ada", "quantity": 1});
        let bought = self.post(&format!("/v1/sales/{sale}/purchases"), false, one.clone()).await;
        if let Some(id) = bought {
            self.post(&format!("/v1/purchases/{id}/refunds"), true, json!({})).await;
        }
        for end in ["confirm", "cancel"] {
            let path = format!("/v1/sales/{sale}/reservations");
            if let Some(id) = self.post(&path, false, one.clone()).await {
                let path = format!("/v1/reservations/{id}/{end}");
                self.post(&path, false, json!({"buyer": "ada"})).await;
            }
        }
        let terms = json!({"name": "a", "capacity": 1, "unit_price_minor": 1, "currency": "EUR"});
        self.post("/v1/sales", true, terms).await;
        for path in ["", "/claims?buyer=ada", "/events", "/waiting-list", "/requests/k"] {
            let url = format!("{}/v1/sales/{sale}{path}", self.url);
            let answer = self.shop.get_as(&url, &self.shop.keys().admin).await;
            // Nobody used that key.
            let is_none = |answer: &Answer| answer.status == StatusCode::NOT_FOUND;
            if !(path == "/requests/k" && answer.as_ref().is_ok_and(is_none)) {
                self.note(path, answer);
            }
        }
    }

    async fn run(mut self, stop: Arc<AtomicBool>, rounds: Arc<AtomicUsize>) -> Vec<String> {
        while !stop.load(Ordering::Relaxed) {
            self.round().await;
            rounds.fetch_add(1, Ordering::Relaxed);
        }
        self.failed
    }
}

/// Runs clients at all replicas before, while and after the tables change; returns what failed.
async fn failed_during(world: &World, sale: Uuid, change: impl AsyncFnOnce()) -> Vec<String> {
    let (stop, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut clients = JoinSet::new();
    for url in world.urls() {
        for _ in 0..2 {
            let shop = world.shop.clone();
            let client = Client { shop, url: url.clone(), sale, failed: Vec::new() };
            clients.spawn(client.run(Arc::clone(&stop), Arc::clone(&rounds)));
        }
    }
    until("nobody sold before", || rounds.load(Ordering::Relaxed) > 8).await;
    change().await;
    let then = rounds.load(Ordering::Relaxed);
    until("nobody sold after", || rounds.load(Ordering::Relaxed) > then + 16).await;
    stop.store(true, Ordering::Relaxed);
    clients.join_all().await.concat()
}

/// Changes the tables as `migrate` does: whatever does not get its lock in time is tried again.
async fn expand(url: &str) {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let mut statements: Vec<String> =
        sqlx::query_scalar(COLUMNS).fetch_all(&mut connection).await.unwrap();
    statements.extend([TABLE.to_owned(), NOTE.to_owned()]);
    let begun = Instant::now();
    let _set = raw_sql("set lock_timeout = '200ms'").execute(&mut connection).await.unwrap();
    for statement in statements {
        while let Err(error) = raw_sql(AssertSqlSafe(&*statement)).execute(&mut connection).await {
            let code = error.as_database_error().and_then(|error| error.code());
            assert_eq!(code.as_deref(), Some("55P03"), "{error}");
            assert!(begun.elapsed() < LIMIT, "there is always somebody in the way");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

#[tokio::test]
async fn tables_of_the_next_release_disturb_nobody() {
    let private = [("LEASEHOLD_WEBHOOK_PRIVATE", "true"), ("LEASEHOLD_WEBHOOK_POLL_MS", "20")];
    let mut world = World::start_with(2, &private).await;
    let sale = world.sale(1_000_000).await;
    let receiver = Receiver::start(&[], Does::Take).await;
    let url = format!("{}/v1/webhooks", world.replicas[0].url());
    let body = json!({"url": receiver.url("/"), "sale_id": sale, "from_start": true});
    let made = world.shop.post(&url, &world.shop.keys().admin, "hook", &body).await.unwrap();
    assert_eq!(made.status, StatusCode::CREATED);

    let failed = failed_during(&world, sale, async || {
        expand(&world.stack.database_url()).await;
        sql(&world.stack, INDEX).await;
    })
    .await;
    assert_eq!(failed, Vec::<String>::new());

    world.replicas[1].stop().await.unwrap();
    world.replicas[1] = world.config.start("replica-2").await.unwrap();
    assert_eq!(world.buy(1, sale, "bob").await.unwrap().status, StatusCode::CREATED);
    let log = std::fs::read_to_string(world.replicas[1].log_path()).unwrap();
    assert!(log.contains("99999999999999"), "{log}");
    let ready = format!("{}/readyz", world.replicas[1].url());
    assert_eq!(world.shop.get(&ready).await.unwrap().status, StatusCode::OK);

    let (code, said) = Deployment::of(&world).checked(&[]).await;
    assert!(code == 3 && said.contains("a newer program"), "{code}\n{said}");
    // Who goes back a release runs its `migrate` too.
    world.config.migrate().await.unwrap();
    let books = world.books(sale).await;
    let all: Vec<i64> = (1..=books.version).collect();
    receiver.has_taken(&all).await;
}

#[tokio::test]
async fn a_change_that_takes_something_away_is_noticed() {
    let world = World::start(1).await;
    let sale = world.sale(1_000_000).await;
    let contract = "alter table claims rename column payment_reference to reference";
    let failed = failed_during(&world, sale, async || sql(&world.stack, contract).await).await;
    assert_ne!(failed, Vec::<String>::new(), "the test above could not fail");
}

/// Everything in the database that `migrate` makes, and what it noted.
async fn schema(url: &str) -> BTreeSet<String> {
    let mut connection = PgConnection::connect(url).await.unwrap();
    let rows = sqlx::query(
        "select format('%s %s %s', table_name, column_name, data_type) from information_schema.columns \
         where table_schema = 'public' \
         union all select oid::regprocedure || md5(prosrc) from pg_proc where pronamespace = 'public'::regnamespace \
         union all select indexdef from pg_indexes where schemaname = 'public' \
         union all select format('%s %s %s', version, success, installed_on) from _sqlx_migrations",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn migrating_at_once_or_twice_does_what_once_does() {
    let world = World::start(0).await;
    let mut config = world.config.clone();
    let postgres = world.stack.postgres.as_ref().unwrap();
    config.database_url = postgres.create_database("fresh").await.unwrap();
    let (one, two, three) = tokio::join!(config.migrate(), config.migrate(), config.migrate());
    one.and(two).and(three).unwrap();
    let once = schema(&config.database_url).await;
    let like = schema(&world.stack.database_url()).await;
    let without_times = |lines: &BTreeSet<String>| -> BTreeSet<String> {
        lines.iter().filter(|line| !line.contains(" t 20")).cloned().collect()
    };
    assert!(once.len() > 80, "{once:?}");
    assert_eq!(without_times(&once), without_times(&like));
    config.migrate().await.unwrap();
    assert_eq!(schema(&config.database_url).await, once);
}

#[tokio::test]
async fn who_waits_to_migrate_does_not_stop_an_index_that_is_made_meanwhile() {
    let world = World::start(0).await;
    // As the first of two does, whose migration makes an index beside the sales.
    let mut first = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let lock = "select pg_advisory_lock(hashtext('leasehold migrate'))";
    let _held = raw_sql(lock).execute(&mut first).await.unwrap();
    let second = world.config.migrate();
    let make = async {
        second_waits(&world.stack.database_url()).await;
        let made = raw_sql(INDEX_OF_TODAY).execute(&mut first).await;
        drop(first);
        made
    };
    let (second, made) = tokio::join!(second, make);
    second.unwrap();
    made.unwrap();
}

/// Waits until a `migrate` asks for the lock.
async fn second_waits(url: &str) {
    let mut watcher = PgConnection::connect(url).await.unwrap();
    let ask = "select exists (select from pg_stat_activity \
               where application_name = 'leasehold-migrate' and query like '%advisory_lock%')";
    let begun = Instant::now();
    while !sqlx::query_scalar::<_, bool>(ask).fetch_one(&mut watcher).await.unwrap() {
        assert!(begun.elapsed() < LIMIT, "nobody waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Rows of a sale are not looked up in `sales` one by one, so sales must stay.
#[tokio::test]
async fn a_sale_cannot_be_deleted_not_even_one_that_sold_nothing() {
    let world = World::start(1).await;
    let _sale = world.sale(1).await;
    let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    let deleted = sqlx::query("delete from sales").execute(&mut database).await;
    assert!(deleted.unwrap_err().to_string().contains("batches_sale_id_fkey"));
}

#[tokio::test]
async fn a_migration_gives_way_to_a_long_statement_and_keeps_nobody_waiting_behind_it() {
    let world = World::start(0).await;
    // From the first that needs tables for itself.
    sql(&world.stack, "delete from _sqlx_migrations where version >= 4").await;
    let url = world.stack.database_url();
    let mut reader = PgConnection::connect(&url).await.unwrap();
    let _done = raw_sql("begin; select from claims").execute(&mut reader).await.unwrap();
    let config = world.config.clone();
    let migrating = tokio::spawn(async move { config.migrate().await });
    let mut buyer = PgConnection::connect(&url).await.unwrap();
    let waits = "select count(*) from pg_stat_activity \
        where application_name = 'leasehold-migrate' and wait_event_type = 'Lock'";
    let begun = Instant::now();
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&mut buyer).await.unwrap() == 0 {
        assert!(begun.elapsed() < LIMIT, "the migration does not wait for the reader");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    // Would wait as long as the reader reads, if the migration did.
    let _done = sqlx::query("select from sales").execute(&mut buyer).await.unwrap();
    let _done = raw_sql("rollback").execute(&mut reader).await.unwrap();
    migrating.await.unwrap().unwrap();
}
