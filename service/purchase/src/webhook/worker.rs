//! Looks what is to be delivered, and sets a courier to each webhook that is behind.

use std::collections::HashMap;

use leasehold::Leases;
use tokio::{
    task::{Id, JoinHandle, JoinSet},
    time::{Interval, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{WebhookConfig, courier::Courier, sender::Sender};
use crate::{
    domain::WebhookId,
    store::{Pending, Store, StoreError},
};

/// Delivers webhooks until it is closed. Every replica has one; leases settle which of them delivers.
#[derive(Debug)]
pub struct Worker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    /// Starts it, in the tokio runtime that this is called in.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn start(
        store: Store,
        leases: Leases,
        config: WebhookConfig,
    ) -> Result<Self, rustls::Error> {
        let stop = CancellationToken::new();
        let sender = Sender::new(config.policy, config.timeout)?;
        let courier = Courier { store, leases, sender, config, stop: stop.clone() };
        let mut ticks = interval(config.poll);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let round =
            Round { courier, tasks: JoinSet::new(), busy: HashMap::new(), is_failing: false };
        Ok(Self { stop, task: tokio::spawn(round.run(ticks)) })
    }

    /// Begins nothing new, and waits for deliveries under way.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves them to end by themselves.
    pub async fn close(self) {
        self.stop.cancel();
        let _ended = self.task.await;
    }
}

struct Round {
    courier: Courier,
    tasks: JoinSet<()>,
    /// Webhooks that are being delivered here: not a second time at once.
    busy: HashMap<Id, WebhookId>,
    /// So that an outage is said once.
    is_failing: bool,
}

impl Round {
    async fn run(mut self, mut ticks: Interval) {
        let stop = self.courier.stop.clone();
        let _stopped = stop.run_until_cancelled(self.look_again_and_again(&mut ticks)).await;
        while self.tasks.join_next().await.is_some() {}
    }

    async fn look_again_and_again(&mut self, ticks: &mut Interval) {
        loop {
            let _at = ticks.tick().await;
            while let Some(ended) = self.tasks.try_join_next_with_id() {
                let id = ended.map_or_else(|panicked| panicked.id(), |(id, ())| id);
                let _webhook = self.busy.remove(&id);
            }
            let pending = self.courier.store.webhooks_pending().await;
            self.set_out(pending);
        }
    }

    fn set_out(&mut self, pending: Result<Vec<Pending>, StoreError>) {
        let pending = match pending {
            Ok(pending) => pending,
            Err(error) => {
                if !self.is_failing {
                    tracing::warn!(%error, "webhooks wait: it cannot be seen what is new");
                }
                self.is_failing = true;
                return;
            }
        };
        self.is_failing = false;
        #[expect(clippy::cast_precision_loss, reason = "a gauge; exact far beyond any backlog")]
        let lag = pending.iter().map(|pending| pending.lag).sum::<i64>() as f64;
        metrics::gauge!("leasehold_webhook_lag_events").set(lag);
        for Pending { webhook, is_due, .. } in pending {
            if is_due && !self.busy.values().any(|busy| *busy == webhook) {
                let task = self.tasks.spawn(self.courier.clone().deliver(webhook));
                let _before = self.busy.insert(task.id(), webhook);
            }
        }
    }
}
