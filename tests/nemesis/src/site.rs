//! Servers, replicas and lock holders, and the ways between them, all of which can be broken.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leasehold_stack::{
    ConnectionLimit, Keys, LeaseNode, Link, Links, Postgres, Prepared, Program, Progress, Proxy,
    Replica, ReplicaConfig, Shop, Stack, StackConfig, free_port,
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::sync::Mutex;
use uuid::Uuid;

use crate::{
    fault::{Fault, Victim, Way},
    holders,
    schedule::Shape,
};

/// How long a statement of a replica may take: a pause of Postgres is longer.
const STATEMENT_MS: &str = "2000";
/// How long a request may take in a replica: less than buyers wait for one.
const PATIENCE_MS: &str = "3000";
/// How long units are reserved: short, so that many run out.
const RESERVED_SECONDS: u32 = 2;
/// What is slow passes so many bytes a second.
const SLOW: u32 = 4096;
/// What is delayed takes up to so long.
const DELAY_MAX: Duration = Duration::from_millis(500);
/// What is doubled comes again after so long.
const AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How often it is looked who came by a planted fault.
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// A replica behind its links.
struct Place {
    name: String,
    config: ReplicaConfig,
    links: Links,
    /// Where buyers ask.
    front: Proxy,
    replica: Mutex<Option<Replica>>,
}

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

    pub(crate) async fn inject(&self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(Victim::Node(node)) => self.nodes[node].lock().await.kill().await,
            Fault::Kill(Victim::Postgres) => self.postgres.lock().await.kill().await,
            Fault::Kill(Victim::Replica(replica)) => self.places[replica].kill().await,
            Fault::Pause(Victim::Node(node)) => self.nodes[node].lock().await.pause(),
            Fault::Pause(Victim::Postgres) => self.postgres.lock().await.pause(),
            Fault::Pause(Victim::Replica(replica)) => self.places[replica].pause().await,
            Fault::Drain(replica) => self.places[replica].drain().await,
            Fault::KillBeforeWrite => self.plant("before_write", "kill"),
            Fault::KillAfterWrite => self.plant("after_write", "kill"),
            Fault::PauseBeforeWrite => self.plant("before_write", "stop"),
            Fault::Forget(node) => self.nodes[node].lock().await.flush_all().await,
            Fault::RefuseWrites(node) => self.nodes[node].lock().await.refuse_writes().await,
            Fault::ForgetScripts(node) => self.nodes[node].lock().await.forget_scripts().await,
            Fault::Connections(node, most) => {
                let limit = self.nodes[node].lock().await.limit_connections(most)?;
                *self.limits[node].lock().await = Some(limit);
                Ok(())
            }
            Fault::Clock(victim, seconds) => self.jump_clock(victim, seconds).await,
            Fault::ToPostgres(..)
            | Fault::ToNode(..)
            | Fault::ToNodes(..)
            | Fault::ToReplica(..)
            | Fault::HolderToNodes(..) => {
                self.link(fault, link);
                Ok(())
            }
        }
    }

    /// Undoes a fault.
    pub(crate) async fn undo(&self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill(Victim::Node(node)) => self.nodes[node].lock().await.restart().await,
            Fault::Kill(Victim::Postgres) => self.postgres.lock().await.restart().await,
            Fault::Pause(Victim::Node(node)) => self.nodes[node].lock().await.resume(),
            Fault::Pause(Victim::Postgres) => self.postgres.lock().await.resume(),
            Fault::Kill(Victim::Replica(replica)) | Fault::Drain(replica) => {
                self.places[replica].run_again().await
            }
            Fault::Pause(Victim::Replica(replica)) => self.places[replica].run_again().await,
            Fault::KillBeforeWrite | Fault::PauseBeforeWrite => self.lift("before_write").await,
            Fault::KillAfterWrite => self.lift("after_write").await,
            Fault::Forget(_) | Fault::ForgetScripts(_) => Ok(()),
            Fault::RefuseWrites(node) => self.nodes[node].lock().await.accept_writes().await,
            Fault::Connections(node, _) => {
                *self.limits[node].lock().await = None;
                Ok(())
            }
            Fault::Clock(victim, _) => self.jump_clock(victim, 0).await,
            Fault::ToPostgres(..)
            | Fault::ToNode(..)
            | Fault::ToNodes(..)
            | Fault::ToReplica(..)
            | Fault::HolderToNodes(..) => {
                self.link(fault, |_| Link::Open);
                Ok(())
            }
        }
    }

    fn link(&self, fault: Fault, becomes: impl Fn(Way) -> Link) {
        match fault {
            Fault::ToPostgres(replica, way) => {
                self.places[replica].links.postgres.set(becomes(way));
            }
            Fault::ToNode(replica, node, way) => {
                self.places[replica].links.nodes[node].set(becomes(way));
            }
            Fault::ToNodes(replica, way) => {
                self.places[replica].links.nodes.iter().for_each(|node| node.set(becomes(way)));
            }
            Fault::ToReplica(replica, way) => self.places[replica].front.set(becomes(way)),
            Fault::HolderToNodes(holder, way) => {
                self.holders[holder].iter().for_each(|node| node.set(becomes(way)));
            }
            _ => {}
        }
    }

    async fn jump_clock(&self, victim: Victim, seconds: i64) -> anyhow::Result<()> {
        match victim {
            Victim::Node(node) => self.nodes[node].lock().await.jump_clock(seconds),
            Victim::Replica(replica) => match &*self.places[replica].replica.lock().await {
                Some(running) => running.jump_clock(seconds),
                None => Ok(()),
            },
            // Its clock is the one that reservations end by: a jump ends them as it says.
            Victim::Postgres => Ok(()),
        }
    }

    fn plant(&self, point: &str, what: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.faults.join(point), what)?)
    }

    /// Waits until a replica came by a planted fault, and says which; `None` when nobody did by then.
    pub(crate) async fn met(&self, point: &str, by: Instant) -> Option<usize> {
        let planted = self.faults.join(point);
        while planted.exists() {
            if Instant::now() >= by {
                return None;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        // The signal follows at once.
        while Instant::now() < by {
            for (index, place) in self.places.iter().enumerate() {
                if place.stands_or_died().await {
                    return Some(index);
                }
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        None
    }

    /// Takes a planted fault away if nobody came by, and mends whom it met.
    async fn lift(&self, point: &str) -> anyhow::Result<()> {
        match std::fs::remove_file(self.faults.join(point)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        for place in &self.places {
            place.run_again().await?;
        }
        Ok(())
    }
}

fn link(way: Way) -> Link {
    match way {
        Way::Cut => Link::Cut,
        Way::Silent => Link::Silent,
        Way::NoReplies => Link::NoReplies,
        Way::Delayed => Link::Delayed { from: Duration::ZERO, to: DELAY_MAX },
        Way::Slow => Link::Slow { bytes_per_second: SLOW },
        Way::Twice => Link::Twice { after: AGAIN_AFTER },
    }
}

impl Place {
    async fn start(stack: &Stack, config: &ReplicaConfig, index: usize) -> anyhow::Result<Self> {
        let name = format!("replica-{}", index + 1);
        let links = Links::between(stack).await?;
        let mut config = config.through(&links);
        // The same port after each start: buyers keep their way.
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()?));
        config.env.push(("LEASEHOLD_LISTEN".to_owned(), address.to_string()));
        let replica = config.start(&name).await?;
        let front = Proxy::start(address).await?;
        Ok(Self { name, config, links, front, replica: Mutex::new(Some(replica)) })
    }

    async fn kill(&self) -> anyhow::Result<()> {
        match &*self.replica.lock().await {
            Some(replica) => replica.process().kill().await,
            None => Ok(()),
        }
    }

    async fn pause(&self) -> anyhow::Result<()> {
        match &*self.replica.lock().await {
            Some(replica) => replica.process().pause(),
            None => Ok(()),
        }
    }

    async fn stands_or_died(&self) -> bool {
        let replica = self.replica.lock().await;
        replica.as_ref().is_none_or(|one| !one.process().is_running() || one.process().is_paused())
    }

    async fn drain(&self) -> anyhow::Result<()> {
        match &*self.replica.lock().await {
            Some(replica) => replica.stop().await,
            None => Ok(()),
        }
    }

    /// Lets it go on, or starts it again.
    async fn run_again(&self) -> anyhow::Result<()> {
        let mut replica = self.replica.lock().await;
        if let Some(running) = replica.as_ref().filter(|one| one.process().is_running()) {
            return running.process().resume();
        }
        *replica = None;
        *replica = Some(self.config.start(&self.name).await?);
        Ok(())
    }
}

impl Site {
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
