//! Servers, replicas and sales, and the connections of buyers to them.

use std::time::{Duration, Instant};

use leasehold_stack::{Keys, Program, Replica, ReplicaConfig, Shop, Stack, StackConfig, Stderr};
use serde_json::json;
use uuid::Uuid;

use super::{
    lane::{ENOUGH, Lane},
    plain::{self, Plain},
    wire::{Asked, Connection},
};
use crate::report::Report;

/// How long it may take until the lease nodes vote, and the pause between two tries.
const FIRST_LEASE_MAX: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(200);

pub(crate) struct Market {
    replicas: Vec<Replica>,
    plain: Vec<Plain>,
    shop: Shop,
    _stack: Stack,
}

/// What buyers of one round are offered: where, and which paths.
pub(crate) struct Offer {
    urls: Vec<String>,
    paths: Vec<String>,
}

impl Market {
    pub(crate) async fn open(replicas: u16, report: &mut Report) -> anyhow::Result<Self> {
        let config = StackConfig { lease_nodes: 3, ..StackConfig::default() };
        let stack = Stack::start(config, &Stderr::new()).await?;
        report.on(&stack).await?;
        let keys = Keys::random();
        let config = ReplicaConfig::on(&stack, Program::linked()?, keys.clone());
        config.migrate().await?;
        plain::make_tables(&stack.database_url()).await?;
        let (mut started, mut plain) = (Vec::new(), Vec::new());
        for number in 1..=replicas {
            started.push(config.start(&format!("replica-{number}")).await?);
            plain.push(Plain::start(number, &stack.database_url(), stack.folder()).await?);
        }
        let market = Self { replicas: started, plain, shop: Shop::new(keys), _stack: stack };
        market.first_lease().await?;
        Ok(market)
    }

    /// Nodes without data wait for a TTL before they vote: what is measured begins after that.
    async fn first_lease(&self) -> anyhow::Result<()> {
        let (sale, url) = (self.sale("leased", 1).await?, self.replicas[0].url());
        let deadline = Instant::now() + FIRST_LEASE_MAX;
        loop {
            let bought = self.shop.buy(url, sale, "first", "first", 1).await?;
            if bought.status.is_success() {
                return Ok(());
            }
            anyhow::ensure!(Instant::now() < deadline, "nothing was sold: {bought:?}");
            tokio::time::sleep(AGAIN).await;
        }
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

    /// A new offer of a lane: where there is a sale, of so many tickets.
    pub(crate) async fn offer(&self, lane: Lane, tickets: u32) -> anyhow::Result<Offer> {
        let path = match lane {
            Lane::Strategy(strategy) => purchases(self.sale(strategy, tickets).await?),
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
                self.replicas.iter().map(|replica| replica.url().to_owned()).collect()
            }
            Lane::Statement | Lane::Nothing => {
                self.plain.iter().map(|plain| plain.url.clone()).collect()
            }
        };
        Ok(Offer { urls, paths: vec![path] })
    }

    /// An offer of enough for all.
    pub(crate) async fn endless_offer(&self, lane: Lane) -> anyhow::Result<Offer> {
        self.offer(lane, ENOUGH).await
    }

    /// Connections of so many buyers, who take replicas and paths in turns.
    pub(crate) async fn connect(
        &self,
        offer: &Offer,
        count: usize,
    ) -> anyhow::Result<Vec<Connection>> {
        let Offer { urls, paths } = offer;
        let mut connections = Vec::with_capacity(count);
        for number in 0..count {
            let buyer = format!("buyer-{number}");
            // Each path at another replica than in the turn before: both counts may have a divisor.
            let turn = number / paths.len();
            let asked = Asked {
                url: &urls[(number + turn) % urls.len()],
                path: &paths[number % paths.len()],
                api_key: &self.shop.keys().buyer,
                buyer: &buyer,
            };
            connections.push(Connection::open(&asked).await?);
        }
        Ok(connections)
    }
}

fn purchases(sale: Uuid) -> String {
    format!("/v1/sales/{sale}/purchases")
}
