//! What a decision reads does not grow with its sale, although Postgres has counted nothing yet.

use serde_json::json;
use sqlx::{Connection as _, PgConnection, Row as _};
use uuid::Uuid;

use crate::world::World;

/// Claims of the sale.
const MANY: i32 = 20_000;

/// What a decision about twenty of them may read of indexes: those, and some versions of each.
const FEW: i64 = 200;

/// Prepared statements are planned anew this often before a plan is kept.
const OFTEN: usize = 8;

const READ: &str = "select r.claims, r.known_keys from read_sale(
    $1, null, null, null, array['no such key'], '{}', $2, 1000, 256) r";

/// Entries of the indexes on claims and replies that were read in this transaction, and in those before it
/// that were not counted elsewhere yet.
const ENTRIES: &str =
    "select coalesce(sum(pg_stat_get_xact_tuples_returned(indexrelid)), 0)::bigint
    from pg_index where indrelid in ('claims'::regclass, 'replies'::regclass)";

async fn entries_read(database: &mut PgConnection, sale: Uuid, claims: &[Uuid]) -> i64 {
    let mut transaction = database.begin().await.unwrap();
    let before: i64 = sqlx::query_scalar(ENTRIES).fetch_one(&mut *transaction).await.unwrap();
    let read =
        sqlx::query(READ).bind(sale).bind(claims).fetch_one(&mut *transaction).await.unwrap();
    let found: String = read.get("claims");
    assert!(claims.iter().all(|claim| found.contains(&claim.to_string())), "{found}");
    let after: i64 = sqlx::query_scalar(ENTRIES).fetch_one(&mut *transaction).await.unwrap();
    transaction.rollback().await.unwrap();
    after - before
}

#[tokio::test]
async fn a_decision_about_some_claims_does_not_read_all_of_them() {
    let world = World::start(1).await;
    let sale = world.sale_with(json!({"capacity": 1})).await;
    let mut database = PgConnection::connect(&world.stack.database_url()).await.unwrap();
    // No count helps: only autovacuum would make one.
    for table in ["claims", "replies"] {
        let off = format!("alter table {table} set (autovacuum_enabled = false)");
        let _off = sqlx::raw_sql(sqlx::AssertSqlSafe(off)).execute(&mut database).await.unwrap();
    }
    world.fill(sale, "queued", MANY).await;
    let claims: Vec<Uuid> =
        sqlx::query_scalar("select id from claims where sale_id = $1 order by seq desc limit 20")
            .bind(sale)
            .fetch_all(&mut database)
            .await
            .unwrap();
    // Those who wait are not what is measured.
    let _none = sqlx::query("update sales set waiting = 0 where id = $1")
        .bind(sale)
        .execute(&mut database)
        .await
        .unwrap();
    for time in 0..OFTEN {
        let entries = entries_read(&mut database, sale, &claims).await;
        assert!((1..=FEW).contains(&entries), "{entries} entries read, the time {time}");
    }
}
