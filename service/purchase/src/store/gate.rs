//! The gate in front of the pool: as many at once as there are connections, first come first served,
//! and what that looks like from outside.
//!
//! The pool has a queue of its own, but neither says how many wait nor how long each keeps its
//! connection, which is what a database with a hot row runs out of first.

use std::{
    ops::{Deref, DerefMut},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::room::{self, Asked, Room};

/// A connection that takes longer to be made is asked about.
const SOON: Duration = Duration::from_millis(100);

/// A pool, and who may use it.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    pool: PgPool,
    name: &'static str,
    size: u32,
    limit: Duration,
    places: Arc<Semaphore>,
    waiting: Arc<AtomicUsize>,
    room: Arc<Room>,
}

impl Gate {
    pub(super) fn new(pool: PgPool, name: &'static str, size: u32, limit: Duration) -> Self {
        let places = Arc::new(Semaphore::new(size as usize));
        Self { pool, name, size, limit, places, waiting: Arc::default(), room: Arc::default() }
    }

    /// Waits for a place and a connection, as long as a statement may take.
    pub(super) async fn pass(&self) -> Result<Held, sqlx::Error> {
        let waiting = Waiting::new(&self.waiting);
        let place = tokio::time::timeout(self.limit, Arc::clone(&self.places).acquire_owned());
        let Ok(Ok(place)) = place.await else { return Err(sqlx::Error::PoolTimedOut) };
        // Has a limit of its own: making a connection may take as long again.
        let connection = self.connection().await?;
        drop(waiting);
        let time = HoldTime { name: self.name, since: Instant::now() };
        Ok(Held { connection, _time: time, _place: place })
    }

    /// A connection of the pool; or, soon, that Postgres has none left.
    async fn connection(&self) -> Result<PoolConnection<Postgres>, sqlx::Error> {
        if self.pool.num_idle() == 0 {
            self.room.check(|| self.ask()).await?;
        }
        let mut acquiring = pin!(self.pool.acquire());
        if let Ok(acquired) = tokio::time::timeout(SOON, &mut acquiring).await {
            return acquired;
        }
        tokio::select! {
            biased;
            acquired = acquiring => acquired,
            refusal = self.room.refusal(|| self.ask()) => Err(refusal),
        }
    }

    fn ask(&self) -> Asked<'static> {
        Box::pin(room::ask(self.pool.connect_options(), self.limit))
    }

    pub(super) fn export(&self) {
        let gauge = |name: &'static str, value: f64| {
            metrics::gauge!(name, "pool" => self.name).set(value);
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "tens of connections, thousands of requests"
        )]
        let count = |count: usize| count as f64;
        gauge("leasehold_postgres_gate_size", f64::from(self.size));
        gauge("leasehold_postgres_gate_free", count(self.places.available_permits()));
        gauge("leasehold_postgres_gate_waiting", count(self.waiting.load(Ordering::Relaxed)));
        gauge("leasehold_postgres_connections", f64::from(self.pool.size()));
        gauge("leasehold_postgres_connections_idle", count(self.pool.num_idle()));
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Counts one who waits, also if it gives up.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        let _before = count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let _before = self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection, for one statement.
#[derive(Debug)]
pub(super) struct Held {
    connection: PoolConnection<Postgres>,
    _time: HoldTime,
    _place: OwnedSemaphorePermit,
}

impl Held {
    /// Closes the connection instead of giving it back: its answer is still to come.
    pub(super) fn discard(self) {
        drop(self.connection.detach());
    }
}

impl Deref for Held {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}

/// Records how long a connection was held.
#[derive(Debug)]
struct HoldTime {
    name: &'static str,
    since: Instant,
}

impl Drop for HoldTime {
    fn drop(&mut self) {
        metrics::histogram!("leasehold_postgres_hold_seconds", "pool" => self.name)
            .record(self.since.elapsed().as_secs_f64());
    }
}
