//! Whether Postgres has a connection left. When it has none, the pool tries again and again for as long as it
//! may, and does not say why it has none: so that is asked aside, by one at a time, and told to all.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures_util::future::BoxFuture;
use sqlx::{ConnectOptions as _, Connection as _, postgres::PgConnectOptions};
use tokio::time::Instant;

/// What Postgres says when it has no connection left, for anybody or for users like ours.
const NONE_LEFT: &str = "53300";

/// How long it is left alone once it has said so: each attempt is a process that it starts.
const LEFT_ALONE: Duration = Duration::from_millis(250);

/// Whether there is room for another connection, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Room {
    refused: Mutex<Option<Refused>>,
    /// Who asks.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Clone, Debug)]
struct Refused {
    at: Instant,
    why: Arc<str>,
}

impl Refused {
    fn error(&self) -> sqlx::Error {
        sqlx::Error::Io(io::Error::other(format!("no connection is left: {}", self.why)))
    }
}

/// What asking comes to: why there is none, if there is none.
pub(super) type Asked<'a> = BoxFuture<'a, Option<String>>;

impl Room {
    /// Fails at once while there is known to be none left. If that was said a while ago, one asks anew, and the
    /// others do not wait for it.
    pub(super) async fn check<'a>(
        &self,
        ask: impl FnOnce() -> Asked<'a>,
    ) -> Result<(), sqlx::Error> {
        let Some(refused) = self.refused() else { return Ok(()) };
        let asking = self.asking.try_lock();
        if refused.at.elapsed() < LEFT_ALONE || asking.is_err() {
            return Err(refused.error());
        }
        self.note(ask().await).map_or(Ok(()), |refused| Err(refused.error()))
    }

    /// Why no connection is to be had, if it is that none is left. Else it never ends.
    pub(super) async fn refusal<'a>(&self, ask: impl FnOnce() -> Asked<'a>) -> sqlx::Error {
        let begun = Instant::now();
        let asking = self.asking.lock().await;
        // Another may have asked meanwhile.
        let told = self.refused().filter(|refused| refused.at >= begun);
        let refused = match told {
            Some(refused) => Some(refused),
            None => self.note(ask().await),
        };
        drop(asking);
        match refused {
            Some(refused) => refused.error(),
            None => std::future::pending().await,
        }
    }

    fn refused(&self) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, why: Option<String>) -> Option<Refused> {
        let refused = why.map(|why| Refused { at: Instant::now(), why: why.into() });
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&refused);
        refused
    }
}

/// Connects once, to hear why that cannot be. Whatever else is wrong the pool meets itself.
pub(super) async fn ask(options: Arc<PgConnectOptions>, limit: Duration) -> Option<String> {
    match tokio::time::timeout(limit, options.connect()).await {
        Ok(Ok(connection)) => {
            // It is gone either way.
            let _closed = connection.close().await;
            None
        }
        Ok(Err(sqlx::Error::Database(refusal))) if refusal.code().as_deref() == Some(NONE_LEFT) => {
            Some(refusal.message().to_owned())
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::{FutureExt as _, join_all};

    use super::*;

    /// A server that says the same for a while, and how often it was asked.
    #[derive(Default)]
    struct Server(AtomicUsize);

    impl Server {
        fn says<'a>(&'a self, why: Option<&'a str>) -> impl FnOnce() -> Asked<'a> + Clone {
            move || {
                let _before = self.0.fetch_add(1, Ordering::Relaxed);
                async move {
                    tokio::task::yield_now().await;
                    why.map(str::to_owned)
                }
                .boxed()
            }
        }

        fn asked(&self) -> usize {
            self.0.swap(0, Ordering::Relaxed)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_none_is_left_one_asks_now_and_then_and_all_are_told() {
        let (room, server) = (Room::default(), Server::default());
        let (full, free) = (server.says(Some("too many")), server.says(None));
        room.check(full.clone()).await.unwrap();
        assert_eq!(server.asked(), 0, "nobody has reason to ask");
        let refusals = join_all((0..8).map(|_| room.refusal(full.clone()))).await;
        assert!(refusals.iter().all(|refusal| refusal.to_string().contains("too many")));
        assert_eq!(server.asked(), 1);
        assert!(
            join_all((0..8).map(|_| room.check(full.clone()))).await.iter().all(Result::is_err)
        );
        assert_eq!(server.asked(), 0, "left alone");
        for _ in 0..3 {
            tokio::time::advance(LEFT_ALONE).await;
            let told = join_all((0..8).map(|_| room.check(full.clone()))).await;
            assert!(told.iter().all(Result::is_err));
            assert_eq!(server.asked(), 1);
        }
        tokio::time::advance(LEFT_ALONE).await;
        let told = join_all((0..8).map(|_| room.check(free.clone()))).await;
        assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "the one that asked");
        room.check(full).await.unwrap();
        assert_eq!(server.asked(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_slow_for_other_reasons_is_not_refused() {
        let (room, server) = (Room::default(), Server::default());
        let waited = tokio::time::timeout(Duration::from_secs(60), room.refusal(server.says(None)));
        assert!(waited.await.is_err());
        room.check(server.says(None)).await.unwrap();
        assert_eq!(server.asked(), 1);
    }
}
