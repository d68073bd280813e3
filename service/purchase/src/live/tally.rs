//! Counts what this replica tells its buyers.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::domain::SaleId;

/// Longest latency that is told apart, in microseconds: five minutes.
const LATENCY_MAX_US: u64 = 300_000_000;

/// Sales of which a replica says how many requests were refused, those with most first.
const SALES_MAX: usize = 50;

/// What one request was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Done, now or under the same key before.
    Granted,
    /// Not possible.
    Refused,
    /// Not known.
    Unknown,
    /// That it stands in a queue.
    Accepted,
    /// Nothing happened, and that says nothing about the sale.
    Failed,
}

/// How a replica fares.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Requests that were granted since it runs.
    pub granted: u64,
    /// … refused.
    pub refused: u64,
    /// … left unknown.
    pub unknown: u64,
    /// Writes with a stale token that Postgres refused.
    pub stale_refused: u64,
    /// Requests granted a second.
    pub granted_per_s: f64,
    /// Requests refused a second.
    pub refused_per_s: f64,
    /// Half of the requests took less, in milliseconds.
    pub p50_ms: f64,
    /// All but a hundredth of them took less.
    pub p99_ms: f64,
    /// Requests under way.
    pub under_way: u64,
    /// Requests refused a second, by sale.
    pub refused_of: HashMap<String, f64>,
}

#[derive(Debug)]
struct Counts {
    stats: Stats,
    since: Instant,
    granted: u64,
    refused: HashMap<SaleId, u64>,
    latencies: Histogram<u32>,
}

/// Counts since the replica started, and since they were last taken.
#[derive(Debug)]
pub struct Tally {
    counts: Mutex<Counts>,
}

impl Default for Tally {
    fn default() -> Self {
        // Fails for bounds that make no sense only.
        #[expect(clippy::expect_used, reason = "the bounds are constants")]
        let latencies =
            Histogram::new_with_max(LATENCY_MAX_US, 2).expect("a histogram of constant bounds");
        let counts = Counts {
            stats: Stats::default(),
            since: Instant::now(),
            granted: 0,
            refused: HashMap::new(),
            latencies,
        };
        Self { counts: Mutex::new(counts) }
    }
}

impl Tally {
    /// One request begins.
    pub fn begin(&self) {
        self.change(|counts| counts.stats.under_way += 1);
    }

    /// One request ends.
    pub fn end(&self, sale: SaleId, told: Told, took: Duration) {
        self.change(|counts| {
            counts.stats.under_way = counts.stats.under_way.saturating_sub(1);
            let micros = u64::try_from(took.as_micros()).unwrap_or(LATENCY_MAX_US);
            counts.latencies.saturating_record(micros);
            match told {
                Told::Granted => {
                    counts.stats.granted += 1;
                    counts.granted += 1;
                }
                Told::Refused => {
                    counts.stats.refused += 1;
                    *counts.refused.entry(sale).or_default() += 1;
                }
                Told::Unknown => counts.stats.unknown += 1,
                Told::Accepted | Told::Failed => {}
            }
        });
    }

    /// Postgres refused a write with a stale token.
    pub fn stale(&self) {
        self.change(|counts| counts.stats.stale_refused += 1);
    }

    /// How this replica fares; rates and latencies are those since the last time this was asked.
    pub fn take(&self) -> Stats {
        self.change(|counts| {
            let seconds = counts.since.elapsed().as_secs_f64().max(0.001);
            #[expect(clippy::cast_precision_loss, reason = "counts of a second")]
            let per_second = |count: u64| count as f64 / seconds;
            #[expect(clippy::cast_precision_loss, reason = "below five minutes")]
            let ms = |quantile| counts.latencies.value_at_quantile(quantile) as f64 / 1000.0;
            let mut refused: Vec<_> = counts.refused.drain().collect();
            let stats = &mut counts.stats;
            (stats.p50_ms, stats.p99_ms) = (ms(0.5), ms(0.99));
            stats.granted_per_s = per_second(std::mem::take(&mut counts.granted));
            stats.refused_per_s = per_second(refused.iter().map(|(_, count)| count).sum());
            refused.sort_unstable_by_key(|&(_, count)| std::cmp::Reverse(count));
            refused.truncate(SALES_MAX);
            stats.refused_of = refused
                .iter()
                .map(|(sale, count)| (sale.to_string(), per_second(*count)))
                .collect();
            counts.latencies.reset();
            counts.since = Instant::now();
            stats.clone()
        })
    }

    fn change<T>(&self, change: impl FnOnce(&mut Counts) -> T) -> T {
        change(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn rates_begin_anew_and_totals_go_on() {
        let tally = Tally::default();
        let sale = SaleId::from_uuid(Uuid::from_u128(1));
        for told in [Told::Granted, Told::Refused, Told::Refused, Told::Unknown, Told::Failed] {
            tally.begin();
            tally.end(sale, told, Duration::from_millis(20));
        }
        tally.begin();
        let first = tally.take();
        assert_eq!((first.granted, first.refused, first.unknown, first.under_way), (1, 2, 1, 1));
        assert!(first.granted_per_s > 0.0 && first.refused_of[&sale.to_string()] > 0.0);
        assert!((19.0..21.0).contains(&first.p50_ms), "{}", first.p50_ms);
        let second = tally.take();
        assert_eq!((second.granted, second.refused), (1, 2));
        assert!(second.granted_per_s == 0.0 && second.refused_of.is_empty());
    }
}
