//! Delivers what one webhook was not told yet, under its lease.

use std::time::Duration;

use leasehold::{Lease, Leases, Resource};
use serde::Serialize;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    EVENTS_MAX, WebhookConfig,
    backoff::wait,
    sender::{NotDelivered, Sender},
};
use crate::{
    domain::{EventView, SaleId, WebhookId},
    store::{DeliveryEnd, OpenDelivery, Store, StoreError, Target},
};

/// How long a webhook's lease is kept while there is something to deliver. With the longest delivery
/// after it, less than a lease may live.
const HOLD_MAX: Duration = Duration::from_secs(30);

/// Sales that are looked up at once.
const SALES_MAX: i64 = 100;

/// What is delivered.
#[derive(Serialize)]
struct Body {
    webhook_id: WebhookId,
    sale_id: SaleId,
    events: Vec<EventView>,
}

/// Why a courier stops before everything is delivered.
enum Stopped {
    /// Its time is over, or the replica stops.
    Over,
    /// Its lease was lost.
    Lost,
    Store(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Delivers for any webhook.
#[derive(Clone)]
pub(super) struct Courier {
    pub(super) store: Store,
    pub(super) leases: Leases,
    pub(super) sender: Sender,
    pub(super) config: WebhookConfig,
    /// Once cancelled, nothing new is begun.
    pub(super) stop: CancellationToken,
}

impl Courier {
    /// Delivers what is due, unless another replica does.
    pub(super) async fn deliver(self, webhook: WebhookId) {
        let Ok(resource) = Resource::new(format!("webhook/{webhook}")) else { return };
        let lease = match self.leases.try_acquire(&resource).await {
            Ok(lease) => lease,
            Err(error) => {
                // Usual: another replica delivers. If no quorum answers, readiness and sales tell.
                tracing::debug!(webhook.id = %webhook, %error, "another delivers, or nobody can");
                return;
            }
        };
        match self.rounds(webhook, &lease).await {
            Ok(()) | Err(Stopped::Over) => {}
            Err(Stopped::Lost) => tracing::debug!(webhook.id = %webhook, "lease lost"),
            Err(Stopped::Store(error)) => {
                if let StoreError::Stale(stale) = &error {
                    // After a total loss of the lease nodes' data this lifts the next token above it.
                    self.leases.observe(stale.newest);
                    metrics::counter!("leasehold_stale_writes_refused_total").increment(1);
                }
                tracing::warn!(webhook.id = %webhook, %error, "delivering was interrupted");
            }
        }
        let _outcome = lease.release().await;
    }

    /// One delivery of each sale in turn, until nothing is due.
    async fn rounds(&self, webhook: WebhookId, lease: &Lease) -> Result<(), Stopped> {
        let until = Instant::now() + HOLD_MAX;
        let Some(target) = self.store.webhook_target(webhook).await? else { return Ok(()) };
        loop {
            let sales = self.store.sales_pending(webhook, SALES_MAX).await?;
            if sales.is_empty() {
                return Ok(());
            }
            for sale in sales {
                if self.stop.is_cancelled() || Instant::now() >= until {
                    return Err(Stopped::Over);
                }
                self.once(webhook, sale, &target, lease).await?;
            }
        }
    }

    async fn once(
        &self,
        webhook: WebhookId,
        sale: SaleId,
        target: &Target,
        lease: &Lease,
    ) -> Result<(), Stopped> {
        let stamp = lease.stamp();
        let opened = self.store.open_delivery(webhook, sale, stamp, EVENTS_MAX).await?;
        let Some(open) = opened else { return Ok(()) };
        let events = self.events(sale, open, target).await?;
        let sent = if events.is_empty() {
            Ok(())
        } else {
            let id = message_id(webhook, sale, open);
            let body = Body { webhook_id: webhook, sale_id: sale, events };
            // Plain fields always serialise.
            let body = serde_json::to_vec(&body).unwrap_or_default();
            let sent = lease.guard(self.sender.send(target, &id, body)).await;
            sent.map_err(|_| Stopped::Lost)?
        };
        let why = sent.as_ref().err().map(NotDelivered::to_string);
        let end = self.end(open, why.as_deref());
        if self.store.close_delivery(webhook, sale, stamp, open, end).await? {
            note(webhook, sale, open, end);
        }
        Ok(())
    }

    /// Those events of the delivery that the webhook is about.
    async fn events(
        &self,
        sale: SaleId,
        open: OpenDelivery,
        target: &Target,
    ) -> Result<Vec<EventView>, StoreError> {
        let read = self.store.events(sale, open.first - 1, open.last - open.first + 1).await?;
        let wanted = |kind| target.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind));
        let events = read.iter().filter(|read| wanted(read.event.kind()));
        Ok(events.map(|read| EventView::of(sale, read.seq, read.at, &read.event)).collect())
    }

    fn end<'a>(&self, open: OpenDelivery, why: Option<&'a str>) -> DeliveryEnd<'a> {
        let failed = open.attempts.saturating_add(1);
        match why {
            None => DeliveryEnd::Delivered,
            Some(why) if failed >= self.config.attempts_max => DeliveryEnd::Dead(why),
            Some(why) => {
                DeliveryEnd::Failed(why, wait(self.config.backoff, failed, fastrand::f64()))
            }
        }
    }
}

/// What receivers know a delivery by: the same for the same events, whoever sends them.
fn message_id(webhook: WebhookId, sale: SaleId, open: OpenDelivery) -> String {
    let (webhook, sale) = (webhook.as_uuid().simple(), sale.as_uuid().simple());
    format!("{webhook}-{sale}-{}-{}", open.first, open.last)
}

/// Counts, and says once that a delivery fails, that it goes again, and that it is put aside.
fn note(webhook: WebhookId, sale: SaleId, open: OpenDelivery, end: DeliveryEnd<'_>) {
    let OpenDelivery { first, last, attempts } = open;
    let outcome = match end {
        DeliveryEnd::Delivered => {
            if attempts > 0 {
                tracing::info!(
                    webhook.id = %webhook, sale.id = %sale, first, last, failed = attempts,
                    "a delivery succeeded after it had failed"
                );
            }
            "delivered"
        }
        DeliveryEnd::Failed(why, _) => {
            if attempts == 0 {
                tracing::warn!(
                    webhook.id = %webhook, sale.id = %sale, first, last, reason = why,
                    "a delivery failed; it will be sent again"
                );
            }
            "failed"
        }
        DeliveryEnd::Dead(why) => {
            tracing::error!(
                webhook.id = %webhook, sale.id = %sale, first, last, failed = attempts + 1, reason = why,
                "a delivery was put aside as a dead letter"
            );
            "dead"
        }
    };
    metrics::counter!("leasehold_webhook_deliveries_total", "outcome" => outcome).increment(1);
}
