//! Many buyers at once, and what each of them was told in the end.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use hyper::StatusCode;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Shop;

/// How often a buyer asks again with the same key while the answer is "busy", "not available" or
/// none at all.
const TRIES_MAX: u32 = 30;
/// How long a buyer waits before asking again, at most.
const PAUSE_MAX: Duration = Duration::from_millis(400);

/// What a buyer was told in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// Bought: this purchase.
    Yes(Uuid),
    /// Sold out.
    No,
    /// No final answer: it may have happened.
    Unknown,
}

/// One buyer's history.
#[derive(Clone, Debug)]
pub struct Answered {
    /// Who.
    pub buyer: String,
    /// The idempotency key of all the buyer's requests.
    pub key: String,
    /// What the buyer was told in the end.
    pub told: Told,
    /// From when the buyer should have started to the final answer.
    pub after: Duration,
    /// Which replica gave the final answer, by its index.
    pub replica: usize,
    /// How many requests it took.
    pub tries: u32,
}

/// When buyers come.
#[derive(Clone, Copy, Debug)]
pub enum Arrivals {
    /// All in the same instant.
    AtOnce,
    /// On a schedule spread evenly over this time, whether or not earlier ones were answered.
    Over(Duration),
}

/// Buyers of one sale, one unit each.
#[derive(Clone, Debug)]
pub struct Buyers {
    /// How many.
    pub count: usize,
    /// When they come.
    pub arrivals: Arrivals,
    /// What they want.
    pub sale: Uuid,
    /// Where they ask: the first time by turns, after a failure elsewhere.
    pub replicas: Vec<String>,
    /// Decides the order in which replicas are asked again.
    pub seed: u64,
}

impl Buyers {
    /// Lets them loose; `seen` hears each answer as it comes.
    pub async fn run(
        self,
        shop: &Shop,
        seen: impl Fn(&Answered) + Send + Sync + 'static,
    ) -> Vec<Answered> {
        let answers = Arc::new(Mutex::new(Vec::with_capacity(self.count)));
        let seen = Arc::new(seen);
        let mut tasks = JoinSet::new();
        let replicas: Arc<[String]> = self.replicas.clone().into();
        let begun = Instant::now();
        for index in 0..self.count {
            let due = match self.arrivals {
                Arrivals::AtOnce => begun,
                Arrivals::Over(span) => begun + span.mul_f64(fraction(index, self.count)),
            };
            let buyer = Buyer {
                index,
                due,
                sale: self.sale,
                replicas: Arc::clone(&replicas),
                random: StdRng::seed_from_u64(
                    self.seed.wrapping_mul(1_000_003).wrapping_add(index as u64),
                ),
            };
            let (shop, answers, seen) = (shop.clone(), Arc::clone(&answers), Arc::clone(&seen));
            tasks.spawn(async move {
                let answered = buyer.run(&shop).await;
                seen(&answered);
                answers.lock().unwrap_or_else(PoisonError::into_inner).push(answered);
            });
        }
        while tasks.join_next().await.is_some() {}
        let mut answers = answers.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *answers)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of buyers are small")]
fn fraction(index: usize, count: usize) -> f64 {
    index as f64 / count as f64
}

struct Buyer {
    index: usize,
    due: Instant,
    sale: Uuid,
    replicas: Arc<[String]>,
    random: StdRng,
}

impl Buyer {
    async fn run(mut self, shop: &Shop) -> Answered {
        tokio::time::sleep_until(self.due.into()).await;
        let (key, buyer) = (Uuid::new_v4().to_string(), format!("buyer-{}", self.index));
        let mut replica = self.index % self.replicas.len();
        let mut tries = 0;
        let mut told = Told::Unknown;
        while tries < TRIES_MAX {
            tries += 1;
            let answer = shop.buy(&self.replicas[replica], self.sale, &key, &buyer, 1).await;
            told = match answer {
                Ok(answer) if answer.status == StatusCode::CREATED => {
                    let id = answer.json()["purchase_id"].as_str().and_then(|id| id.parse().ok());
                    id.map_or(Told::Unknown, Told::Yes)
                }
                Ok(answer) if answer.code() == "sold_out" => Told::No,
                // Busy, not available, unknown, or no answer: the same key again, elsewhere.
                Ok(_) | Err(_) => Told::Unknown,
            };
            if told != Told::Unknown {
                break;
            }
            replica = self.random.random_range(0..self.replicas.len());
            tokio::time::sleep(PAUSE_MAX.mul_f64(self.random.random::<f64>())).await;
        }
        Answered { buyer, key, told, after: self.due.elapsed(), replica, tries }
    }
}
