//! Checks the token in Postgres, in the same transaction as the write that it protects.
//!
//! A claim is accepted iff `token > stored || (token == stored && holder == stored holder)`, and
//! raises what is stored. Two rules make it sound:
//!
//! * Claim **before the first read** of what is protected. A claim at the write alone loses
//!   updates: the holder before may still write between the read and the claim.
//! * Claim and write in **one transaction**. The claim locks the resource's row until commit,
//!   which puts holders in order.
//!
//! In `READ COMMITTED`, a `select` in the same statement as the claim (a CTE) reads the snapshot
//! from before the claim waited, which may be stale; an `update` with arithmetic reads its row
//! anew. So claim in a statement of its own, or in a `volatile` PL/pgSQL function, whose statements
//! each take a fresh snapshot.
//!
//! A stopped holder with an open transaction blocks the next claim: set
//! `idle_in_transaction_session_timeout`, `statement_timeout` and
//! `client_connection_check_interval` on sessions that claim.
//!
//! Other languages call the SQL function that [`install`] makes:
//!
//! ```sql
//! select leasehold_claim('invoice/42', 1757000000000000, '0123456789abcdef0123456789abcdef');
//! ```
//!
//! # Example
//!
//! ```no_run
//! use leasehold::{Lease, fence};
//! use sqlx::PgPool;
//!
//! # async fn example(pool: PgPool, lease: &Lease) -> Result<(), Box<dyn std::error::Error>> {
//! let mut tx = pool.begin().await?;
//! fence::claim(&mut tx, lease.stamp()).await?;
//! sqlx::query("update accounts set balance = balance - 1 where id = 7").execute(&mut *tx).await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```

use sqlx::{PgConnection, postgres::PgDatabaseError};

use crate::model::{FencingToken, Stamp};

/// The table and the function, as SQL that may be run again.
pub const SCHEMA: &str = include_str!("schema.sql");

/// `SQLSTATE` of a refused claim. Its class is one that the standard leaves to applications.
pub const STALE_TOKEN_SQLSTATE: &str = "LH001";

/// Why a claim did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FenceError {
    /// A newer holder has claimed. Give up the lease; acquiring anew may help.
    #[error(transparent)]
    Stale(#[from] Stale),
    /// The database failed, or cannot be reached. Whether the claim took place is unknown unless
    /// the transaction is rolled back.
    #[error("fence claim failed: {0}")]
    Database(#[source] sqlx::Error),
}

/// A token that is older than the newest one claimed, or equal to one of another holder.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stale fencing token {given} for resource {resource}: the newest is {newest}")]
pub struct Stale {
    /// What is protected.
    pub resource: String,
    /// The token that was refused.
    pub given: FencingToken,
    /// The newest token claimed. Feed it to [`Leases::observe`](crate::Leases::observe), so that
    /// the next lease is newer even if the nodes have lost their data.
    pub newest: FencingToken,
}

impl Stale {
    /// Reads the refusal out of an error of any statement that called `leasehold_claim`; `None`
    /// when it is another error.
    #[must_use]
    pub fn from_error(error: &sqlx::Error) -> Option<Self> {
        let refusal = error.as_database_error()?.try_downcast_ref::<PgDatabaseError>()?;
        if refusal.code() != STALE_TOKEN_SQLSTATE {
            return None;
        }
        // "<given> <newest> <resource>": see schema.sql.
        let mut parts = refusal.detail()?.splitn(3, ' ');
        let mut token = || FencingToken::try_from(parts.next()?.parse::<i64>().ok()?).ok();
        let (given, newest) = (token()?, token()?);
        Some(Self { resource: parts.next()?.to_owned(), given, newest })
    }
}

/// Makes the table and the function if they are missing, in the first schema of the search path;
/// running it again changes nothing. Run it when you migrate.
///
/// # Errors
///
/// When the database fails or the user may not create them. Nothing of it is done then.
///
/// # Cancel safety
///
/// It is one transaction. Dropped before its end, whether it took place is unknown: run it again.
pub async fn install(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    // Two at once would both see that the function is missing.
    let mut tx = sqlx::Connection::begin(connection).await?;
    sqlx::query("select pg_advisory_xact_lock(hashtext('leasehold schema'))")
        .execute(&mut *tx)
        .await?;
    sqlx::raw_sql(SCHEMA).execute(&mut *tx).await?;
    tx.commit().await
}

/// Claims the fence for this holder. Make it the first statement of every transaction that reads
/// or writes what is protected; a repeat by the same holder is accepted. It waits for the claim of
/// another open transaction on the same resource, for as long as the session's `lock_timeout` and
/// `statement_timeout` let it.
///
/// Outside of a transaction it only raises what is stored, and orders nothing.
///
/// # Errors
///
/// [`FenceError::Stale`] when a newer holder has claimed: the transaction is then aborted and can
/// only be rolled back. [`FenceError::Database`] when the database fails.
///
/// # Cancel safety
///
/// As any statement: drop the transaction too.
pub async fn claim(connection: &mut PgConnection, stamp: &Stamp) -> Result<(), FenceError> {
    let claimed = sqlx::query("select leasehold_claim($1, $2, $3)")
        .bind(stamp.resource.as_str())
        .bind(stamp.token.as_i64())
        .bind(stamp.holder.to_string())
        .execute(connection)
        .await;
    match claimed {
        Ok(_) => Ok(()),
        Err(error) => Err(Stale::from_error(&error)
            .map_or_else(|| FenceError::Database(error), FenceError::Stale)),
    }
}
