//! Lock holders: programs that use the lease crate without the service. Each takes a lease, reads a
//! counter and writes it back, fenced; some are late on purpose.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use leasehold::{
    FencingToken, HolderId, LeaseConfig, Leases, Resource, Stamp,
    fence::{self, FenceError},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use tokio::{task::JoinSet, time::timeout};

use crate::{
    history::{Hold, Increment, Written},
    oracle::Counter,
};

/// The leases' lifetime.
pub(crate) const TTL: Duration = Duration::from_millis(1000);
/// How long a holder waits for a lease.
const WAIT: Duration = Duration::from_secs(2);
/// How long a write waits for its answer.
const WRITE_LIMIT: Duration = Duration::from_secs(3);
/// How many resources they share.
const RESOURCES: usize = 2;

/// What holders write to. The lock of the fence orders the writes, so their order is that of `seq`.
pub(crate) const TABLES: &str = "
create table nemesis_counters (resource text primary key, value bigint not null);
create table nemesis_writes (
    seq bigserial primary key, resource text not null, token bigint not null, holder text not null, value bigint not null
)";

/// A holder without one of its protections: what the oracle must find.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Care {
    /// All of them.
    #[default]
    Full,
    /// The token is checked before the write, in a transaction of its own; and no lease keeps others away
    /// in between.
    CheckedOutside,
    /// No lease, and no check.
    LockSkipped,
}

/// What holders were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) holds: Vec<Hold>,
    pub(crate) increments: Vec<Increment>,
}

/// Holders, each with its own way to the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Holders {
    /// Addresses of the nodes, for each holder.
    pub(crate) ways: Vec<Vec<String>>,
    pub(crate) database_url: String,
    pub(crate) begun: Instant,
    pub(crate) seed: u64,
    pub(crate) care: Care,
}

impl Holders {
    pub(crate) async fn run(&self, stop: Arc<AtomicBool>) -> anyhow::Result<Told> {
        let told = Arc::new(Mutex::new(Told::default()));
        let mut holders = JoinSet::new();
        for (index, urls) in self.ways.iter().enumerate() {
            let config = LeaseConfig {
                ttl: TTL,
                node_timeout: Duration::from_millis(200),
                ..LeaseConfig::default()
            };
            let late = LeaseConfig { lifetime_max: Duration::ZERO, ..config.clone() };
            let holder = Holder {
                index,
                leases: Leases::connect(urls, config)?,
                unrenewed: Leases::connect(urls, late)?,
                plan: self.clone(),
                random: StdRng::seed_from_u64(
                    self.seed.wrapping_mul(31).wrapping_add(index as u64),
                ),
                told: Arc::clone(&told),
            };
            holders.spawn(holder.run(Arc::clone(&stop)));
        }
        while holders.join_next().await.is_some() {}
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *told))
    }
}

/// Reads what was written, resource by resource.
pub(crate) async fn counters(
    database_url: &str,
) -> anyhow::Result<std::collections::BTreeMap<String, Counter>> {
    let mut database = PgConnection::connect(database_url).await?;
    let mut counters = std::collections::BTreeMap::<String, Counter>::new();
    let values: Vec<(String, i64)> = sqlx::query_as("select resource, value from nemesis_counters")
        .fetch_all(&mut database)
        .await?;
    for (resource, value) in values {
        counters.entry(resource).or_default().value = value;
    }
    let writes: Vec<(String, i64, String, i64)> =
        sqlx::query_as("select resource, token, holder, value from nemesis_writes order by seq")
            .fetch_all(&mut database)
            .await?;
    for (resource, token, holder, value) in writes {
        let write = (u64::try_from(token)?, holder, value);
        counters.entry(resource).or_default().writes.push(write);
    }
    Ok(counters)
}

struct Holder {
    index: usize,
    leases: Leases,
    /// Its leases run out, as if their holder stood still.
    unrenewed: Leases,
    plan: Holders,
    random: StdRng,
    told: Arc<Mutex<Told>>,
}

impl Holder {
    async fn run(mut self, stop: Arc<AtomicBool>) {
        let mut database = None;
        while !stop.load(Ordering::Relaxed) {
            let name = format!("counter-{}", self.random.random_range(0..RESOURCES));
            let Ok(resource) = Resource::new(&*name) else { return };
            if self.plan.care == Care::Full {
                self.under_lease(&resource, &mut database).await;
            } else {
                self.without_lease(&resource, &mut database).await;
            }
            let pause = Duration::from_millis(self.random.random_range(0..20));
            tokio::time::sleep(pause).await;
        }
    }

    async fn under_lease(&mut self, resource: &Resource, database: &mut Option<PgConnection>) {
        let is_late = self.random.random_range(0..12) == 0;
        let leases = if is_late { self.unrenewed.clone() } else { self.leases.clone() };
        let Ok(lease) = leases.acquire(resource, WAIT).await else { return };
        let from = Instant::now();
        let mut hold = Hold {
            client: self.index,
            resource: resource.as_str().to_owned(),
            token: number(lease.token()),
            holder: lease.stamp().holder.to_string(),
            from: self.since(from),
            until: self.since(from),
            lost: false,
        };
        let stamp = lease.stamp().clone();
        if is_late {
            let left = lease.remaining();
            let _why = lease.lost().await;
            hold.until = self.since(Instant::now().min(from + left));
            hold.lost = true;
            self.note_hold(hold);
            // So that the next one has mostly written by then.
            tokio::time::sleep(TTL.mul_f64(self.random.random::<f64>())).await;
            self.count(&stamp, database).await;
            return;
        }
        for _ in 0..self.random.random_range(1..4) {
            self.count(&stamp, database).await;
            // In this order: it was valid at the moment before it was asked.
            let asked = Instant::now();
            hold.lost = lease.is_lost() || lease.remaining().is_zero();
            if hold.lost {
                break;
            }
            hold.until = self.since(asked);
        }
        self.note_hold(hold);
        let _outcome = lease.release().await;
    }

    /// Without leases, and so with a token that somebody made up: the time.
    async fn without_lease(&mut self, resource: &Resource, database: &mut Option<PgConnection>) {
        let now = self.since(Instant::now()).as_micros();
        let Ok(now) = i64::try_from(now) else { return };
        let Ok(token) = FencingToken::try_from((now + 1) << 10) else { return };
        let holder = HolderId::from_random(self.random.random());
        let stamp = Stamp { resource: resource.clone(), token, holder };
        self.count(&stamp, database).await;
    }

    /// Reads the counter and writes it back, one larger.
    async fn count(&mut self, stamp: &Stamp, database: &mut Option<PgConnection>) {
        let pause = Duration::from_millis(self.random.random_range(0..8));
        let start = self.since(Instant::now());
        let mut before = -1;
        let writing = async {
            if database.is_none() {
                *database = Some(PgConnection::connect(&self.plan.database_url).await?);
            }
            let Some(open) = database.as_mut() else { return Ok(Written::Unknown) };
            write(open, stamp, self.plan.care, pause, &mut before).await
        };
        let written = match timeout(WRITE_LIMIT, writing).await {
            Ok(Ok(written)) => written,
            Ok(Err(_)) | Err(_) => Written::Unknown,
        };
        if written != Written::Yes {
            // Whatever is still open on it ends with it.
            *database = None;
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

    fn note_hold(&self, hold: Hold) {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).holds.push(hold);
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.plan.begun)
    }
}

fn number(token: FencingToken) -> u64 {
    u64::try_from(token.as_i64()).unwrap_or_default()
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
    if care == Care::Full && !claim(&mut tx).await? {
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
