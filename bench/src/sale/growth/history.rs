//! A past of a sale: as many purchases as if they had been made one by one, with all that is kept of each.

use sqlx::PgPool;
use uuid::Uuid;

/// Ids that grow with time, as the service makes them: at random places an index would be another one.
const ID: &str = "(lpad(to_hex(AT), 12, '0') || '7' || substr(md5($1::uuid::text || i), 1, 3) \
    || '8' || substr(md5($1::uuid::text || i), 4, 15))::uuid";

/// A while ago, a purchase in each millisecond: not so long ago that replies are forgotten already, and not so
/// lately that the live page would count them.
const AT: &str = "((extract(epoch from now()) * 1000)::bigint - 3600000 - $2::bigint + i)";

/// The sale's first event made it, so purchase `i` is number `i + 1`. `ID` stands for the claim's, `AT` for its time.
const TABLES: [&str; 4] = [
    "insert into claims (id, sale_id, buyer, quantity, refunded, status, total_minor, seq, created_at) \
     select ID, $1::uuid, 'past-' || i, 1, 0, 'confirmed', 2500, i + 1, AT \
     from generate_series(1, $2) as i",
    "insert into events (sale_id, seq, at, kind, claim_id, buyer, quantity, total_minor) \
     select $1::uuid, i + 1, AT, 'purchased', ID, 'past-' || i, 1, 2500 \
     from generate_series(1, $2) as i",
    "insert into replies (scope, key, fingerprint, kind, body, created_at) \
     select $1::uuid, 'past-' || i, sha256(i::text::bytea), 'purchased', \
         json_build_object('purchase_id', ID, 'sale_id', $1::uuid, 'buyer', 'past-' || i, 'quantity', 1)::text, \
         AT \
     from generate_series(1, $2) as i",
    "insert into batches (sale_id, version, token, replica, events, units, written_at) \
     select $1::uuid, i + 1, null, 'past', 1, 1, AT from generate_series(1, $2) as i",
];

/// People in the waiting list of a sale that is sold out: `ID` and `AT` as above, behind the sale's version.
const LIST: [&str; 3] = [
    "insert into claims (id, sale_id, buyer, quantity, refunded, status, total_minor, seq, created_at) \
     select ID, $1::uuid, 'listed-' || i, 1, 0, 'waiting', 2500, s.version + i, AT \
     from generate_series(1, $2) as i, sales s where s.id = $1",
    "insert into events (sale_id, seq, at, kind, claim_id, buyer, quantity, total_minor) \
     select $1::uuid, s.version + i, AT, 'queued', ID, 'listed-' || i, 1, 2500 \
     from generate_series(1, $2) as i, sales s where s.id = $1",
    "update sales set waiting = waiting + $2::integer, version = version + $2 where id = $1",
];

/// Puts so many into the sale's waiting list.
pub(crate) async fn list(pool: &PgPool, sale: Uuid, people: i64) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    for step in LIST {
        // No input is in it.
        let step = sqlx::AssertSqlSafe(step.replace("ID", ID).replace("AT", AT));
        let _done = sqlx::query(step).bind(sale).bind(people).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Writes it into the tables as they are, with every constraint and index.
pub(crate) async fn write(pool: &PgPool, sale: Uuid, purchases: i64) -> anyhow::Result<()> {
    let mut tx = pool.begin().await?;
    for table in TABLES {
        // No input is in it.
        let insert = sqlx::AssertSqlSafe(table.replace("ID", ID).replace("AT", AT));
        let _done = sqlx::query(insert).bind(sale).bind(purchases).execute(&mut *tx).await?;
    }
    let _done = sqlx::query(
        "update sales set sold = sold + $2::integer, version = version + $2 where id = $1",
    )
    .bind(sale)
    .bind(purchases)
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(())
}

/// As the database looks after itself in time: nothing of it happens while it is measured.
pub(crate) async fn settle(pool: &PgPool) -> anyhow::Result<()> {
    let _done = sqlx::query("vacuum (analyze)").execute(pool).await?;
    let _done = sqlx::query("checkpoint").execute(pool).await?;
    Ok(())
}
