//! What a round's buyers are offered, and their connections to it.

use serde_json::json;
use uuid::Uuid;

use super::{
    lane::{ENOUGH, Lane},
    ledger::Ledger,
    market::Market,
    plain,
    wire::{Asked, Connection},
};

/// What buyers of one round are offered: where, and which paths.
pub(crate) struct Offer {
    pub(crate) lane: Lane,
    pub(crate) ledger: Ledger,
    urls: Vec<String>,
    paths: Vec<String>,
}

impl Offer {
    /// The same, at no more than so many replicas.
    pub(crate) fn at(mut self, replicas: usize) -> Self {
        self.urls.truncate(replicas);
        self
    }
}

impl Market {
    pub(crate) async fn sale(&self, strategy: &str, capacity: u32) -> anyhow::Result<Uuid> {
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
            Lane::Read => (Ledger::Nowhere, plain::READ.to_owned()),
            Lane::Nothing => (Ledger::Nowhere, plain::NOTHING.to_owned()),
        };
        let urls = match lane {
            Lane::Strategy(_) | Lane::SoldOut(_) => {
                self.replicas.iter().map(|replica| replica.url().to_owned()).collect()
            }
            Lane::Statement | Lane::Read | Lane::Nothing => {
                self.plain.iter().map(|plain| plain.url.clone()).collect()
            }
            Lane::Database => Vec::new(),
        };
        Ok(Offer { lane, ledger, urls, paths: vec![path] })
    }

    /// So many sales with this strategy, and enough for all in each.
    pub(crate) async fn sales(
        &self,
        strategy: &'static str,
        count: usize,
    ) -> anyhow::Result<Offer> {
        let mut sales = Vec::with_capacity(count);
        for _ in 0..count {
            sales.push(self.sale(strategy, ENOUGH).await?);
        }
        let paths = sales.iter().copied().map(purchases).collect();
        let urls = self.replicas.iter().map(|replica| replica.url().to_owned()).collect();
        Ok(Offer { lane: Lane::Strategy(strategy), ledger: Ledger::Sales(sales), urls, paths })
    }

    /// An offer of one sale, with its id.
    pub(crate) async fn one_offer(
        &self,
        lane: Lane,
        tickets: u32,
    ) -> anyhow::Result<(Uuid, Offer)> {
        let offer = self.offer(lane, tickets).await?;
        match &offer.ledger {
            Ledger::Sales(sales) if sales.len() == 1 => Ok((sales[0], offer)),
            other => anyhow::bail!("not one sale: {other:?}"),
        }
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
