//! A holder that is late, and Postgres that refuses its write.
//!
//! `DATABASE_URL=postgres://localhost/test REDIS_URLS=redis://127.0.0.1:6379 \
//!  cargo run -p leasehold --features postgres --example fenced_write`
#![expect(clippy::print_stdout, reason = "it shows what happens")]
#![allow(clippy::disallowed_methods, reason = "a program reads its environment")]

use std::{env, error::Error, time::Duration};

use leasehold::{
    LeaseConfig, Leases, Resource, Stamp,
    fence::{self, FenceError},
};
use sqlx::PgPool;

const WAIT: Duration = Duration::from_secs(10);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let urls = env::var("REDIS_URLS").unwrap_or_else(|_| "redis://127.0.0.1:6379".into());
    let pool = PgPool::connect(&env::var("DATABASE_URL")?).await?;
    fence::install(&mut *pool.acquire().await?).await?;
    let table = "create table if not exists example_counter (n bigint not null);
                 delete from example_counter; insert into example_counter values (0)";
    let _made = sqlx::raw_sql(table).execute(&pool).await?;

    let config = LeaseConfig {
        ttl: Duration::from_secs(1),
        node_timeout: Duration::from_millis(200),
        lifetime_max: Duration::ZERO, // No renewal: it runs out, as if its holder was paused.
        ..LeaseConfig::default()
    };
    let (ours, theirs) = (
        Leases::connect(urls.split(','), config.clone())?,
        Leases::connect(urls.split(','), config)?,
    );
    let resource = Resource::new("example/counter")?;

    let late = ours.acquire(&resource, WAIT).await?;
    println!("the first holder has token {}, and pauses", late.token());
    println!("its lease is over: {}", late.lost().await);

    let next = theirs.acquire(&resource, WAIT).await?;
    println!("the second holder has token {}", next.token());
    println!("the second holder counts to {}", count_up(&pool, next.stamp()).await?);

    match count_up(&pool, late.stamp()).await {
        Ok(n) => println!("the first holder counts to {n}: this must not happen"),
        Err(FenceError::Stale(stale)) => {
            println!("the first holder is refused: {stale}");
            ours.observe(stale.newest);
        }
        Err(other) => return Err(other.into()),
    }
    let _outcomes = tokio::join!(late.release(), next.release());
    Ok(())
}

/// Claims first; then reads and writes, in the same transaction.
async fn count_up(pool: &PgPool, stamp: &Stamp) -> Result<i64, FenceError> {
    let mut tx = pool.begin().await.map_err(FenceError::Database)?;
    fence::claim(&mut tx, stamp).await?;
    let update = "update example_counter set n = n + 1 returning n";
    let n = sqlx::query_scalar(update).fetch_one(&mut *tx).await.map_err(FenceError::Database)?;
    tx.commit().await.map_err(FenceError::Database)?;
    Ok(n)
}
