//! What every lock holder does with a lease: it counts, fenced, and writes down what it was told.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use leasehold::{
    Resource, Stamp,
    fence::{self, FenceError},
};
use rand::{RngExt as _, rngs::StdRng};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::{Care, Holders, RESOURCES, Told, number, random};
use crate::history::{Hold, Increment, Written};

/// How long a write waits for its answer.
const WRITE_LIMIT: Duration = Duration::from_secs(3);

pub(super) struct Writer {
    pub(super) index: usize,
    pub(super) random: StdRng,
    care: Care,
    begun: Instant,
    database_url: String,
    database: Option<PgConnection>,
    told: Arc<Mutex<Told>>,
}

impl Writer {
    pub(super) fn new(index: usize, plan: &Holders, told: Arc<Mutex<Told>>) -> Self {
        Self {
            index,
            random: random(plan.seed, index),
            care: plan.care,
            begun: plan.begun,
            database_url: plan.database_url.clone(),
            database: None,
            told,
        }
    }

    /// One of those that are shared.
    pub(super) fn any_resource(&mut self) -> Option<Resource> {
        let name = format!("counter-{}", self.random.random_range(0..RESOURCES));
        Resource::new(name).ok()
    }

    /// Reads the counter and writes it back, one larger.
    pub(super) async fn count(&mut self, stamp: &Stamp) {
        let pause = Duration::from_millis(self.random.random_range(0..8));
        let start = self.since(Instant::now());
        let mut before = -1;
        let writing = async {
            if self.database.is_none() {
                self.database = Some(PgConnection::connect(&self.database_url).await?);
            }
            let Some(open) = self.database.as_mut() else { return Ok(Written::Unknown) };
            write(open, stamp, self.care, pause, &mut before).await
        };
        let written = match timeout(WRITE_LIMIT, writing).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) | Err(_) => Written::Unknown,
        };
        if written != Written::Yes {
            // Whatever is still open on it ends with it.
            self.database = None;
        }
        if before < 0 {
            // It did not come as far as to read: nothing can have been written.
            return;
        }
        let increment = Increment {
            client: self.index,
            resource: stamp.resource.as_str().to_owned(),
            token: number(stamp.token),
            before,
            start,
            end: self.since(Instant::now()),
            written,
        };
        self.told.lock().unwrap_or_else(PoisonError::into_inner).increments.push(increment);
    }

    pub(super) fn note(&self, hold: Hold) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).holds.push(hold);
    }

    pub(super) fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begun)
    }
}

/// One transaction, as the fence's guide has it; or one that leaves something out.
async fn write(
    database: &mut PgConnection,
    stamp: &Stamp,
    care: Care,
    pause: Duration,
    before: &mut i64,
) -> Result<Written, sqlx::Error> {
    let claim = async |open: &mut PgConnection| match fence::claim(open, stamp).await {
        Ok(()) => Ok(true),
        Err(FenceError::Stale(_)) => Ok(false),
        Err(FenceError::Database(error)) => Err(error),
        Err(_) => Ok(false),
    };
    if care == Care::CheckedOutside && !claim(database).await? {
        return Ok(Written::Stale);
    }
    let mut tx = database.begin().await?;
    let is_checked = matches!(care, Care::Full | Care::NaiveToken);
    if is_checked && !claim(&mut tx).await? {
        *before = 0;
        return Ok(Written::Stale);
    }
    let resource = stamp.resource.as_str();
    let read = "select value from nemesis_counters where resource = $1";
    let value: Option<i64> =
        sqlx::query_scalar(read).bind(resource).fetch_optional(&mut *tx).await?;
    *before = value.unwrap_or(0);
    tokio::time::sleep(pause).await;
    let put = "insert into nemesis_counters (resource, value) values ($1, $2) \
               on conflict (resource) do update set value = excluded.value";
    sqlx::query(put).bind(resource).bind(*before + 1).execute(&mut *tx).await?;
    let note =
        "insert into nemesis_writes (resource, token, holder, value) values ($1, $2, $3, $4)";
    sqlx::query(note)
        .bind(resource)
        .bind(stamp.token.as_i64())
        .bind(stamp.holder.to_string())
        .bind(*before + 1)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Written::Yes)
}
