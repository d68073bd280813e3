//! Servers, replicas and sales, and the connections of buyers to them.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leasehold_stack::{
    Keys, LeaseNode, Postgres, Program, Replica, ReplicaConfig, Shop, Stack, StackConfig, Stderr,
};
use serde_json::json;
use sqlx::{PgPool, postgres::PgPoolOptions};
use uuid::Uuid;

use super::{
    answers::Answers,
    cost::{self, Cost, Reading},
    database::Limit,
    lane::{ENOUGH, Lane},
    ledger::Ledger,
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
    /// For looking at what is there.
    pool: PgPool,
    pgbench: Option<PathBuf>,
    stack: Stack,
}

/// What buyers of one round are offered: where, and which paths.
pub(crate) struct Offer {
    lane: Lane,
    ledger: Ledger,
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
        let pool = PgPoolOptions::new().max_connections(2).connect(&stack.database_url()).await?;
        let pgbench = stack.postgres.as_ref().and_then(|postgres| postgres.program("pgbench"));
        let shop = Shop::new(keys);
        let market = Self { replicas: started, plain, shop, pool, pgbench, stack };
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
        let (ledger, path) = match lane {
            Lane::Strategy(strategy) => {
                let sale = self.sale(strategy, tickets).await?;
                (Ledger::Sales(vec![sale]), purchases(sale))
            }
            Lane::SoldOut(strategy) => {
                let sale = self.sale(strategy, 1).await?;
                let bought =
                    self.shop.buy(self.replicas[0].url(), sale, "first", "first", 1).await?;
                anyhow::ensure!(bought.status.is_success(), "nothing was sold: {bought:?}");
                (Ledger::Sales(vec![sale]), purchases(sale))
            }
            Lane::Statement => (Ledger::Statement, plain::STATEMENT.to_owned()),
            Lane::Database => (Ledger::Statement, String::new()),
            Lane::Nothing => (Ledger::Nowhere, plain::NOTHING.to_owned()),
        };
        let urls = match lane {
            Lane::Strategy(_) | Lane::SoldOut(_) => {
                self.replicas.iter().map(|replica| replica.url().to_owned()).collect()
            }
            Lane::Statement | Lane::Nothing => {
                self.plain.iter().map(|plain| plain.url.clone()).collect()
            }
            Lane::Database => Vec::new(),
        };
        Ok(Offer { lane, ledger, urls, paths: vec![path] })
    }

    /// Lets a round run on an offer, checks that what was told is what was sold, and says what it cost.
    /// Connections are counted after `half` of it.
    pub(crate) async fn round(
        &self,
        offer: &Offer,
        half: Duration,
        run: impl Future<Output = anyhow::Result<Answers>>,
    ) -> anyhow::Result<(Answers, Cost)> {
        let sold = offer.ledger.read(&self.pool).await?;
        let before = Reading::now(self, offer.lane).await?;
        let held = async {
            tokio::time::sleep(half).await;
            cost::connections(&self.pool, offer.lane.application()).await
        };
        let (answers, held) = tokio::try_join!(run, held)?;
        let after = Reading::now(self, offer.lane).await?;
        let checked = offer.ledger.read(&self.pool).await?.check(&sold, &answers);
        checked.with_context(|| offer.lane.name())?;
        let cost = before.until(&after, answers.granted.all + answers.refused.all, held);
        Ok((answers, cost))
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The processes that answer a lane's buyers.
    pub(crate) fn serving(&self, lane: Lane) -> Vec<u32> {
        match lane {
            Lane::Strategy(_) | Lane::SoldOut(_) => {
                self.replicas.iter().map(|replica| replica.process().pid()).collect()
            }
            Lane::Statement | Lane::Nothing => self.plain.iter().map(Plain::pid).collect(),
            Lane::Database => Vec::new(),
        }
    }

    /// `None` when they are not ours.
    pub(crate) fn node_pids(&self) -> Option<Vec<u32>> {
        self.stack.nodes.iter().map(LeaseNode::pid).collect()
    }

    /// The postmaster first; empty when it is not ours.
    pub(crate) fn postgres_pids(&self) -> Vec<u32> {
        self.stack.postgres.as_ref().map(Postgres::pids).unwrap_or_default()
    }

    /// What measures the database alone.
    pub(crate) fn limit(&self) -> Limit<'_> {
        let database = self.stack.postgres.as_ref().map_or("", Postgres::url);
        Limit { pgbench: self.pgbench.as_deref(), database, folder: self.stack.folder() }
    }

    /// An offer of enough for all.
    pub(crate) async fn endless_offer(&self, lane: Lane) -> anyhow::Result<Offer> {
        self.offer(lane, ENOUGH).await
    }

    /// Connections of so many buyers, who take replicas and paths in turns; none where nobody listens.
    pub(crate) async fn connect(
        &self,
        offer: &Offer,
        count: usize,
    ) -> anyhow::Result<Vec<Connection>> {
        let Offer { urls, paths, .. } = offer;
        let count = if urls.is_empty() { 0 } else { count };
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
