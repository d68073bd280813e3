//! How replicas and sales do at one moment, as the live page is told.

use std::collections::HashMap;

use serde::Serialize;

use super::Stats;
use crate::{
    domain::{Moment, SaleId, SaleState, SaleView},
    store::{Activity, RATE_MS, Store, StoreError},
};

/// A replica that was not seen for longer is gone, in milliseconds.
const SEEN_MS: i64 = 5000;

/// Replicas and sales that are shown at most.
const REPLICAS_MAX: i64 = 100;
const SALES_MAX: usize = 50;

/// How replicas and sales do at one moment.
#[derive(Debug, Serialize)]
#[expect(missing_docs, reason = "named as in Stats and SaleView, which explain them")]
pub struct Snapshot {
    pub at: Moment,
    /// The replica that says so.
    pub replica: String,
    pub replicas: Vec<ReplicaLive>,
    /// The most recently active first.
    pub sales: Vec<SaleLive>,
    pub totals: Totals,
}

/// How a replica fares.
#[derive(Debug, Serialize)]
pub struct ReplicaLive {
    pub name: String,
    pub up: bool,
    pub seen_ms_ago: i64,
    pub started_at: Moment,
    pub granted: u64,
    pub refused: u64,
    pub unknown: u64,
    pub stale_refused: u64,
    pub granted_per_s: f64,
    pub refused_per_s: f64,
    pub p50_ms: f64,
    pub p99_ms: f64,
    pub under_way: u64,
}

/// How a sale does.
#[derive(Debug, Serialize)]
pub struct SaleLive {
    pub sale_id: SaleId,
    pub name: String,
    pub state: SaleState,
    pub capacity: u32,
    pub allowance: u32,
    pub sold: u32,
    pub held: u32,
    pub waiting: u32,
    pub left: u32,
    pub version: i64,
    pub granted_per_s: f64,
    pub refused_per_s: f64,
    /// In the last minute.
    pub batches: i64,
    pub units_per_batch: f64,
    /// Which replica wrote last.
    pub holder: Option<String>,
    pub token: Option<String>,
    pub last_write_ms_ago: Option<i64>,
}

/// All replicas together.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    pub granted: u64,
    pub refused: u64,
    pub unknown: u64,
    pub stale_refused: u64,
    pub granted_per_s: f64,
    pub refused_per_s: f64,
}

impl Snapshot {
    /// Reads how all do now.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn read(store: &Store, replica: &str) -> Result<Self, StoreError> {
        let rows = store.replicas(REPLICAS_MAX).await?;
        let stats: Vec<Stats> =
            rows.iter().map(|row| serde_json::from_str(&row.stats).unwrap_or_default()).collect();
        let replicas: Vec<_> = (rows.into_iter().zip(&stats))
            .map(|(row, stats)| {
                let up = row.seen_ago_ms < SEEN_MS;
                let now = |rate: f64| if up { rate } else { 0.0 };
                ReplicaLive {
                    name: row.name,
                    up,
                    seen_ms_ago: row.seen_ago_ms,
                    started_at: Moment::from_millis(row.started_at),
                    granted: stats.granted,
                    refused: stats.refused,
                    unknown: stats.unknown,
                    stale_refused: stats.stale_refused,
                    granted_per_s: now(stats.granted_per_s),
                    refused_per_s: now(stats.refused_per_s),
                    p50_ms: now(stats.p50_ms),
                    p99_ms: now(stats.p99_ms),
                    under_way: if up { stats.under_way } else { 0 },
                }
            })
            .collect();
        let mut refused: HashMap<&str, f64> = HashMap::new();
        for (stats, _) in stats.iter().zip(&replicas).filter(|(_, replica)| replica.up) {
            for (sale, rate) in &stats.refused_of {
                *refused.entry(sale).or_default() += rate;
            }
        }
        let totals = totals(&replicas);
        let (sales, at) = sales(store, &refused).await?;
        Ok(Self { at, replica: replica.to_owned(), replicas, sales, totals })
    }
}

fn totals(replicas: &[ReplicaLive]) -> Totals {
    let mut totals = Totals::default();
    for replica in replicas {
        totals.granted += replica.granted;
        totals.refused += replica.refused;
        totals.unknown += replica.unknown;
        totals.stale_refused += replica.stale_refused;
        totals.granted_per_s += replica.granted_per_s;
        totals.refused_per_s += replica.refused_per_s;
    }
    totals
}

/// The sales that were written to lately, then the newest of the others.
async fn sales(
    store: &Store,
    refused: &HashMap<&str, f64>,
) -> Result<(Vec<SaleLive>, Moment), StoreError> {
    let limit = i64::try_from(SALES_MAX).unwrap_or(i64::MAX);
    let (active, at) = store.activity(limit).await?;
    let ids: Vec<SaleId> = active.iter().map(Activity::sale).collect();
    let mut shown: Vec<SaleView> = Vec::new();
    let mut read = store.sales_by_id(&ids).await?;
    read.sort_by_key(|(state, _)| ids.iter().position(|id| *id == state.sale.id));
    for (state, now) in read.into_iter().chain(store.sales(None, limit).await?) {
        if shown.len() < SALES_MAX && shown.iter().all(|other| other.sale_id != state.sale.id) {
            shown.push(SaleView::of(&state, now));
        }
    }
    let sales = shown.into_iter().map(|view| {
        let lately = active.iter().find(|activity| activity.sale() == view.sale_id);
        let rate = refused.get(view.sale_id.to_string().as_str()).copied().unwrap_or(0.0);
        sale(view, lately, rate, at)
    });
    Ok((sales.collect(), at))
}

#[expect(clippy::cast_precision_loss, reason = "counts of a minute")]
fn sale(view: SaleView, lately: Option<&Activity>, refused_per_s: f64, at: Moment) -> SaleLive {
    let rate = |units: i64| units as f64 * 1000.0 / RATE_MS as f64;
    SaleLive {
        sale_id: view.sale_id,
        name: view.terms.name,
        state: view.state,
        capacity: view.terms.capacity,
        allowance: view.terms.allowance,
        sold: view.sold,
        held: view.held,
        waiting: view.waiting,
        left: view.left,
        version: view.version,
        granted_per_s: lately.map_or(0.0, |activity| rate(activity.units_lately)),
        refused_per_s,
        batches: lately.map_or(0, |activity| activity.batches),
        units_per_batch: lately
            .map_or(0.0, |activity| activity.units as f64 / activity.batches.max(1) as f64),
        holder: lately.map(|activity| activity.replica.clone()),
        token: lately.and_then(|activity| activity.token).map(|token| token.to_string()),
        last_write_ms_ago: lately.map(|activity| (at.as_millis() - activity.written_at).max(0)),
    }
}
