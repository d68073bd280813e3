//! One run: servers, load, faults, healing, and the evidence.

mod evidence;
mod left;

use std::{
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leasehold_stack::{Progress, Shop};
use serde::{Deserialize, Serialize};
use tokio::{task::JoinSet, time::sleep_until};
use uuid::Uuid;

use self::{
    evidence::{accepted, doubled, gather},
    left::{Before, settled},
};
use crate::{
    fault::{Fault, Happened, Planned, Victim},
    figures::{Accepted, Figures},
    history::History,
    holders::{Care, Holders},
    load::{Crowd, Journal, Market},
    oracle::{self, Evidence},
    schedule::{Schedule, Shape},
    site::Site,
};

/// Within which time after healing every replica sells every sale again.
pub const RESUMES_WITHIN: Duration = Duration::from_secs(30);
/// How often a wait looks again.
const POLL: Duration = Duration::from_millis(100);

/// A protection that is taken away, so that the oracle is seen to notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
pub enum Control {
    /// Replicas read and write without lease, lock, version and fence.
    FenceOff,
    /// Buyers repeat themselves under new keys: as if keys were not known.
    KeysForgotten,
    /// Lock holders' tokens, made up without leases, are checked before the write, in a transaction of their own.
    CheckedOutside,
    /// Lock holders neither lock nor check.
    LockSkipped,
    /// Lock holders' tokens are counted by each node for itself.
    NaiveToken,
}

/// What a run is made of.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// Of the load.
    pub seed: u64,
    /// What there is.
    pub shape: Shape,
    /// The sales: strategy and capacity.
    pub sales: Vec<(String, u32)>,
    /// Buyers.
    pub clients: usize,
    /// Requests a second, of all buyers together.
    pub rate: u32,
    /// For how long, at least; the faults may take longer.
    pub length: Duration,
    /// What goes wrong.
    pub schedule: Schedule,
    /// What is left out on purpose.
    pub control: Option<Control>,
}

impl Plan {
    /// Three sales: a large one and a small one under leases, and a small one of another strategy.
    #[must_use]
    pub fn sales(seed: u64) -> Vec<(String, u32)> {
        let others = ["queue", "row_lock", "optimistic", "event_log"];
        let other = others[usize::try_from(seed % 4).unwrap_or(0)];
        let sale = |strategy: &str, capacity| (strategy.to_owned(), capacity);
        vec![sale("leased", 50_000_000), sale("leased", 60), sale(other, 60)]
    }
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What was examined.
    pub evidence: Evidence,
    /// What cannot be; empty when all is well.
    pub violations: Vec<String>,
    /// What is left behind; empty when nothing is.
    pub left: Vec<String>,
    /// In numbers.
    pub figures: Figures,
    /// The faults, with the times at which they really began and ended.
    pub faults: Vec<Happened>,
    /// All accepted writes.
    pub accepted: Vec<Accepted>,
    /// From the first request to the last.
    pub took: Duration,
}

/// What a person sees meanwhile.
pub trait Watch: Progress {
    /// Called a few times a second.
    fn now(&self, at: Duration, answered: usize, under_way: &[Planned]);
}

/// Does it. `program` is this one, which is also each of the services, with their fault points.
///
/// # Errors
/// When the servers cannot be started, broken or mended: then it shows nothing.
pub async fn run(plan: &Plan, program: &Path, watch: &dyn Watch) -> anyhow::Result<Ran> {
    let site = Arc::new(Site::start(plan.shape, program, watch).await?);
    let mut sales = Vec::new();
    for (strategy, capacity) in &plan.sales {
        sales.push(site.sale(strategy, *capacity).await?);
    }
    if plan.control == Some(Control::FenceOff) {
        site.take_away("fence_off")?;
        site.take_away("lease_off")?;
    }
    let before = Before::of(&site).await;
    let begun = Instant::now();
    let journal: Journal = Arc::default();
    let market = market(&site, plan, &sales, begun, Arc::clone(&journal)).await;
    let holders = holders(&site, plan, begun).await;
    let stop = Arc::new(AtomicBool::new(false));
    let crowd = Crowd { clients: plan.clients, rate: plan.rate, seed: plan.seed };
    let breaking = async {
        let faults = break_and_mend(&site, plan, begun, &journal, watch).await;
        let healed_at = begun.elapsed();
        if faults.is_ok() && plan.control.is_none() {
            market.visit(RESUMES_WITHIN).await;
        }
        stop.store(true, Ordering::Relaxed);
        (faults, healed_at)
    };
    let (_, held, (faults, healed_at)) = tokio::join!(
        market.run(crowd, Arc::clone(&stop)),
        holders.run(Arc::clone(&stop)),
        breaking
    );
    let (held, faults) = (held?, faults?);
    // What is unprotected need not come to rest.
    let is_whole = plan.control.is_none();
    if is_whole {
        market.resolve().await;
    }
    drop(market);
    let mut left = if is_whole { settled(&site, &before, &sales).await? } else { Vec::new() };
    let took = begun.elapsed();
    left.extend(before.grown(&site).await);
    let operations = std::mem::take(&mut *journal.lock().unwrap_or_else(PoisonError::into_inner));
    let holds = if plan.schedule.keeps_time() { held.holds } else { Vec::new() };
    let mut history = History { operations, holds, increments: held.increments };
    history.doubt_what_was_doubled(&doubled(&faults));
    let evidence = gather(&site, &sales, history, healed_at, begun.elapsed()).await?;
    let accepted = accepted(&site, &sales, begun).await?;
    if is_whole {
        left.extend(before.left_at_the_end(&site).await?);
    }
    watch.step("examining");
    let violations = oracle::violations(&evidence);
    let figures = Figures::of(&evidence.history, &faults, &accepted);
    Ok(Ran { evidence, violations, left, figures, faults, accepted, took })
}

/// Who asks, and where.
async fn market(
    site: &Site,
    plan: &Plan,
    sales: &[Uuid],
    begun: Instant,
    journal: Journal,
) -> Market {
    Market {
        // With connections of its own: they end with it.
        shop: Shop::new(site.shop().keys().clone()),
        replicas: site.fronts(),
        balancer: site.balancer_url().await,
        sales: sales.into(),
        begun,
        journal,
        forgets_keys: plan.control == Some(Control::KeysForgotten),
    }
}

/// Who holds leases without the service, and how.
async fn holders(site: &Site, plan: &Plan, begun: Instant) -> Holders {
    let care = match plan.control {
        Some(Control::CheckedOutside) => Care::CheckedOutside,
        Some(Control::LockSkipped) => Care::LockSkipped,
        Some(Control::NaiveToken) => Care::NaiveToken,
        Some(Control::FenceOff | Control::KeysForgotten) | None => Care::Full,
    };
    Holders {
        ways: site.ways(),
        sidecar: site.sidecar_url().await,
        database_url: site.database_url().to_owned(),
        begun,
        seed: plan.seed,
        care,
    }
}

/// What a fault has while it lasts. Dropping it lets others have it.
struct Turn {
    planned: Planned,
    under_way: Arc<Mutex<Vec<Planned>>>,
}

impl Turn {
    /// Waits until nothing under way is in its way: on a busy machine the one before it may take longer
    /// than it was to, and who is not there yet can be neither killed nor stopped.
    async fn of(planned: Planned, under_way: &Arc<Mutex<Vec<Planned>>>) -> Self {
        loop {
            {
                let mut others = lock(under_way);
                if !others.iter().any(|other| other.fault.clashes(planned.fault)) {
                    others.push(planned);
                    return Self { planned, under_way: Arc::clone(under_way) };
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.under_way).retain(|other| *other != self.planned);
    }
}

/// Lives through the schedule, and returns what really happened when.
async fn break_and_mend(
    site: &Arc<Site>,
    plan: &Plan,
    begun: Instant,
    journal: &Journal,
    watch: &dyn Watch,
) -> anyhow::Result<Vec<Happened>> {
    let under_way: Arc<Mutex<Vec<Planned>>> = Arc::default();
    let mut faults = JoinSet::new();
    for planned in plan.schedule.faults.iter().copied() {
        let (site, under_way) = (Arc::clone(site), Arc::clone(&under_way));
        faults.spawn(async move {
            sleep_until((begun + planned.at).into()).await;
            let _turn = Turn::of(planned, &under_way).await;
            let at = begun.elapsed();
            // One that began late lasts as long all the same: nothing is undone before it has happened.
            let ends = begun + planned.ends().max(at + planned.lasts);
            let about = || planned.fault.about();
            site.inject(planned.fault).await.with_context(about)?;
            let met = match planned.fault {
                Fault::KillBeforeWrite | Fault::PauseBeforeWrite => {
                    let met = site.met("before_write", ends).await;
                    met.map(|replica| (replica, begun.elapsed()))
                }
                Fault::KillAfterWrite => {
                    let met = site.met("after_write", ends).await;
                    met.map(|replica| (replica, begun.elapsed()))
                }
                Fault::Kill(Victim::Replica(replica)) | Fault::Pause(Victim::Replica(replica)) => {
                    Some((replica, at))
                }
                _ => None,
            };
            sleep_until(ends.into()).await;
            site.undo(planned.fault).await.with_context(|| format!("undo: {}", about()))?;
            let fault = Planned { at, lasts: begun.elapsed() - at, ..planned };
            anyhow::Ok(Happened { fault, met })
        });
    }
    let done = AtomicUsize::new(0);
    let watching = async {
        while done.load(Ordering::Relaxed) == 0 {
            let answered = journal.lock().unwrap_or_else(PoisonError::into_inner).len();
            let now = lock(&under_way).clone();
            watch.now(begun.elapsed(), answered, &now);
            tokio::time::sleep(POLL).await;
        }
    };
    let living = async {
        let mut real = Vec::new();
        let mut failed = None;
        while let Some(ended) = faults.join_next().await {
            match ended {
                Ok(Ok(happened)) => real.push(happened),
                // The others are still undone.
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(error) => failed = failed.or(Some(error.into())),
            }
        }
        sleep_until((begun + plan.length).into()).await;
        done.store(1, Ordering::Relaxed);
        real.sort_unstable_by_key(|happened| happened.fault.at);
        failed.map_or(Ok(real), Err)
    };
    tokio::join!(living, watching).0
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
