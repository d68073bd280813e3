//! Servers, replicas and lock holders, and the ways between them, all of which can be broken.

mod breaks;
mod left;
mod place;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use leasehold_stack::{
    Keys, LeaseNode, LoadBalancer, Namespace, Postgres, Prepared, Program, Progress, Proxy,
    ReplicaConfig, Shop, Sidecar, SidecarConfig, Stack, StackConfig,
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::{breaks::Undo, place::Place};
use crate::{holders, schedule::Shape};

/// How long a statement of a replica may take: a pause of Postgres is longer.
const STATEMENT_MS: &str = "2000";
/// How long a request may take in a replica: less than buyers wait for one.
const PATIENCE_MS: &str = "3000";
/// How long units are reserved: short, so that many run out.
const RESERVED_SECONDS: u32 = 2;

/// How long replicas and sidecar wait for a node.
const NODE_MS: &str = "200";
const NODE_TIMEOUT_MS: &str = "LEASEHOLD_NODE_TIMEOUT_MS";
const TTL_MS: &str = "LEASEHOLD_LEASE_TTL_MS";

/// Everything that runs. Dropping it ends it.
pub(crate) struct Site {
    /// Before the replicas, for some of the buyers.
    balancer: Option<Mutex<LoadBalancer>>,
    places: Vec<Place>,
    /// For one of the lock holders.
    sidecar: Option<Mutex<Sidecar>>,
    /// For each lock holder, a way to each node.
    holders: Vec<Vec<Proxy>>,
    /// Before the servers, so that each is dropped before its server is gone.
    undo: Undo,
    nodes: Vec<Mutex<LeaseNode>>,
    postgres: Mutex<Postgres>,
    database_url: String,
    faults: PathBuf,
    shop: Shop,
    // Last: its folder goes after all that is in it has ended.
    stack: Stack,
}

impl Site {
    pub(crate) async fn start(
        shape: Shape,
        program: &Path,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let means = shape.means;
        let prepared = Prepared { clocks: means.clocks, small_disks: means.small_disks };
        let config = StackConfig { lease_nodes: shape.nodes, prepared, ..StackConfig::default() };
        let mut stack = Stack::start(config, progress).await?;
        let faults = stack.folder().join("faults");
        std::fs::create_dir(&faults)?;
        let keys = Keys::random();
        let mut config = ReplicaConfig::on(&stack, runs(program, "purchase"), keys.clone());
        let set = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        config.env = vec![
            set("LEASEHOLD_FAULTS", &faults.display().to_string()),
            set(TTL_MS, &holders::TTL.as_millis().to_string()),
            set(NODE_TIMEOUT_MS, NODE_MS),
            set("LEASEHOLD_PATIENCE_MS", PATIENCE_MS),
            set("LEASEHOLD_STATEMENT_TIMEOUT_MS", STATEMENT_MS),
            set("LEASEHOLD_SWEEP_MS", "500"),
            set("LEASEHOLD_LOG", "warn"),
        ];
        config.clocks = means.clocks;
        config.migrate().await?;
        let database_url = stack.database_url();
        let mut database = PgConnection::connect(&database_url).await?;
        let _made = sqlx::raw_sql(holders::TABLES).execute(&mut database).await?;
        let mut places = Vec::new();
        for index in 0..shape.replicas {
            let network = (means.networks && index == 0).then(Namespace::create).transpose()?;
            places.push(Place::start(&stack, &config, index, network).await?);
        }
        let balancer = if means.balancer && shape.replicas > 0 {
            let fronts: Vec<_> = places.iter().map(|place| place.front.address()).collect();
            Some(Mutex::new(LoadBalancer::start(stack.folder(), &fronts).await?))
        } else {
            None
        };
        let mut holders = Vec::new();
        for _ in 0..shape.holders {
            let mut ways = Vec::new();
            for node in &stack.nodes {
                ways.push(Proxy::start(node.address()).await?);
            }
            holders.push(ways);
        }
        let sidecar = match holders.last() {
            Some(ways) if shape.has_sidecar() => {
                Some(Mutex::new(sidecar(&stack, program, ways).await?))
            }
            _ => None,
        };
        let nodes = std::mem::take(&mut stack.nodes).into_iter().map(Mutex::new).collect();
        let postgres = Mutex::new(stack.postgres.take().context("there is no postgres")?);
        let shop = Shop::new(keys);
        Ok(Self {
            balancer,
            places,
            sidecar,
            holders,
            undo: Undo::default(),
            nodes,
            postgres,
            database_url,
            faults,
            shop,
            stack,
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

    /// Where some of the buyers ask: before all replicas.
    pub(crate) async fn balancer_url(&self) -> Option<String> {
        match &self.balancer {
            Some(balancer) => Some(balancer.lock().await.url()),
            None => None,
        }
    }

    /// Where the last lock holder takes its leases.
    pub(crate) async fn sidecar_url(&self) -> Option<String> {
        match &self.sidecar {
            Some(sidecar) => Some(sidecar.lock().await.url().to_owned()),
            None => None,
        }
    }

    /// Addresses of the nodes as each lock holder has them.
    pub(crate) fn ways(&self) -> Vec<Vec<String>> {
        self.holders.iter().map(|ways| urls(ways)).collect()
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

    /// Where logs and data are.
    pub(crate) fn folder(&self) -> &Path {
        self.stack.folder()
    }

    /// Faults that were planted and that nobody came by.
    pub(crate) fn planted(&self) -> anyhow::Result<Vec<String>> {
        let names = std::fs::read_dir(&self.faults)?.map(|entry| Ok(entry?.file_name()));
        names.map(|name: std::io::Result<_>| Ok(name?.to_string_lossy().into_owned())).collect()
    }
}

/// This very program is also each of the services.
fn runs(program: &Path, service: &str) -> Program {
    Program { path: program.to_owned(), args: vec![service.into()] }
}

/// A sidecar that reaches the nodes these ways.
async fn sidecar(stack: &Stack, program: &Path, ways: &[Proxy]) -> anyhow::Result<Sidecar> {
    let mut config = SidecarConfig::on(stack, runs(program, "sidecar"))
        .env(TTL_MS, holders::TTL.as_millis().to_string())
        .env(NODE_TIMEOUT_MS, NODE_MS)
        .env("LEASEHOLD_LOG", "warn");
    config.redis_urls = urls(ways);
    config.start("sidecar").await
}

fn urls(ways: &[Proxy]) -> Vec<String> {
    ways.iter().map(|way| format!("redis://{}", way.address())).collect()
}
