//! Servers, replicas and sales; and the buyers of one round.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;
use leasehold_stack::{Keys, Program, Replica, ReplicaConfig, Shop, Stack, StackConfig, Stderr};
use serde_json::json;
use tokio::{sync::Barrier, task::JoinSet};
use uuid::Uuid;

use super::{
    plain::{self, Plain},
    wire::{Asked, Connection},
};
use crate::stats::{float, histogram, micros};

const CREATED: u16 = 201;
const CONFLICT: u16 = 409;
const SOLD_OUT: &[u8] = b"\"sold_out\"";

/// Pause before somebody who was told nothing asks again.
const AGAIN: Duration = Duration::from_millis(50);

/// What buyers ask, and how much there is of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A sale with this strategy, and enough for all.
    Strategy(&'static str),
    /// A sale with this strategy, and nothing left.
    SoldOut(&'static str),
    Statement,
    Nothing,
}

impl Lane {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Strategy(name) => name.to_owned(),
            Self::SoldOut(name) => format!("{name}, sold out"),
            Self::Statement => "one statement".to_owned(),
            Self::Nothing => "no-op endpoint".to_owned(),
        }
    }

    const fn expects(self) -> u16 {
        match self {
            Self::SoldOut(_) => CONFLICT,
            _ => CREATED,
        }
    }
}

/// All rounds of one lane.
pub(crate) struct Measured {
    pub(crate) lane: Lane,
    pub(crate) rates: Vec<f64>,
    pub(crate) times: Histogram<u64>,
    /// Answers that were not what there is.
    pub(crate) turned_away: u64,
}

impl Measured {
    pub(crate) fn of(lanes: &[Lane]) -> anyhow::Result<Vec<Self>> {
        let new = |&lane| Ok(Self { lane, rates: Vec::new(), times: histogram()?, turned_away: 0 });
        lanes.iter().map(new).collect()
    }
}

pub(crate) struct Market {
    replicas: Vec<Replica>,
    plain: Vec<Plain>,
    shop: Shop,
    _stack: Stack,
}

impl Market {
    pub(crate) async fn open(replicas: u16) -> anyhow::Result<Self> {
        let config = StackConfig { lease_nodes: 3, ..StackConfig::default() };
        let stack = Stack::start(config, &Stderr::new()).await?;
        let keys = Keys::random();
        let config = ReplicaConfig::on(&stack, Program::linked()?, keys.clone());
        config.migrate().await?;
        plain::make_tables(&stack.database_url()).await?;
        let (mut started, mut plain) = (Vec::new(), Vec::new());
        for number in 1..=replicas {
            started.push(config.start(&format!("replica-{number}")).await?);
            plain.push(Plain::start(number, &stack.database_url(), stack.folder()).await?);
        }
        Ok(Self { replicas: started, plain, shop: Shop::new(keys), _stack: stack })
    }

    /// The most memory that a replica ever had, in bytes; `None` where that cannot be known.
    pub(crate) fn memory(&self) -> Option<u64> {
        let of = |replica: &Replica| {
            let path = format!("/proc/{}/status", replica.process().pid());
            let status = std::fs::read_to_string(path).ok()?;
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
            Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
        };
        self.replicas.iter().filter_map(of).max()
    }

    async fn sale(&self, strategy: &str, capacity: u32) -> anyhow::Result<Uuid> {
        let terms = json!({
            "name": strategy, "capacity": capacity, "unit_price_minor": 2500, "currency": "EUR",
            "strategy": strategy,
        });
        let url = format!("{}/v1/sales", self.replicas[0].url());
        let key = Uuid::new_v4().to_string();
        let made = self.shop.post(&url, &self.shop.keys().admin, &key, &terms).await?;
        let id = made.json()["sale_id"].as_str().and_then(|id| id.parse().ok());
        id.ok_or_else(|| anyhow::anyhow!("no sale was made: {made:?}"))
    }

    /// Where buyers of a lane ask, each in its turn, and what.
    async fn ways(&self, lane: Lane) -> anyhow::Result<(Vec<&str>, String)> {
        let path = match lane {
            Lane::Strategy(strategy) => purchases(self.sale(strategy, 100_000_000).await?),
            Lane::SoldOut(strategy) => {
                let sale = self.sale(strategy, 1).await?;
                let bought =
                    self.shop.buy(self.replicas[0].url(), sale, "first", "first", 1).await?;
                anyhow::ensure!(bought.status.is_success(), "nothing was sold: {bought:?}");
                purchases(sale)
            }
            Lane::Statement => plain::STATEMENT.to_owned(),
            Lane::Nothing => plain::NOTHING.to_owned(),
        };
        let urls = match lane {
            Lane::Strategy(_) | Lane::SoldOut(_) => {
                self.replicas.iter().map(Replica::url).collect()
            }
            Lane::Statement | Lane::Nothing => {
                self.plain.iter().map(|plain| plain.url.as_str()).collect()
            }
        };
        Ok((urls, path))
    }

    async fn connect(
        &self,
        urls: &[&str],
        path: &str,
        count: usize,
    ) -> anyhow::Result<Vec<Connection>> {
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let buyer = format!("buyer-{number}");
            let asked = Asked {
                url: urls[number % urls.len()],
                path,
                api_key: &self.shop.keys().buyer,
                buyer: &buyer,
            };
            connections.push(Connection::open(&asked).await?);
        }
        Ok(connections)
    }

    /// Everybody buys again as soon as it was answered.
    pub(crate) async fn closed_loop(
        &self,
        buyers: usize,
        length: Duration,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let (urls, path) = self.ways(measured.lane).await?;
        let connections = self.connect(&urls, &path, buyers).await?;
        // Caches get warm outside of what is measured.
        let begin = Instant::now() + length / 10;
        let (end, expects) = (begin + length, measured.lane.expects());
        let mut tasks = JoinSet::new();
        for mut connection in connections {
            tasks.spawn(async move {
                let (mut answered, mut times, mut turned_away) = (0_u64, Vec::new(), 0_u64);
                while Instant::now() < end {
                    let asked = Instant::now();
                    let answer = connection.ask().await;
                    let told = Instant::now();
                    match answer {
                        Ok(status) if status == expects => {
                            answered += u64::from(told >= begin && told < end);
                            // Also of those who are told after the end: they waited longest.
                            if asked >= begin {
                                times.push(told - asked);
                            }
                        }
                        Ok(_) => turned_away += 1,
                        // Fewer buyers would be told faster.
                        Err(error) => anyhow::bail!("a server hung up: {error}"),
                    }
                }
                Ok((answered, times, turned_away))
            });
        }
        let mut in_time = 0_u64;
        for told in tasks.join_all().await {
            let (answered, times, turned_away) = told?;
            in_time += answered;
            measured.turned_away += turned_away;
            for time in times {
                measured.times.saturating_record(micros(time));
            }
        }
        measured.rates.push(float(in_time) / length.as_secs_f64());
        Ok(())
    }

    /// Buyers who are connected, and ask for a hundred tickets at once: until everybody was told.
    pub(crate) async fn rush(&self, buyers: usize, measured: &mut Measured) -> anyhow::Result<()> {
        let Lane::Strategy(strategy) = measured.lane else { anyhow::bail!("nothing to sell") };
        let path = purchases(self.sale(strategy, 100).await?);
        let urls: Vec<&str> = self.replicas.iter().map(Replica::url).collect();
        let connections = self.connect(&urls, &path, buyers).await?;
        let start = Arc::new(Barrier::new(buyers + 1));
        let mut tasks = JoinSet::new();
        for mut connection in connections {
            let start = Arc::clone(&start);
            tasks.spawn(async move {
                let _ready = start.wait().await;
                let asked = Instant::now();
                let (mut status, mut turned_away) = (connection.ask().await?, 0_u64);
                while status != CREATED && !(status == CONFLICT && connection.was_told(SOLD_OUT)) {
                    turned_away += 1;
                    tokio::time::sleep(AGAIN).await;
                    status = connection.ask_again().await?;
                }
                anyhow::Ok((status, asked.elapsed(), turned_away))
            });
        }
        let begun = Instant::now();
        let _ready = start.wait().await;
        let told = tasks.join_all().await;
        measured.rates.push(1.0 / begun.elapsed().as_secs_f64());
        let mut bought = 0;
        for one in told {
            let (status, after, turned_away) = one?;
            bought += usize::from(status == CREATED);
            measured.turned_away += turned_away;
            measured.times.saturating_record(micros(after));
        }
        anyhow::ensure!(bought == 100.min(buyers), "{bought} bought of 100");
        Ok(())
    }
}

fn purchases(sale: Uuid) -> String {
    format!("/v1/sales/{sale}/purchases")
}
