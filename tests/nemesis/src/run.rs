//! One run: servers, load, faults, healing, and the evidence.

mod breaking;
mod evidence;
mod left;

use std::{
    path::Path,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use leasehold_stack::{Progress, Shop};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use self::{
    breaking::break_and_mend,
    evidence::{accepted, clocks_off, doubled, gather},
    left::{Before, settled},
};
use crate::{
    fault::{Happened, Planned},
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
    // What is unprotected need not come to rest.
    let is_whole = plan.control.is_none();
    let breaking = async {
        let faults = break_and_mend(&site, plan, begun, &journal, watch).await;
        let healed_at = begun.elapsed();
        let resumed = if faults.is_ok() && is_whole {
            tokio::join!(market.visit(RESUMES_WITHIN), holders.resume(RESUMES_WITHIN)).0
        } else {
            Ok(Vec::new())
        };
        stop.store(true, Ordering::Relaxed);
        (faults, healed_at, resumed)
    };
    let (asked, held, (faults, healed_at, resumed)) = tokio::join!(
        market.run(crowd, Arc::clone(&stop)),
        holders.run(Arc::clone(&stop)),
        breaking
    );
    let (held, faults, mut left) = (held?, faults?, resumed?);
    asked?;
    if is_whole {
        market.resolve().await?;
    }
    drop(market);
    if is_whole {
        left.extend(settled(&site, &before, &sales).await?);
    }
    let took = begun.elapsed();
    left.extend(before.grown(&site).await);
    let operations = std::mem::take(&mut *journal.lock().unwrap_or_else(PoisonError::into_inner));
    let mut history = History { operations, holds: held.holds, increments: held.increments };
    history.doubt_what_was_doubled(&doubled(&faults));
    let evidence = Evidence {
        settled: is_whole,
        clocks_off: clocks_off(&faults),
        lock_holders: plan.shape.holders,
        ..gather(&site, &sales, history, healed_at, begun.elapsed()).await?
    };
    let accepted = accepted(&site, &sales, begun).await?;
    if is_whole {
        left.extend(before.left_at_the_end(&site).await?);
    }
    watch.step("examining");
    let violations = oracle::violations(&evidence);
    let figures = Figures::of(&evidence, &faults, &accepted);
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
        told: Arc::default(),
    }
}
