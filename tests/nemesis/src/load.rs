//! Buyers and the office: they ask for everything that a sale can be asked for, repeat themselves, and
//! write down what they were told.

mod answer;
mod client;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::{Duration, Instant},
};

use leasehold_stack::Shop;
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;
use uuid::Uuid;

use self::client::{Client, Request};
use crate::{
    history::{Asked, Operation, Outcome},
    tasks::next_of,
};

/// How often one is asked again in one go after everything is healed, while no final answer comes.
const TRIES_HEALED: u32 = 40;

/// How long a visitor waits before it asks again.
const VISIT_AGAIN: Duration = Duration::from_millis(200);

/// What was asked so far; shared by all who ask.
pub(crate) type Journal = Arc<Mutex<Vec<Operation>>>;

/// Where and what there is to ask.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) shop: Shop,
    /// Where replicas are asked, by their index.
    pub(crate) replicas: Arc<[String]>,
    /// Where a quarter of the buyers ask, if there is a load balancer: it has the index after the last replica.
    pub(crate) balancer: Option<String>,
    pub(crate) sales: Arc<[Uuid]>,
    /// Zero of all times.
    pub(crate) begun: Instant,
    pub(crate) journal: Journal,
    /// Whether a try is repeated under another key: as if the service did not know keys.
    pub(crate) forgets_keys: bool,
}

/// How much is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crowd {
    pub(crate) clients: usize,
    /// Requests a second, of all together.
    pub(crate) rate: u32,
    pub(crate) seed: u64,
}

impl Market {
    /// Asks until told to stop. Every client asks on a schedule of its own; one that is behind does
    /// not leave anything out.
    ///
    /// # Errors
    /// When a client panicked.
    pub(crate) async fn run(&self, crowd: Crowd, stop: Arc<AtomicBool>) -> anyhow::Result<()> {
        let mut clients = JoinSet::new();
        let every = Duration::from_secs(1).mul_f64(per(crowd.clients, crowd.rate));
        for index in 0..crowd.clients {
            let random = StdRng::seed_from_u64(crowd.seed.wrapping_add(index as u64));
            let mut client = Client::new(self.clone(), index, random);
            client.only =
                self.balancer.as_ref().filter(|_| index % 4 == 3).map(|_| self.replicas.len());
            clients.spawn(client.run(every, Arc::clone(&stop)));
        }
        while next_of(&mut clients, "a buyer").await?.is_some() {}
        Ok(())
    }

    /// Asks once more, with the same key, whatever was not answered.
    ///
    /// # Errors
    /// When a client panicked.
    pub(crate) async fn resolve(&self) -> anyhow::Result<()> {
        let unknown: Vec<Operation> = {
            let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            let is_unknown = |one: &&Operation| matches!(one.outcome, Outcome::Unknown(_));
            let asked = |one: &&Operation| one.asked != Asked::Look;
            journal.iter().filter(is_unknown).filter(asked).cloned().collect()
        };
        let mut clients = JoinSet::new();
        for (index, one) in unknown.into_iter().enumerate() {
            if clients.len() >= 64 {
                let _one = next_of(&mut clients, "who asked again").await?;
            }
            let random = StdRng::seed_from_u64(index as u64);
            let mut client = Client::new(self.clone(), index, random);
            let Operation { sale, key, buyer, asked, .. } = one;
            clients.spawn(async move {
                client.ask(Request { sale, key, buyer, asked }, Instant::now(), TRIES_HEALED).await;
            });
        }
        while next_of(&mut clients, "who asked again").await?.is_some() {}
        Ok(())
    }

    /// Buys one unit of every sale at every replica, and through the load balancer, until that is decided:
    /// which shows that service has resumed. Says where nobody decided within the limit.
    ///
    /// # Errors
    /// When a client panicked.
    pub(crate) async fn visit(&self, limit: Duration) -> anyhow::Result<Vec<String>> {
        let mut visitors = JoinSet::new();
        for (index, replica) in self.replicas.iter().chain(&self.balancer).enumerate() {
            for sale in self.sales.iter().copied() {
                let random = StdRng::seed_from_u64(self.begun.elapsed().subsec_nanos().into());
                let mut client = Client::new(self.clone(), index, random);
                client.only = Some(index);
                let buyer = format!("visitor-{index}-{replica}-{}", Uuid::new_v4().simple());
                visitors.spawn(async move {
                    let begun = Instant::now();
                    loop {
                        let key = Uuid::new_v4().to_string();
                        let asked = Asked::Buy { quantity: 1 };
                        let request = Request { sale, key, buyer: short(&buyer), asked };
                        let told = client.ask(request, Instant::now(), 1).await;
                        if told.is_decided() {
                            return None;
                        }
                        if begun.elapsed() > limit {
                            return Some(format!(
                                "sale {sale}: replica {index} decided nothing in {limit:?}: {told:?}"
                            ));
                        }
                        tokio::time::sleep(VISIT_AGAIN).await;
                    }
                });
            }
        }
        let mut in_vain = Vec::new();
        while let Some(told) = next_of(&mut visitors, "a visitor").await? {
            in_vain.extend(told);
        }
        Ok(in_vain)
    }
}

impl Market {
    /// Where the one with this index is asked: a replica, or the load balancer after them.
    fn way_in(&self, index: usize) -> &str {
        let replica = self.replicas.get(index).or(self.balancer.as_ref());
        replica.map(String::as_str).unwrap_or_default()
    }
}

/// A name within the service's limit.
fn short(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).take(100).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of clients are small")]
fn per(clients: usize, rate: u32) -> f64 {
    clients as f64 / f64::from(rate.max(1))
}
