//! Lock holders: programs that use leases without the service. Each takes a lease, reads a counter and writes it
//! back, fenced; some are late on purpose. One of them takes its leases through a sidecar.

mod beside;
mod direct;
mod naive;
mod writer;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use leasehold::{FencingToken, LeaseConfig, Leases};
use rand::{SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use tokio::task::JoinSet;

use self::{beside::Beside, direct::Direct, naive::Naive, writer::Writer};
use crate::{
    history::{Hold, Increment, Written},
    oracle::Counter,
    tasks::next_of,
};

/// The leases' lifetime.
pub(crate) const TTL: Duration = Duration::from_millis(1000);
/// How long a holder waits for a lease.
const WAIT: Duration = Duration::from_secs(2);
/// How often it is looked whether they have gone on.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
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
    /// Under a lease and with a check, but of a token that nodes count each for itself: the largest that one
    /// of them says.
    NaiveToken,
}

/// What holders were told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) holds: Vec<Hold>,
    pub(crate) increments: Vec<Increment>,
}

impl Told {
    fn has_gone_on(&self, client: usize, healed: Duration) -> bool {
        let mut writes = self.increments.iter().filter(|write| write.client == client);
        let mut holds = self.holds.iter().filter(|hold| hold.client == client);
        writes.any(|write| write.written == Written::Yes && write.start >= healed)
            && holds.any(|hold| hold.from > healed + TTL && hold.from < hold.until)
    }
}

/// Holders, each with its own way to the nodes.
#[derive(Clone, Debug)]
pub(crate) struct Holders {
    /// Addresses of the nodes, for each holder.
    pub(crate) ways: Vec<Vec<String>>,
    /// Where the last of them takes its leases, if not from the nodes.
    pub(crate) sidecar: Option<String>,
    pub(crate) database_url: String,
    pub(crate) begun: Instant,
    pub(crate) seed: u64,
    pub(crate) care: Care,
    /// What they were told so far.
    pub(crate) told: Arc<Mutex<Told>>,
}

impl Holders {
    /// Takes leases and writes until told to stop; returns what everybody was told.
    ///
    /// # Errors
    /// When a holder panicked.
    pub(crate) async fn run(&self, stop: Arc<AtomicBool>) -> anyhow::Result<Told> {
        let mut holders = JoinSet::new();
        for (index, urls) in self.ways.iter().enumerate() {
            let writer = Writer::new(index, self, Arc::clone(&self.told));
            let is_last = index + 1 == self.ways.len();
            match self.sidecar.as_deref().filter(|_| is_last && self.care == Care::Full) {
                Some(url) => {
                    let beside = Beside::new(writer, url);
                    holders.spawn(beside.run(Arc::clone(&stop)));
                }
                None => {
                    let direct = self.direct(writer, urls)?;
                    holders.spawn(direct.run(Arc::clone(&stop)));
                }
            }
        }
        while next_of(&mut holders, "a lock holder").await?.is_some() {}
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(std::mem::take(&mut *told))
    }

    /// Waits until each of them has written, and has had a lease that began after all leases of now had run out:
    /// or until it is sure that one did not within the limit. The oracle says so then.
    pub(crate) async fn resume(&self, limit: Duration) {
        let healed = self.begun.elapsed();
        while self.begun.elapsed() <= healed + limit {
            let has_resumed = {
                let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                (0..self.ways.len()).all(|client| told.has_gone_on(client, healed))
            };
            if has_resumed {
                return;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    fn direct(&self, writer: Writer, urls: &[String]) -> anyhow::Result<Direct> {
        let config = LeaseConfig {
            ttl: TTL,
            node_timeout: Duration::from_millis(200),
            ..LeaseConfig::default()
        };
        let late = LeaseConfig { lifetime_max: Duration::ZERO, ..config.clone() };
        let naive = (self.care == Care::NaiveToken).then(|| Naive::new(urls)).transpose()?;
        Ok(Direct {
            writer,
            care: self.care,
            leases: Leases::connect(urls, config)?,
            unrenewed: Leases::connect(urls, late)?,
            naive,
        })
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

fn random(seed: u64, index: usize) -> StdRng {
    StdRng::seed_from_u64(seed.wrapping_mul(31).wrapping_add(index as u64))
}

fn number(token: FencingToken) -> u64 {
    u64::try_from(token.as_i64()).unwrap_or_default()
}
