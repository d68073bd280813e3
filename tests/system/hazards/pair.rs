//! Two replicas that sell the same: one is not disturbed, the other has a network of its own.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use hyper::StatusCode;
use leasehold_stack::{
    Answer, Answered, Arrivals, Buyers, Links, Replica, ReplicaConfig, Told, audit,
};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::world::{LIMIT, TTL, World, until};

/// The replica that is not disturbed.
pub(crate) const DIRECT: usize = 0;
/// The one whose network is.
pub(crate) const APART: usize = 1;

pub(crate) struct Pair {
    pub(crate) world: World,
    pub(crate) sale: Uuid,
    /// What the first buyer was told, who found the second replica undisturbed.
    first: Option<Answer>,
}

impl Pair {
    /// The second replica runs as `apart` makes it of the setting it would have: it has fault points of its own,
    /// and a single connection to sell through, so that a test knows what is on it.
    pub(crate) async fn start(
        env: &[(&str, &str)],
        apart: impl AsyncFnOnce(ReplicaConfig, &World) -> Replica,
    ) -> Self {
        let mut world = World::start_with(1, env).await;
        let faults = world.stack.folder().join("faults-apart");
        std::fs::create_dir(&faults).unwrap();
        let mut config = world.config.clone();
        let own = [
            ("LEASEHOLD_FAULTS", faults.to_str().unwrap()),
            ("LEASEHOLD_DATABASE_CONNECTIONS", "2"),
        ];
        config.env.extend(own.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let replica = apart(config, &world).await;
        world.replicas.push(replica);
        let sale = world.sale(1000).await;
        let mut pair = Self { world, sale, first: None };
        // Statements are prepared by then: from there on, one that is sent can be run.
        pair.first = Some(pair.buys(APART, "first").await);
        pair
    }

    /// With a proxy between the second replica and each server.
    pub(crate) async fn linked(env: &[(&str, &str)]) -> (Self, Links) {
        let mut links = None;
        let pair = Self::start(env, async |config, world| {
            let links = links.insert(Links::between(&world.stack).await.unwrap());
            config.through(links).start("replica-2").await.unwrap()
        })
        .await;
        (pair, links.unwrap())
    }

    pub(crate) async fn buys(&self, replica: usize, buyer: &str) -> Answer {
        let answer = self.world.buy(replica, self.sale, buyer).await.unwrap();
        let log = || self.world.replicas[replica].log_tail(30);
        assert_eq!(answer.status, StatusCode::CREATED, "{buyer}: {answer:?}\n{}", log());
        answer
    }

    /// Asks the second replica, and waits until it is about to write that down: there it is held.
    pub(crate) async fn held<T>(&self, buyer: &str, then: impl AsyncFnOnce() -> T) -> (Answer, T) {
        std::fs::write(self.fault(), "hold").unwrap();
        let then = async {
            let held = || {
                let entries = std::fs::read_dir(self.fault().parent().unwrap()).unwrap();
                entries.flatten().count() > 1
            };
            until("nothing is about to be written", held).await;
            then().await
        };
        let (answer, then) = tokio::join!(self.world.buy(APART, self.sale, buyer), then);
        (answer.unwrap(), then)
    }

    /// Lets go what is held.
    pub(crate) fn lift(&self) {
        for entry in std::fs::read_dir(self.fault().parent().unwrap()).unwrap().flatten() {
            std::fs::remove_file(entry.path()).unwrap();
        }
    }

    fn fault(&self) -> PathBuf {
        self.world.stack.folder().join("faults-apart/before_write")
    }

    pub(crate) async fn sold(&self) -> i32 {
        self.world.books(self.sale).await.sold
    }

    /// Returns when the second replica was refused a write with an old token.
    pub(crate) async fn is_refused(&self) {
        let refused = "leasehold_stale_writes_refused_total";
        comes("no write is refused", async || self.world.counter(APART, refused).await == 1).await;
    }

    /// Lets buyers loose at both replicas, and then at the second one alone: in a race with the other it may come
    /// too late for a single unit.
    pub(crate) async fn sells_rightly(&self) {
        let world = &self.world;
        for (replicas, capacity) in [(world.urls(), 100), (world.urls().split_off(APART), 20)] {
            let sale = world.sale(capacity).await;
            let (count, arrivals) = (3 * capacity as usize, Arrivals::Over(2 * TTL));
            let crowd = Buyers { count, arrivals, sale, replicas, seed: 1 };
            let told = crowd.run(&world.shop, |_| ()).await;
            let books = world.books(sale).await;
            assert_eq!(audit::violations(&books, &told), Vec::<String>::new());
            let is_sold = |answered: &&Answered| matches!(answered.told, Told::Yes(_));
            let bought = told.iter().filter(is_sold).count();
            assert_eq!((bought, i64::from(books.sold)), (capacity as usize, capacity.into()));
        }
    }

    /// The books hold, and these have a ticket each beside the first, and nobody else.
    pub(crate) async fn is_sound(&self, answers: &[(&str, &Answer)]) {
        let books = self.world.books(self.sale).await;
        let first = self.first.iter().map(|answer| told("first", answer));
        let told: Vec<_> =
            first.chain(answers.iter().map(|(buyer, answer)| told(buyer, answer))).collect();
        assert_eq!(audit::violations(&books, &told), Vec::<String>::new());
        assert_eq!(usize::try_from(books.sold).unwrap(), told.len());
    }

    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.world.stack.database_url()).await.unwrap()
    }
}

fn told(buyer: &str, answer: &Answer) -> Answered {
    let id = answer.json()["purchase_id"].as_str().unwrap().parse().unwrap();
    Answered {
        buyer: buyer.to_owned(),
        key: buyer.to_owned(),
        told: Told::Yes(id),
        after: Duration::ZERO,
        replica: APART,
        tries: 1,
    }
}

/// Waits until a condition holds that has to be asked for.
pub(crate) async fn comes(stuck: &str, mut holds: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !holds().await {
        assert!(begun.elapsed() < LIMIT, "{stuck} within {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
