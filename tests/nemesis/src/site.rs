//! Servers, replicas and lock holders, and the ways between them, all of which can be broken.

mod breaks;
mod place;

use std::{path::PathBuf, sync::Arc};

use anyhow::Context as _;
use leasehold_stack::{
    ConnectionLimit, Keys, LeaseNode, Postgres, Prepared, Program, Progress, Proxy, ReplicaConfig,
    Shop, Stack, StackConfig,
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::place::Place;
use crate::{holders, schedule::Shape};

/// How long a statement of a replica may take: a pause of Postgres is longer.
const STATEMENT_MS: &str = "2000";
/// How long a request may take in a replica: less than buyers wait for one.
const PATIENCE_MS: &str = "3000";
/// How long units are reserved: short, so that many run out.
const RESERVED_SECONDS: u32 = 2;

/// Everything that runs. Dropping it ends it.
pub(crate) struct Site {
    places: Vec<Place>,
    /// For each lock holder, a way to each node.
    holders: Vec<Vec<Proxy>>,
    /// Before the nodes, so that each is dropped before its node is gone.
    limits: Vec<Mutex<Option<ConnectionLimit>>>,
    nodes: Vec<Mutex<LeaseNode>>,
    postgres: Mutex<Postgres>,
    database_url: String,
    faults: PathBuf,
    shop: Shop,
    // Last: its folder goes after all that is in it has ended.
    _stack: Stack,
}

impl Site {
    pub(crate) async fn start(
        shape: Shape,
        program: Program,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let prepared = Prepared { clocks: shape.clocks, ..Prepared::default() };
        let config = StackConfig { lease_nodes: shape.nodes, prepared, ..StackConfig::default() };
        let mut stack = Stack::start(config, progress).await?;
        let faults = stack.folder().join("faults");
        std::fs::create_dir(&faults)?;
        let keys = Keys::random();
        let mut config = ReplicaConfig::on(&stack, program, keys.clone());
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        config.env = vec![
            set("LEASEHOLD_FAULTS", &faults.display().to_string()),
            set("LEASEHOLD_LEASE_TTL_MS", &holders::TTL.as_millis().to_string()),
            set("LEASEHOLD_NODE_TIMEOUT_MS", "200"),
            set("LEASEHOLD_PATIENCE_MS", PATIENCE_MS),
            set("LEASEHOLD_STATEMENT_TIMEOUT_MS", STATEMENT_MS),
            set("LEASEHOLD_SWEEP_MS", "500"),
            set("LEASEHOLD_LOG", "warn"),
        ];
        config.clocks = shape.clocks;
        config.migrate().await?;
        let database_url = stack.database_url();
        let mut database = PgConnection::connect(&database_url).await?;
        let _made = sqlx::raw_sql(holders::TABLES).execute(&mut database).await?;
        let mut places = Vec::new();
        for index in 0..shape.replicas {
            places.push(Place::start(&stack, &config, index).await?);
        }
        let mut holders = Vec::new();
        for _ in 0..shape.holders {
            let mut ways = Vec::new();
            for node in &stack.nodes {
                ways.push(Proxy::start(node.address()).await?);
            }
            holders.push(ways);
        }
        let nodes = std::mem::take(&mut stack.nodes).into_iter().map(Mutex::new).collect();
        let postgres = Mutex::new(stack.postgres.take().context("there is no postgres")?);
        let shop = Shop::new(keys);
        let limits = (0..shape.nodes).map(|_| Mutex::default()).collect();
        Ok(Self {
            places,
            holders,
            limits,
            nodes,
            postgres,
            database_url,
            faults,
            shop,
            _stack: stack,
        })
    }

    pub(crate) fn shop(&self) -> &Shop {
        &self.shop
    }

    pub(crate) fn database_url(&self) -> &str {
        &self.database_url
    }

    /// Where buyers ask, by replica.
    pub(crate) fn fronts(&self) -> Arc<[String]> {
        self.places.iter().map(|place| format!("http://{}", place.front.address())).collect()
    }

    /// Addresses of the nodes as each lock holder has them.
    pub(crate) fn ways(&self) -> Vec<Vec<String>> {
        let urls = |ways: &Vec<Proxy>| {
            ways.iter().map(|way| format!("redis://{}", way.address())).collect()
        };
        self.holders.iter().map(urls).collect()
    }

    /// The processes of the replicas that run.
    pub(crate) async fn pids(&self) -> Vec<u32> {
        let mut pids = Vec::new();
        for place in &self.places {
            pids.extend(place.replica.lock().await.as_ref().map(|one| one.process().pid()));
        }
        pids
    }

    /// Makes a sale.
    pub(crate) async fn sale(&self, strategy: &str, capacity: u32) -> anyhow::Result<Uuid> {
        let body = json!({
            "name": format!("{strategy}, {capacity}"), "capacity": capacity, "unit_price_minor": 2500,
            "currency": "EUR", "strategy": strategy, "reservation_seconds": RESERVED_SECONDS,
        });
        let url = format!("{}/v1/sales", self.fronts()[0]);
        let key = Uuid::new_v4().to_string();
        let answer = self.shop.post(&url, &self.shop.keys().admin, &key, &body).await?;
        let id = answer.json()["sale_id"].as_str().and_then(|id| id.parse().ok());
        id.with_context(|| format!("no sale was made: {answer:?}"))
    }

    /// Takes a protection of the replicas away (`fence_off`, `lease_off`).
    pub(crate) fn take_away(&self, protection: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.faults.join(protection), "")?)
    }

    /// Leases on the nodes that never end.
    pub(crate) async fn leases_without_end(&self) -> anyhow::Result<Vec<String>> {
        let mut found = Vec::new();
        for node in &self.nodes {
            let node = node.lock().await;
            let mut connection = node.connection().await?;
            let keys: Vec<String> =
                redis::cmd("KEYS").arg("sale/*").query_async(&mut connection).await?;
            for key in keys {
                let ttl: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await?;
                if ttl == -1 {
                    found.push(format!("a lease without end at {}: {key}", node.name()));
                }
            }
        }
        Ok(found)
    }
}
