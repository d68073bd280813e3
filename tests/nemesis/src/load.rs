//! Buyers and the office: they ask for everything that a sale can be asked for, repeat themselves, and
//! write down what they were told.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use hyper::StatusCode;
use leasehold_stack::{Answer, Shop};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use serde_json::{Value, json};
use tokio::{
    task::JoinSet,
    time::{error::Elapsed, sleep_until, timeout},
};
use uuid::Uuid;

use crate::history::{Asked, Operation, Outcome, Receipt};

/// How long one try waits for its answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(4);
/// How often one is asked again in one go while no final answer comes.
const TRIES_MAX: u32 = 4;
/// The same, after everything is healed.
const TRIES_HEALED: u32 = 40;
/// The pause before another try, at most.
const PAUSE_MAX: Duration = Duration::from_millis(300);
/// How many of its claims and requests a buyer remembers.
const REMEMBERED: usize = 64;

/// What was asked so far; shared by all who ask.
pub(crate) type Journal = Arc<Mutex<Vec<Operation>>>;

/// Where and what there is to ask.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    pub(crate) shop: Shop,
    /// Where replicas are asked, by their index.
    pub(crate) replicas: Arc<[String]>,
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
    pub(crate) async fn run(&self, crowd: Crowd, stop: Arc<AtomicBool>) {
        let mut clients = JoinSet::new();
        let every = Duration::from_secs(1).mul_f64(per(crowd.clients, crowd.rate));
        for index in 0..crowd.clients {
            let random = StdRng::seed_from_u64(crowd.seed.wrapping_add(index as u64));
            let client = Client::new(self.clone(), index, random);
            clients.spawn(client.run(every, Arc::clone(&stop)));
        }
        while clients.join_next().await.is_some() {}
    }

    /// Asks once more, with the same key, whatever was not answered.
    pub(crate) async fn resolve(&self) {
        let unknown: Vec<Operation> = {
            let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
            let is_unknown = |one: &&Operation| matches!(one.outcome, Outcome::Unknown(_));
            let asked = |one: &&Operation| one.asked != Asked::Look;
            journal.iter().filter(is_unknown).filter(asked).cloned().collect()
        };
        let mut clients = JoinSet::new();
        for (index, one) in unknown.into_iter().enumerate() {
            if clients.len() >= 64 {
                let _one = clients.join_next().await;
            }
            let random = StdRng::seed_from_u64(index as u64);
            let mut client = Client::new(self.clone(), index, random);
            let Operation { sale, key, buyer, asked, .. } = one;
            clients.spawn(async move {
                client.ask(Request { sale, key, buyer, asked }, Instant::now(), TRIES_HEALED).await;
            });
        }
        while clients.join_next().await.is_some() {}
    }

    /// Buys one unit at every replica of every sale until it is answered, which shows that service
    /// has resumed.
    pub(crate) async fn visit(&self, limit: Duration) {
        let begun = Instant::now();
        let mut visitors = JoinSet::new();
        for (index, replica) in self.replicas.iter().enumerate() {
            for sale in self.sales.iter().copied() {
                let random = StdRng::seed_from_u64(begun.elapsed().subsec_nanos().into());
                let mut client = Client::new(self.clone(), index, random);
                client.only = Some(index);
                let buyer = format!("visitor-{index}-{replica}-{}", Uuid::new_v4().simple());
                visitors.spawn(async move {
                    while begun.elapsed() < limit {
                        let key = Uuid::new_v4().to_string();
                        let asked = Asked::Buy { quantity: 1 };
                        let request = Request { sale, key, buyer: short(&buyer), asked };
                        let told = client.ask(request, Instant::now(), 1).await;
                        // That all is sold is an answer too.
                        let is_one = |code: &str| matches!(code, "sold_out" | "closed");
                        match told {
                            Outcome::Ok(_) => return,
                            Outcome::Refused(code) if is_one(&code) => return,
                            Outcome::Refused(_) | Outcome::Unknown(_) => {}
                        }
                    }
                });
            }
        }
        while visitors.join_next().await.is_some() {}
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

/// One request, however often it is sent.
#[derive(Clone, Debug)]
struct Request {
    sale: Uuid,
    key: String,
    buyer: String,
    asked: Asked,
}

/// What one try came to.
enum Try {
    Final(Outcome),
    /// Nothing happened; another try may do better.
    Nothing(String),
    /// It may have happened, or may still happen.
    Doubt(String),
}

struct Client {
    market: Market,
    index: usize,
    random: StdRng,
    claims: u64,
    /// Purchases that may be given back.
    bought: Vec<(Uuid, Uuid, String)>,
    /// Reservations that may be paid for or given up.
    reserved: Vec<(Uuid, Uuid, String)>,
    past: Vec<Request>,
    /// The only replica that is asked; otherwise any.
    only: Option<usize>,
}

impl Client {
    fn new(market: Market, index: usize, random: StdRng) -> Self {
        let (bought, reserved, past) = Default::default();
        Self { market, index, random, claims: 0, bought, reserved, past, only: None }
    }

    async fn run(mut self, every: Duration, stop: Arc<AtomicBool>) {
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
        let sale = sales[self.random.random_range(0..sales.len())];
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
    async fn ask(&mut self, request: Request, intended: Instant, tries_max: u32) -> Outcome {
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
        let (url, shop) = (&self.market.replicas[replica], &self.market.shop);
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

/// Reads one try's answer.
fn settle(answer: Result<anyhow::Result<Answer>, Elapsed>, is_look: bool) -> Try {
    let answer = match answer {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => return Try::Doubt(format!("no answer: {error}")),
        Err(_) => return Try::Doubt("no answer in time".to_owned()),
    };
    let said = answer.json();
    if answer.status.is_success() {
        let text = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
        let id = |name: &str| said[name].as_str().and_then(|id| id.parse().ok());
        let claim = id("purchase_id").or_else(|| id("reservation_id"));
        if claim.is_none() && !is_look {
            // Accepted, and not yet run.
            return Try::Doubt("accepted".to_owned());
        }
        let status = if is_look { String::new() } else { text("status") };
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        let claim = claim.filter(|_| !is_look);
        return Try::Final(Outcome::Ok(Receipt { claim, status, body }));
    }
    refused(answer.status, &said)
}

fn refused(status: StatusCode, said: &Value) -> Try {
    let code = said["code"].as_str().unwrap_or_default();
    match (status, code) {
        (StatusCode::GATEWAY_TIMEOUT | StatusCode::INTERNAL_SERVER_ERROR, _) | (_, "") => {
            Try::Doubt(format!("{status} {code}"))
        }
        (StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS, _) | (_, "conflict") => {
            Try::Nothing(code.to_owned())
        }
        _ => Try::Final(Outcome::Refused(code.to_owned())),
    }
}
