//! How a database stands, for whoever is about to sell with it. Reads only.

use std::{
    str::FromStr as _,
    time::{Duration, SystemTime},
};

use sqlx::{Connection as _, PgConnection, Row as _, postgres::PgConnectOptions};

use super::{
    PATIENCE, Store, StoreConfig, StoreError,
    migrations::{MigrationReport, applied, compare},
};

/// How a database stands, as far as selling depends on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseReport {
    /// The server's version, in its own counting: 180006 is 18.6.
    pub version: i32,
    /// How it keeps text; must be `UTF8`.
    pub encoding: String,
    /// Settings without which what was committed may be lost, and what they are: `fsync`,
    /// `full_page_writes`, `synchronous_commit`. Only those that are off.
    pub forgetful: Vec<String>,
    /// Connections that users like ours may have, all together.
    pub connections_max: i64,
    /// Whether it is a standby, to which nothing can be written.
    pub is_standby: bool,
    /// How far its clock is ahead of ours, in milliseconds; below zero behind. As exact as the
    /// round trip was short.
    pub clock_ahead_ms: i64,
    /// Whether the fence is there.
    pub has_fence: bool,
    /// How its tables stand.
    pub migrations: MigrationReport,
}

const ASK: &str = "
select current_setting('server_version_num')::int4,
       current_setting('server_encoding'),
       array(select name from pg_settings
             where name in ('fsync', 'full_page_writes', 'synchronous_commit') and setting = 'off'
             order by name)::text[],
       current_setting('max_connections')::int8
           - current_setting('superuser_reserved_connections')::int8
           - coalesce(current_setting('reserved_connections', true)::int8, 0),
       pg_is_in_recovery(),
       (extract(epoch from clock_timestamp()) * 1000)::int8,
       to_regprocedure('leasehold_claim(text, bigint, text)') is not null,
       to_regclass('_sqlx_migrations') is not null";

impl Store {
    /// Looks at a database over a connection of its own, and changes nothing.
    ///
    /// # Errors
    ///
    /// When it cannot be reached, or does not answer within the limit for a statement and a second.
    pub async fn inspect(config: &StoreConfig) -> Result<DatabaseReport, StoreError> {
        let limit = config.statement_timeout + PATIENCE;
        let looked = tokio::time::timeout(limit, look(&config.url)).await;
        looked.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut)))
    }
}

async fn look(url: &str) -> Result<DatabaseReport, StoreError> {
    let options = PgConnectOptions::from_str(url).map_err(StoreError::Url)?;
    let options = options.application_name("leasehold-check");
    let connecting = PgConnection::connect_with(&options).await;
    let mut connection = connecting.map_err(StoreError::Unavailable)?;
    let begun = SystemTime::now();
    let row = sqlx::query(ASK).fetch_one(&mut connection).await.map_err(StoreError::of)?;
    // Half of the way back, if both ways take as long.
    let asked = begun + begun.elapsed().unwrap_or_default() / 2;
    let get = |error| StoreError::Corrupt(format!("an answer that cannot be read: {error}"));
    let run =
        if row.try_get(7).map_err(get)? { applied(&mut connection).await? } else { Vec::new() };
    let theirs: i64 = row.try_get(5).map_err(get)?;
    let report = DatabaseReport {
        version: row.try_get(0).map_err(get)?,
        encoding: row.try_get(1).map_err(get)?,
        forgetful: row.try_get(2).map_err(get)?,
        connections_max: row.try_get(3).map_err(get)?,
        is_standby: row.try_get(4).map_err(get)?,
        clock_ahead_ms: theirs.saturating_sub(ms_since_1970(asked)),
        has_fence: row.try_get(6).map_err(get)?,
        migrations: compare(run),
    };
    connection.close().await.map_err(StoreError::of)?;
    Ok(report)
}

fn ms_since_1970(time: SystemTime) -> i64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
