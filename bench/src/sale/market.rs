//! Servers, replicas and sales, and the connections of buyers to them.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leasehold_stack::{
    Keys, LeaseNode, Postgres, Program, Replica, ReplicaConfig, Shop, Stack, StackConfig, Stderr,
};
use sqlx::{PgPool, postgres::PgPoolOptions};

use super::{
    answers::Answers,
    cost::{self, Cost, Reading},
    database::Limit,
    lane::Lane,
    offer::Offer,
    plain::{self, Plain},
};
use crate::{memory, report::Report};

/// How long it may take until the lease nodes vote, and the pause between two tries.
const FIRST_LEASE_MAX: Duration = Duration::from_secs(60);
const AGAIN: Duration = Duration::from_millis(200);

pub(crate) struct Market {
    pub(super) replicas: Vec<Replica>,
    /// Empty where nothing is compared with the strategies.
    pub(super) plain: Vec<Plain>,
    pub(super) shop: Shop,
    /// For looking at what is there.
    pool: PgPool,
    database: String,
    pgbench: Option<PathBuf>,
    stack: Arc<Stack>,
}

impl Market {
    /// New servers, with so many replicas and as many plain servers.
    pub(crate) async fn open(replicas: u16, report: &mut Report) -> anyhow::Result<Self> {
        let mut market = Self::without_plain(replicas, report).await?;
        plain::make_tables(&market.database).await?;
        for number in 1..=replicas {
            let plain = Plain::start(number, &market.database, market.stack.folder());
            market.plain.push(plain.await?);
        }
        Ok(market)
    }

    /// New servers, with so many replicas.
    pub(crate) async fn without_plain(replicas: u16, report: &mut Report) -> anyhow::Result<Self> {
        let config = StackConfig { lease_nodes: 3, ..StackConfig::default() };
        let stack = Stack::start(config, &Stderr::new()).await?;
        report.on(&stack).await?;
        let database = stack.database_url();
        let market = Self::on(Arc::new(stack), "replica", database, replicas).await?;
        market.first_lease().await?;
        Ok(market)
    }

    /// Replicas on the same servers with a database of their own, of this name.
    pub(crate) async fn beside(&self, name: &str, replicas: u16) -> anyhow::Result<Self> {
        let postgres = self.stack.postgres.as_ref().context("no postgres")?;
        let database = postgres.create_database(name).await?;
        Self::on(Arc::clone(&self.stack), name, database, replicas).await
    }

    async fn on(
        stack: Arc<Stack>,
        name: &str,
        database: String,
        count: u16,
    ) -> anyhow::Result<Self> {
        let keys = Keys::random();
        let mut config = ReplicaConfig::on(&stack, Program::linked()?, keys.clone());
        config.database_url.clone_from(&database);
        // All buyers come with one key: what is measured is the service, not what it lets one client have.
        config.env.push(("LEASEHOLD_KEY_RATE".to_owned(), "0".to_owned()));
        config.migrate().await?;
        let mut replicas = Vec::new();
        for number in 1..=count {
            replicas.push(config.start(&format!("{name}-{number}")).await?);
        }
        let pool = PgPoolOptions::new().max_connections(2).connect(&database).await?;
        let pgbench = stack.postgres.as_ref().and_then(|postgres| postgres.program("pgbench"));
        let (plain, shop) = (Vec::new(), Shop::new(keys));
        Ok(Self { replicas, plain, shop, pool, database, pgbench, stack })
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
        let pids = self.replicas.iter().map(|replica| replica.process().pid());
        pids.filter_map(memory::most).max()
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
        let told = offer.ledger.read_after(&self.pool, &answers).await?;
        let checked = told.check(&sold, &answers);
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
            Lane::Statement | Lane::Read | Lane::Nothing => {
                self.plain.iter().map(Plain::pid).collect()
            }
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
        Limit {
            pgbench: self.pgbench.as_deref(),
            database: &self.database,
            folder: self.stack.folder(),
        }
    }
}
