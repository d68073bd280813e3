//! What can go wrong at the database, sorted by what the caller may do.

use leasehold::fence::Stale;

/// `SQLSTATE` of a write whose decision was made from older state: see `migrations/`.
const MOVED: &str = "LH002";

/// Why a statement did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A newer holder has claimed the fence. Nothing was written; acquire a lease anew.
    #[error(transparent)]
    Stale(Stale),
    /// The sale has changed since the decision. Nothing was written; reload and decide again.
    #[error("the sale has changed since the decision")]
    Moved,
    /// A key was granted before. Nothing was written; look it up and decide again.
    #[error("an idempotency key was granted before")]
    KeyTaken,
    /// The write would sell more than there is. Nothing was written; the decision was wrong.
    #[error("the write would sell more than the capacity")]
    OverCapacity,
    /// Nothing was written: no connection, or the server rolled back (time limit, deadlock,
    /// serialisation). Trying again may help.
    #[error("postgres is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// The statement was sent, and its answer is not known: it may have been committed.
    #[error("the outcome at postgres is unknown: {0}")]
    Unknown(#[source] sqlx::Error),
    /// The database refused for another reason. Trying again does not help.
    #[error("postgres refused: {0}")]
    Refused(#[source] sqlx::Error),
    /// The address cannot be read.
    #[error("the database url cannot be read")]
    Url(#[source] sqlx::Error),
    /// A migration failed.
    #[error("migration failed: {0}")]
    Migrate(#[source] sqlx::migrate::MigrateError),
    /// A row that the schema does not allow.
    #[error("the database holds {0}")]
    Corrupt(String),
}

impl StoreError {
    /// Sorts an error of a statement that was sent.
    pub(super) fn of(error: sqlx::Error) -> Self {
        if let Some(stale) = Stale::from_error(&error) {
            return Self::Stale(stale);
        }
        let Some(refusal) = error.as_database_error() else {
            // Broken on the way, or an answer that makes no sense: it may have been committed.
            return Self::Unknown(error);
        };
        let code = refusal.code().unwrap_or_default();
        match (&*code, refusal.constraint()) {
            (MOVED, _) => Self::Moved,
            ("23505", Some("one_reply_per_key")) => Self::KeyTaken,
            ("23514", Some("never_oversold")) => Self::OverCapacity,
            // Rolled back by the server's own word: serialisation, deadlock, lock and statement
            // limits, too many connections, starting up, read-only, no space.
            ("40001" | "40P01" | "55P03" | "57014" | "57P03" | "25006", _) => {
                Self::Unavailable(error)
            }
            (code, _) if code.starts_with("53") => Self::Unavailable(error),
            // The server is ending the session; how far the statement came is not said.
            ("57P01" | "57P02" | "57P05", _) => Self::Unknown(error),
            (code, _) if code.starts_with("08") => Self::Unknown(error),
            _ => Self::Refused(error),
        }
    }
}
