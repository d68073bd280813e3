//! The limits of granting.

use std::{sync::Arc, time::Duration};

use super::{retry::Retries, sweep};

/// Limits of granting. Every wait and every queue has one.
#[derive(Clone, Debug)]
pub struct GrantConfig {
    /// The replica's name, for the log of batches.
    pub replica: Arc<str>,
    /// Requests of one sale that may wait in this replica. Default: 20,000. Further ones are told
    /// that it is busy.
    pub queue_max: usize,
    /// The name of the queue of the strategy `queue` on the nodes. Default: `purchase`. Deployments that
    /// share nodes need different ones.
    pub queue_name: Arc<str>,
    /// Requests in one batch. Default: 1000.
    pub batch_max: usize,
    /// Sales that this replica may sell at once. Default: 10,000.
    pub sales_max: usize,
    /// How long a request may take from its arrival to its answer. Default: 10 s.
    pub patience: Duration,
    /// Requests that strategies without batches work on at once, each with a connection to Postgres:
    /// as many as there are for selling. Default: 8. More make a hot row slower, not faster.
    pub transactions_max: usize,
    /// How often a request whose decision was overtaken is decided again.
    pub retries: Retries,
    /// How long the lease nodes or Postgres may be away before requests are told so. Default: 2 s.
    pub outage_patience: Duration,
    /// How long a turn lasts while there is work. Default: 50 ms. Longer means fewer hand-overs,
    /// shorter means that requests at other replicas wait less.
    pub turn_max: Duration,
    /// How long a lease is kept without work before it is given back. Default: 2 ms; a quarter of it, and
    /// only in the first fifth of a turn, where another replica held it when the turn asked for it.
    pub linger: Duration,
    /// How long a desk without requests is kept. Default: 60 s.
    pub retire_after: Duration,
    /// How often this replica looks for reservations whose deadline has passed, which count as free in
    /// any case, and for units that those who wait were not offered yet. Default: 1 s.
    pub sweep_every: Duration,
    /// For how long a repeated request gets its first answer again. Default: seven days. A key that
    /// comes later is a new request.
    pub reply_age: Duration,
    /// How often this replica looks whether the sale is sold out while it waits for the lease.
    /// Default: 25 ms.
    pub look_every: Duration,
}

impl GrantConfig {
    /// The defaults, for a replica of this name.
    #[must_use]
    pub fn new(replica: &str) -> Self {
        Self {
            replica: replica.into(),
            queue_max: 20_000,
            queue_name: "purchase".into(),
            batch_max: 1000,
            sales_max: 10_000,
            patience: Duration::from_secs(10),
            transactions_max: 8,
            retries: Retries::default(),
            outage_patience: Duration::from_secs(2),
            turn_max: Duration::from_millis(50),
            linger: Duration::from_millis(2),
            retire_after: Duration::from_secs(60),
            sweep_every: sweep::SWEEP_EVERY,
            reply_age: sweep::REPLY_AGE,
            look_every: Duration::from_millis(25),
        }
    }
}
