//! One who asks: what is asked next, how often, and what is remembered of the answers.

use std::{
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt as _, rngs::StdRng};
use serde_json::json;
use tokio::time::{sleep_until, timeout};
use uuid::Uuid;

use super::{Market, answer::settle};
use crate::history::{Asked, Operation, Outcome, Receipt};

/// How long one try waits for its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// How often one is asked again in one go while no final answer comes.
const TRIES_MAX: u32 = 4;
/// The pause before another try, at most.
const PAUSE_MAX: Duration = Duration::from_millis(300);
/// How many of its claims and requests a buyer remembers.
const REMEMBERED: usize = 64;

/// One request, however often it is sent.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) sale: Uuid,
    pub(super) key: String,
    pub(super) buyer: String,
    pub(super) asked: Asked,
}

/// What one try came to.
pub(super) enum Try {
    Final(Outcome),
    /// Nothing happened; another try may do better.
    Nothing(String),
    /// It may have happened, or may still happen.
    Doubt(String),
}

/// How much more often the first sale is asked for than another.
const LARGE_MORE: usize = 5;

pub(super) struct Client {
    market: Market,
    index: usize,
    random: StdRng,
    claims: u64,
    /// Purchases that may be given back.
    bought: Vec<(Uuid, Uuid, String)>,
    /// Reservations that may be paid for or given up.
    reserved: Vec<(Uuid, Uuid, String)>,
    past: Vec<Request>,
    /// The only one who is asked, a replica or the load balancer; otherwise any replica.
    pub(super) only: Option<usize>,
}

impl Client {
    pub(super) fn new(market: Market, index: usize, random: StdRng) -> Self {
        let (bought, reserved, past) = Default::default();
        Self { market, index, random, claims: 0, bought, reserved, past, only: None }
    }

    pub(super) async fn run(mut self, every: Duration, stop: Arc<AtomicBool>) {
        // Not all in step.
        let mut due = Instant::now() + every.mul_f64(self.random.random::<f64>());
        while !stop.load(Ordering::Relaxed) {
            sleep_until(due.into()).await;
            let request = self.next();
            self.past.push(request.clone());
            if self.past.len() > REMEMBERED {
                self.past.swap_remove(0);
            }
            let outcome = self.ask(request.clone(), due, TRIES_MAX).await;
            self.remember(&request, &outcome);
            due += every;
        }
    }

    fn next(&mut self) -> Request {
        let sales = &self.market.sales;
        // Mostly the first, which is large: of one that is sold out there is little to see.
        let sale =
            sales[self.random.random_range(0..sales.len() + LARGE_MORE).saturating_sub(LARGE_MORE)];
        let quantity = self.random.random_range(1..=3);
        let part = self.random.random_range(0..100);
        let again = |list: &mut Vec<(Uuid, Uuid, String)>, random: &mut StdRng| {
            (!list.is_empty()).then(|| list.swap_remove(random.random_range(0..list.len())))
        };
        let owned = match part {
            0..18 => again(&mut self.reserved, &mut self.random)
                .map(|(sale, claim, buyer)| (sale, buyer, Asked::Confirm { claim })),
            18..24 => again(&mut self.reserved, &mut self.random)
                .map(|(sale, claim, buyer)| (sale, buyer, Asked::Cancel { claim })),
            24..40 => again(&mut self.bought, &mut self.random)
                .map(|(sale, claim, buyer)| (sale, buyer, Asked::Refund { claim, quantity: 1 })),
            40..46 if !self.past.is_empty() => {
                return self.past[self.random.random_range(0..self.past.len())].clone();
            }
            46..50 => Some((sale, String::new(), Asked::Look)),
            _ => None,
        };
        let (sale, buyer, asked) = owned.unwrap_or_else(|| {
            self.claims += 1;
            let buyer = format!("c{}-{}", self.index, self.claims);
            let asked = match part {
                0..65 => Asked::Reserve { quantity, wait: part % 2 == 0 },
                _ => Asked::Buy { quantity },
            };
            (sale, buyer, asked)
        });
        let key = match asked {
            Asked::Look => String::new(),
            _ => Uuid::from_u128(self.random.random()).to_string(),
        };
        Request { sale, key, buyer, asked }
    }

    fn remember(&mut self, request: &Request, outcome: &Outcome) {
        let Outcome::Ok(Receipt { claim: Some(claim), status, .. }) = outcome else { return };
        let list = match &**status {
            "confirmed" => &mut self.bought,
            "pending" | "waiting" => &mut self.reserved,
            _ => return,
        };
        list.push((request.sale, *claim, request.buyer.clone()));
        if list.len() > REMEMBERED {
            list.swap_remove(0);
        }
    }

    /// Asks until there is a final answer, or so many tries were made, and writes down what came of it.
    pub(super) async fn ask(
        &mut self,
        request: Request,
        intended: Instant,
        tries_max: u32,
    ) -> Outcome {
        let start = Instant::now();
        let (mut tries, mut unanswered, mut doubt) = (0, 0, None);
        let mut key = request.key.clone();
        let (outcome, replica) = loop {
            tries += 1;
            let replicas = self.market.replicas.len();
            let replica = self.only.unwrap_or_else(|| self.random.random_range(0..replicas));
            let why = match self.once(&Request { key, ..request.clone() }, replica).await {
                // What was refused here may still be done by an earlier try that was never answered.
                Try::Final(Outcome::Refused(code)) => match doubt {
                    Some(_) => {
                        break (Outcome::Unknown(format!("{code}, after no answer")), replica);
                    }
                    None => break (Outcome::Refused(code), replica),
                },
                Try::Final(outcome) => break (outcome, replica),
                Try::Nothing(why) => why,
                Try::Doubt(why) => {
                    unanswered += 1;
                    doubt = Some(why.clone());
                    why
                }
            };
            if tries >= tries_max {
                break (doubt.map_or(Outcome::Refused(why), Outcome::Unknown), replica);
            }
            key = if self.market.forgets_keys && !request.key.is_empty() {
                Uuid::from_u128(self.random.random()).to_string()
            } else {
                request.key.clone()
            };
            tokio::time::sleep(PAUSE_MAX.mul_f64(self.random.random::<f64>())).await;
        };
        let since = |at: Instant| at.saturating_duration_since(self.market.begun);
        let operation = Operation {
            sale: request.sale,
            key: request.key,
            buyer: request.buyer,
            asked: request.asked,
            intended: since(intended),
            start: since(start),
            end: since(Instant::now()),
            tries,
            unanswered,
            replica,
            outcome: outcome.clone(),
        };
        self.market.journal.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
        outcome
    }

    async fn once(&self, request: &Request, replica: usize) -> Try {
        let (url, shop) = (self.market.way_in(replica), &self.market.shop);
        let Request { sale, key, buyer, asked } = request;
        let (path, admin, body) = match asked {
            Asked::Look => {
                let url = format!("{url}/v1/sales/{sale}");
                return settle(timeout(ANSWER_LIMIT, shop.get(&url)).await, true);
            }
            Asked::Buy { quantity } => (
                format!("/v1/sales/{sale}/purchases"),
                false,
                json!({"buyer": buyer, "quantity": quantity}),
            ),
            Asked::Reserve { quantity, wait } => (
                format!("/v1/sales/{sale}/reservations"),
                false,
                json!({"buyer": buyer, "quantity": quantity, "wait": wait}),
            ),
            Asked::Confirm { claim } => {
                (format!("/v1/reservations/{claim}/confirm"), false, json!({"buyer": buyer}))
            }
            Asked::Cancel { claim } => {
                (format!("/v1/reservations/{claim}/cancel"), false, json!({"buyer": buyer}))
            }
            Asked::Refund { claim, quantity } => {
                (format!("/v1/purchases/{claim}/refunds"), true, json!({"quantity": quantity}))
            }
        };
        let api_key = if admin { &shop.keys().admin } else { &shop.keys().buyer };
        let url = format!("{url}{path}");
        // Who gives up, hangs up.
        settle(timeout(ANSWER_LIMIT, shop.post(&url, api_key, key, &body)).await, false)
    }
}
