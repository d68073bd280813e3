//! How tables and functions are made, and whether those that are there fit this program.

use std::{collections::BTreeMap, str::FromStr as _, time::Duration};

use sqlx::{
    Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::{Store, StoreError};

/// How often a `migrate` asks whether another has ended.
const ASK_AGAIN: Duration = Duration::from_millis(200);

/// How the tables of a database stand, compared with what this program knows. Versions of migrations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MigrationReport {
    /// To be run: `purchase migrate` helps.
    pub missing: Vec<i64>,
    /// Unknown to this program: a newer one has run them.
    pub newer: Vec<i64>,
    /// Not the text that was run.
    pub changed: Vec<i64>,
}

impl Store {
    /// Makes or updates tables and functions, the fence's included. Run by an explicit command,
    /// never on the way to serving; two at once wait for each other. Migrations of a newer program are
    /// left as they are, and returned.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, does not keep text as UTF-8, or a migration fails or
    /// was changed after it ran.
    pub async fn migrate(url: &str) -> Result<Vec<i64>, StoreError> {
        // A connection of its own, without the limits of serving: a migration takes its time.
        let options = PgConnectOptions::from_str(url).map_err(StoreError::Url)?;
        let options = options.application_name("leasehold-migrate");
        let connecting = PgConnection::connect_with(&options).await;
        let mut connection = connecting.map_err(StoreError::Unavailable)?;
        let encoding: String = sqlx::query_scalar("show server_encoding")
            .fetch_one(&mut connection)
            .await
            .map_err(StoreError::of)?;
        if encoding != "UTF8" {
            return Err(StoreError::Encoding(encoding));
        }
        wait_for_others(&mut connection).await?;
        leasehold::fence::install(&mut connection).await.map_err(StoreError::of)?;
        let mut migrator = migrator();
        // A program that goes back to the release before finds the newer one's tables, and works with them.
        let _same = migrator.set_ignore_missing(true);
        // A migration gives way to statements that it would have to wait for for long.
        while let Err(error) = migrator.run(&mut connection).await {
            if !gave_way(&error) {
                return Err(StoreError::Migrate(error));
            }
            tracing::info!(%error, "a table is in use, trying again");
            tokio::time::sleep(ASK_AGAIN).await;
        }
        let newer = compare(applied(&mut connection).await?).newer;
        connection.close().await.map_err(StoreError::of)?;
        Ok(newer)
    }
}

/// Waits until no other `migrate` is at work, and keeps others out until the connection ends.
///
/// It asks again and again: a statement that waits for the lock is one that `create index concurrently` of the
/// other waits for in turn, so one of them would be ended as a deadlock.
async fn wait_for_others(connection: &mut PgConnection) -> Result<(), StoreError> {
    loop {
        let alone: bool =
            sqlx::query_scalar("select pg_try_advisory_lock(hashtext('leasehold migrate'))")
                .fetch_one(&mut *connection)
                .await
                .map_err(StoreError::of)?;
        if alone {
            return Ok(());
        }
        tokio::time::sleep(ASK_AGAIN).await;
    }
}

/// Whether a migration did not get a lock in time, or was ended as a deadlock: nothing of it was done.
fn gave_way(error: &MigrateError) -> bool {
    let (MigrateError::ExecuteMigration(error, _) | MigrateError::Execute(error)) = error else {
        return false;
    };
    let code = error.as_database_error().and_then(|error| error.code());
    code.is_some_and(|code| code == "55P03" || code == "40P01")
}

fn migrator() -> Migrator {
    sqlx::migrate!()
}

/// The last migration that this program knows.
pub(super) fn newest() -> i64 {
    migrator().iter().map(|known| known.version).max().unwrap_or_default()
}

/// The migrations that were run, with the digests of their texts.
pub(super) async fn applied(
    connection: &mut PgConnection,
) -> Result<Vec<(i64, Vec<u8>)>, StoreError> {
    sqlx::query_as("select version, checksum from _sqlx_migrations where success")
        .fetch_all(connection)
        .await
        .map_err(StoreError::of)
}

/// Holds what was run against what this program would run.
pub(super) fn compare(applied: Vec<(i64, Vec<u8>)>) -> MigrationReport {
    let mut applied: BTreeMap<i64, Vec<u8>> = applied.into_iter().collect();
    let mut report = MigrationReport::default();
    for known in migrator().iter() {
        match applied.remove(&known.version) {
            None => report.missing.push(known.version),
            Some(checksum) if checksum != *known.checksum => report.changed.push(known.version),
            Some(_) => {}
        }
    }
    report.newer = applied.into_keys().collect();
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn migrations_that_are_missing_changed_or_newer_are_told_apart() {
        let known = migrator();
        let run: Vec<(i64, Vec<u8>)> =
            known.iter().map(|known| (known.version, known.checksum.to_vec())).collect();
        let versions: Vec<i64> = run.iter().map(|(version, _)| *version).collect();
        assert_eq!(compare(run.clone()), MigrationReport::default());
        let none = MigrationReport { missing: versions.clone(), ..MigrationReport::default() };
        assert_eq!(compare(vec![]), none);
        let mut other = run;
        other[0].1 = vec![7];
        other.push((i64::MAX, vec![]));
        let expected =
            MigrationReport { missing: vec![], newer: vec![i64::MAX], changed: vec![versions[0]] };
        assert_eq!(compare(other), expected);
    }
}
