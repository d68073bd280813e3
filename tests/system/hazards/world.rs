//! A stack with replicas, for one test.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use leasehold_stack::{
    Answer, Answered, Keys, Prepared, Program, Replica, ReplicaConfig, Shop, Silent, Stack,
    StackConfig, Told, audit::Books,
};
use uuid::Uuid;

use crate::servers;

/// The leases' lifetime in these tests: short, since some of them wait for its end.
pub(crate) const TTL: Duration = Duration::from_millis(1000);

/// How long a test waits for what must happen before it calls it stuck.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) replicas: Vec<Replica>,
    pub(crate) shop: Shop,
    pub(crate) config: ReplicaConfig,
    pub(crate) stack: Stack,
}

impl World {
    /// Three lease nodes that vote, Postgres, and this many replicas.
    pub(crate) async fn start(replicas: usize) -> Self {
        Self::start_with(replicas, &[]).await
    }

    pub(crate) async fn start_with(replicas: usize, env: &[(&str, &str)]) -> Self {
        Self::start_prepared(replicas, env, Prepared::default()).await
    }

    /// With servers, and replicas, that are prepared for faults.
    pub(crate) async fn start_prepared(
        replicas: usize,
        env: &[(&str, &str)],
        prepared: Prepared,
    ) -> Self {
        let config = StackConfig { lease_nodes: 3, prepared, ..StackConfig::default() };
        let stack = Stack::start(config, &Silent).await.unwrap();
        let program = Program { path: env!("CARGO_BIN_EXE_replica").into(), args: vec![] };
        let keys = Keys::random();
        let mut config = ReplicaConfig::on(&stack, program, keys.clone());
        config.clocks = prepared.clocks;
        let faults = stack.folder().join("faults");
        std::fs::create_dir(&faults).unwrap();
        let set = |key: &str, value: String| (key.to_owned(), value);
        config.env = vec![
            set("LEASEHOLD_FAULTS", faults.display().to_string()),
            set("LEASEHOLD_LEASE_TTL_MS", TTL.as_millis().to_string()),
            // Patience for a slow machine: what a test wants to see refused, it asks for.
            set("LEASEHOLD_NODE_TIMEOUT_MS", "450".to_owned()),
            set("LEASEHOLD_OUTAGE_PATIENCE_MS", "30000".to_owned()),
            set("LEASEHOLD_PATIENCE_MS", "60000".to_owned()),
            set("LEASEHOLD_STATEMENT_TIMEOUT_MS", "20000".to_owned()),
            set("LEASEHOLD_LOG", "info,leasehold=debug,leasehold_purchase=debug".to_owned()),
        ];
        config.env.extend(env.iter().map(|(key, value)| set(key, (*value).to_owned())));
        config.migrate().await.unwrap();
        let mut started = Vec::new();
        for number in 1..=replicas {
            started.push(config.start(&format!("replica-{number}")).await.unwrap());
        }
        servers::found(&stack).await;
        Self { replicas: started, shop: Shop::new(keys), config, stack }
    }

    pub(crate) fn urls(&self) -> Vec<String> {
        self.replicas.iter().map(|replica| replica.url().to_owned()).collect()
    }

    pub(crate) async fn sale(&self, capacity: u32) -> Uuid {
        self.shop.create_sale(self.replicas[0].url(), "test", capacity).await.unwrap()
    }

    /// Buys one unit at a replica, under a key that is the buyer's name.
    pub(crate) async fn buy(
        &self,
        replica: usize,
        sale: Uuid,
        buyer: &str,
    ) -> anyhow::Result<Answer> {
        self.shop.buy(self.replicas[replica].url(), sale, buyer, buyer, 1).await
    }

    pub(crate) async fn books(&self, sale: Uuid) -> Books {
        Books::read(&self.stack.database_url(), sale).await.unwrap()
    }

    /// Buys at a replica until the answer is another one than "not available" or "not known", as a buyer
    /// does who asks again with the same key.
    pub(crate) async fn buy_in_the_end(&self, replica: usize, sale: Uuid, buyer: &str) -> Answer {
        let begun = Instant::now();
        loop {
            let answer = self.buy(replica, sale, buyer).await.unwrap();
            if ![503, 504].contains(&answer.status.as_u16()) {
                return answer;
            }
            assert!(begun.elapsed() < LIMIT, "{answer:?}");
        }
    }

    /// Has buyers, named after `crowd` and a number, buy one after the other at a replica until one
    /// is not sold a unit. Returns what all were told, and the answer of the last.
    pub(crate) async fn buy_until_refused(
        &self,
        replica: usize,
        sale: Uuid,
        crowd: &str,
    ) -> (Vec<Answered>, Answer) {
        let (begun, mut told) = (Instant::now(), Vec::new());
        loop {
            let buyer = format!("{crowd}-{}", told.len());
            let answer = self.buy(replica, sale, &buyer).await.unwrap();
            told.push(answered(&buyer, &answer));
            if answer.status.as_u16() != 201 {
                return (told, answer);
            }
            assert!(begun.elapsed() < LIMIT, "nobody was refused");
        }
    }

    /// The file that plants a fault.
    pub(crate) fn fault(&self, name: &str) -> PathBuf {
        self.stack.folder().join("faults").join(name)
    }

    /// Plants a fault that the next process to reach the point has.
    pub(crate) fn plant(&self, point: &str, what: &str) {
        std::fs::write(self.fault(point), what).unwrap();
    }

    /// Waits until so many processes are held at a point.
    pub(crate) async fn held(&self, point: &str, count: usize) {
        let start = format!("{point}.held-");
        let is_one = |entry: &std::fs::DirEntry| {
            entry.file_name().to_str().is_some_and(|name| name.starts_with(&start))
        };
        let held = || {
            let entries = std::fs::read_dir(self.stack.folder().join("faults")).unwrap();
            entries.flatten().filter(is_one).count()
        };
        until(&format!("fewer than {count} are held at {point}"), || held() >= count).await;
    }

    /// Takes a fault away, and the traces of those whom it held.
    pub(crate) fn lift(&self, name: &str) {
        for entry in std::fs::read_dir(self.stack.folder().join("faults")).unwrap().flatten() {
            if entry.path().file_stem().is_some_and(|stem| stem == name) {
                std::fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// Waits until a process has reached a planted point.
    pub(crate) async fn reached(&self, point: &str) {
        let file = self.fault(point);
        until(&format!("nobody reached {point}"), || !file.exists()).await;
    }

    /// One counter of a replica.
    pub(crate) async fn counter(&self, replica: usize, name: &str) -> u64 {
        let url = format!("{}/metrics", self.replicas[replica].url());
        let answer = self.shop.get_as(&url, &self.shop.keys().admin).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }
}

/// What a buyer was told who asked once, at the first replica, under a key that is the buyer's name.
pub(crate) fn answered(buyer: &str, answer: &Answer) -> Answered {
    let purchase = answer.json()["purchase_id"].as_str().map(|id| id.parse().unwrap());
    let told = match (answer.status.as_u16(), purchase) {
        (201, Some(purchase)) => Told::Yes(purchase),
        (409, _) => Told::No,
        _ => Told::Unknown,
    };
    let (buyer, key) = (buyer.to_owned(), buyer.to_owned());
    Answered { buyer, key, told, after: Duration::ZERO, replica: 0, tries: 1 }
}

/// Waits until a condition holds.
#[track_caller]
pub(crate) fn until(stuck: &str, mut holds: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let stuck = stuck.to_owned();
    async move {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < LIMIT, "{stuck} within {LIMIT:?}");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}
