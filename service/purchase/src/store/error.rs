//! What can go wrong at the database, sorted by what the caller may do.

use leasehold::fence::Stale;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// Why a statement did not succeed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A newer holder has claimed the fence. Nothing was written; acquire a lease anew.
    #[error(transparent)]
    Stale(Stale),
    /// The sale has changed since the decision. Nothing was written; reload and decide again.
    #[error("the sale has changed since the decision")]
    Moved {
        /// The version that it is at, if the server said so.
        current: Option<i64>,
    },
    /// A key was granted before. Nothing was written; look it up and decide again.
    #[error("an idempotency key was granted before")]
    KeyTaken,
    /// The write would sell more than there is. Nothing was written; the decision was wrong.
    #[error("the write would sell more than the capacity")]
    OverCapacity,
    /// Nothing was written: no connection, or the server rolled back (time limit, deadlock,
    /// serialisation). Trying again may help.
    #[error("postgres is not available: {0}")]
    Unavailable(sqlx::Error),
    /// The statement was sent, and its answer is not known: it may have been committed.
    #[error("the outcome at postgres is unknown: {0}")]
    Unknown(sqlx::Error),
    /// The database refused for another reason. Trying again does not help.
    #[error("postgres refused: {0}")]
    Refused(sqlx::Error),
    /// The address cannot be read.
    #[error("the database url cannot be read: {0}")]
    Url(sqlx::Error),
    /// Our tables are missing. Trying again helps after `purchase migrate`.
    #[error("the tables are missing: run `purchase migrate`")]
    NotMigrated,
    /// A migration failed.
    #[error("migration failed: {0}")]
    Migrate(sqlx::migrate::MigrateError),
    /// The database keeps text in another encoding, in which not every name can be stored.
    #[error("the database's encoding is {0}, it must be UTF8")]
    Encoding(String),
    /// A row that the schema does not allow.
    #[error("the database holds {0}")]
    Corrupt(String),
}

/// What a refusal by the server means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meaning {
    Moved,
    KeyTaken,
    OverCapacity,
    RolledBack,
    Unknown,
    NotMigrated,
    Refused,
}

/// Sorts a refusal by its `SQLSTATE` and constraint. `ended` says that the server ended the session
/// with it: how far the statement came, the commit included, is then not said.
fn meaning(code: &str, constraint: Option<&str>, ended: bool) -> Meaning {
    if ended {
        return Meaning::Unknown;
    }
    match (code, constraint) {
        ("LH002", _) => Meaning::Moved,
        ("23505", Some("one_reply_per_key" | "commands_pkey")) => Meaning::KeyTaken,
        ("23514", Some("never_oversold")) => Meaning::OverCapacity,
        // Serialisation, deadlock, limits of locks and statements, read-only, starting up.
        ("40001" | "40P01" | "55P03" | "57014" | "25006" | "57P03", _) => Meaning::RolledBack,
        // A table or a function that is not there.
        ("42P01" | "42883", _) => Meaning::NotMigrated,
        // 40003: "statement completion unknown", by its name.
        ("40003", _) => Meaning::Unknown,
        // No space, too many connections, out of memory.
        (code, _) if code.starts_with("53") => Meaning::RolledBack,
        (code, _) if code.starts_with("08") => Meaning::Unknown,
        _ => Meaning::Refused,
    }
}

impl StoreError {
    /// A sale that was there, and is not any more.
    pub(crate) fn gone(sale: crate::domain::SaleId) -> Self {
        Self::Corrupt(format!("no sale {sale} any more"))
    }

    /// Whether the server ended the statement so that others could go on: as the victim of a deadlock,
    /// or since no order of the transactions would explain what it read. Nothing was written, and the
    /// same may succeed at once.
    pub(super) fn is_victim(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        let code = error.as_database_error().and_then(|refusal| refusal.code());
        code.is_some_and(|code| code == "40001" || code == "40P01")
    }

    /// Sorts an error of a statement that was sent.
    pub(super) fn of(error: sqlx::Error) -> Self {
        if let Some(stale) = Stale::from_error(&error) {
            return Self::Stale(stale);
        }
        let refusal =
            error.as_database_error().and_then(|e| e.try_downcast_ref::<PgDatabaseError>());
        let Some(refusal) = refusal else {
            // Broken on the way, or an answer that makes no sense: it may have been committed.
            return Self::Unknown(error);
        };
        let ended = matches!(refusal.severity(), PgSeverity::Fatal | PgSeverity::Panic);
        match meaning(refusal.code(), refusal.constraint(), ended) {
            Meaning::Moved => {
                let current = refusal.detail().and_then(|version| version.parse().ok());
                Self::Moved { current }
            }
            Meaning::KeyTaken => Self::KeyTaken,
            Meaning::OverCapacity => Self::OverCapacity,
            Meaning::RolledBack => Self::Unavailable(error),
            Meaning::Unknown => Self::Unknown(error),
            Meaning::NotMigrated => Self::NotMigrated,
            Meaning::Refused => Self::Refused(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Meaning::*, meaning};

    #[test]
    fn refusals_are_sorted_and_an_ended_session_says_nothing() {
        let table = [
            ("LH002", None, Moved),
            ("23505", Some("one_reply_per_key"), KeyTaken),
            ("23505", Some("commands_pkey"), KeyTaken),
            ("23505", Some("purchases_pkey"), Refused),
            ("23514", Some("never_oversold"), OverCapacity),
            ("23514", Some("sales_capacity_check"), Refused),
            ("40001", None, RolledBack),
            ("40P01", None, RolledBack),
            ("55P03", None, RolledBack),
            ("57014", None, RolledBack),
            ("53100", None, RolledBack),
            ("40003", None, Unknown),
            ("08006", None, Unknown),
            ("42P01", None, NotMigrated),
            ("22021", None, Refused),
        ];
        for (code, constraint, expected) in table {
            assert_eq!(meaning(code, constraint, false), expected, "{code}");
            assert_eq!(meaning(code, constraint, true), Unknown, "{code}, session ended");
        }
    }
}
