//! Postgres is killed and started again while buyers buy.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leasehold_stack::{
    Answered, Keys, Program, Replica, ReplicaConfig, Shop, Stack, StackConfig, Stderr, Told,
    audit::{self, Books},
};
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::table::{Round, longest_gap};

const REPLICAS: usize = 2;
/// Buyers at once, each with a new purchase as soon as the last was answered.
const BUYERS: usize = 8;
/// How long they buy before Postgres is killed.
const BEFORE: Duration = Duration::from_millis(700);
/// How long they go on once it answers again, beside a TTL.
const AFTER: Duration = Duration::from_millis(2500);
/// Pause before somebody who was told nothing asks again.
const AGAIN: Duration = Duration::from_millis(10);
/// How often somebody asks for one purchase.
const TRIES_MAX: u32 = 3000;

#[derive(Clone, Copy, Debug)]
pub(super) enum Strategy {
    Leased,
    RowLock,
}

impl Strategy {
    pub(super) const ALL: [Self; 2] = [Self::Leased, Self::RowLock];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::RowLock => "row_lock",
        }
    }
}

/// Replicas that sell, and their servers.
pub(super) struct Shops {
    replicas: Vec<Replica>,
    shop: Shop,
    ttl: Duration,
    stack: Stack,
}

impl Shops {
    pub(super) async fn open(nodes: usize, ttl: Duration) -> anyhow::Result<Self> {
        let config = StackConfig { lease_nodes: nodes, ..StackConfig::default() };
        let stack = Stack::start(config, &Stderr::new()).await?;
        let keys = Keys::random();
        let mut config = ReplicaConfig::on(&stack, Program::linked()?, keys.clone());
        config.env = vec![
            ("LEASEHOLD_LEASE_TTL_MS".to_owned(), ttl.as_millis().to_string()),
            ("LEASEHOLD_NODE_TIMEOUT_MS".to_owned(), (ttl / 4).as_millis().min(250).to_string()),
        ];
        config.migrate().await?;
        let mut replicas = Vec::new();
        for number in 1..=REPLICAS {
            replicas.push(config.start(&format!("replica-{number}")).await?);
        }
        Ok(Self { replicas, shop: Shop::new(keys), ttl, stack })
    }

    pub(super) const fn stack(&self) -> &Stack {
        &self.stack
    }

    /// A sale of its own, bought from while Postgres goes and comes.
    pub(super) async fn round(&mut self, strategy: Strategy) -> anyhow::Result<Round> {
        let sale = self.sale(strategy).await?;
        let is_over = Arc::new(AtomicBool::new(false));
        let mut buyers = JoinSet::new();
        for number in 0..BUYERS {
            let urls = self.replicas.iter().map(|replica| replica.url().to_owned()).collect();
            let buyer = Buyer { number, sale, urls, shop: self.shop.clone() };
            let _handle = buyers.spawn(buyer.buy(Arc::clone(&is_over)));
        }
        tokio::time::sleep(BEFORE + self.ttl).await;
        let from = Instant::now();
        let postgres = self.stack.postgres.as_mut().context("no postgres")?;
        postgres.restart().await?;
        let server = from.elapsed();
        tokio::time::sleep(AFTER + self.ttl).await;
        let to = Instant::now();
        is_over.store(true, Ordering::SeqCst);
        let (mut yes, mut told) = (Vec::new(), Vec::new());
        for one in buyers.join_all().await {
            let (at, answers) = one?;
            yes.extend(at);
            told.extend(answers);
        }
        let books = Books::read(&self.stack.database_url(), sale).await?;
        if let Some(found) = audit::violations(&books, &told).into_iter().next() {
            return Ok(Round::Broken(found));
        }
        Ok(Round::Away { gap: longest_gap(&mut yes, from, to), server })
    }

    async fn sale(&self, strategy: Strategy) -> anyhow::Result<Uuid> {
        let terms = json!({
            "name": "failover", "capacity": 1_000_000, "unit_price_minor": 2500, "currency": "EUR",
            "strategy": strategy.name(),
        });
        let url = format!("{}/v1/sales", self.replicas[0].url());
        let (admin, key) = (&self.shop.keys().admin, Uuid::new_v4().to_string());
        let made = self.shop.post(&url, admin, &key, &terms).await?;
        let id = made.json()["sale_id"].as_str().and_then(|id| id.parse().ok());
        id.with_context(|| format!("no sale was made: {made:?}"))
    }
}

struct Buyer {
    number: usize,
    sale: Uuid,
    urls: Vec<String>,
    shop: Shop,
}

impl Buyer {
    /// One purchase after the other; when each was acknowledged, and all that was told.
    async fn buy(self, is_over: Arc<AtomicBool>) -> anyhow::Result<(Vec<Instant>, Vec<Answered>)> {
        let (mut yes, mut told) = (Vec::new(), Vec::new());
        while !is_over.load(Ordering::SeqCst) {
            // The audit wants a purchase for each buyer.
            let buyer = format!("buyer-{}-{}", self.number, told.len());
            let answered = self.one(buyer, &is_over).await;
            if let Told::Yes(_) = answered.told {
                yes.push(Instant::now());
            }
            told.push(answered);
        }
        Ok((yes, told))
    }

    /// Asks with one key, at one replica after the other, until it was told yes or all is over.
    async fn one(&self, buyer: String, is_over: &AtomicBool) -> Answered {
        let (begun, key) = (Instant::now(), Uuid::new_v4().to_string());
        let (mut told, mut replica, mut tries) = (Told::Unknown, self.number % self.urls.len(), 0);
        while tries < TRIES_MAX {
            tries += 1;
            let answer = self.shop.buy(&self.urls[replica], self.sale, &key, &buyer, 1).await;
            let id = answer.ok().filter(|answer| answer.status.as_u16() == 201);
            let id = id.and_then(|answer| answer.json()["purchase_id"].as_str()?.parse().ok());
            if let Some(id) = id {
                told = Told::Yes(id);
                break;
            }
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            tokio::time::sleep(AGAIN).await;
            replica = (replica + 1) % self.urls.len();
        }
        Answered { buyer, key, told, after: begun.elapsed(), replica, tries }
    }
}
