//! What webhooks are still to be told, and how far each delivery came. Every write here is made under
//! the fence of the webhook's lease.

use std::time::Duration;

use leasehold::Stamp;
use uuid::Uuid;

use super::{Store, StoreError, webhooks::kinds};
use crate::domain::{Kind, SaleId, Secret, WebhookId};

/// An active webhook that was not told everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which.
    pub webhook: WebhookId,
    /// How many events of all its sales it was not told yet, whether they are of its kinds or not.
    pub lag: i64,
    /// Whether something may be sent now; else everything waits for its next attempt.
    pub is_due: bool,
}

/// Where a webhook's events go, and which.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address.
    pub url: String,
    /// What deliveries are signed with.
    pub secret: Secret,
    /// Which events; `None` for all.
    pub kinds: Option<Vec<Kind>>,
}

/// A delivery that was begun: events of one sale, by their numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenDelivery {
    /// The first.
    pub first: i64,
    /// The last.
    pub last: i64,
    /// How often it failed.
    pub attempts: u32,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug)]
pub enum DeliveryEnd<'a> {
    /// The receiver has it.
    Delivered,
    /// It is sent again after this time.
    Failed(&'a str, Duration),
    /// It is put aside; later events go on.
    Dead(&'a str),
}

/// Sales of active webhooks with events that the webhook was not told.
macro_rules! behind {
    ($columns:literal, $rest:literal) => {
        concat!(
            "select ",
            $columns,
            " from leasehold_now() as n (now_ms), webhooks w \
             join sales s on w.sale_id is null or s.id = w.sale_id \
             left join webhook_progress p on p.webhook_id = w.id and p.sale_id = s.id \
             left join webhook_deliveries d on d.webhook_id = w.id and d.sale_id = s.id and d.died_at is null \
             where w.active and s.version > coalesce(p.seq, 0) ",
            $rest
        )
    };
}

impl Store {
    /// Active webhooks that were not told everything.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn webhooks_pending(&self) -> Result<Vec<Pending>, StoreError> {
        let ask = sqlx::query(behind!(
            "w.id, sum(s.version - coalesce(p.seq, 0))::int8, bool_or(coalesce(d.next_at, 0) <= n.now_ms)",
            "group by w.id"
        ));
        let read = self.ask(ask).await?.all::<(Uuid, i64, bool)>()?.into_iter();
        let pending =
            |(id, lag, is_due)| Pending { webhook: WebhookId::from_uuid(id), lag, is_due };
        Ok(read.map(pending).collect())
    }

    /// Sales about which a webhook may be told something now, in no order: with one, those that are behind
    /// all the time would keep the others from ever being among the first.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn sales_pending(
        &self,
        webhook: WebhookId,
        limit: i64,
    ) -> Result<Vec<SaleId>, StoreError> {
        let ask = sqlx::query(behind!(
            "s.id",
            "and w.id = $1 and coalesce(d.next_at, 0) <= n.now_ms order by random() limit $2"
        ))
        .bind(webhook.as_uuid())
        .bind(limit);
        let sales = self.ask(ask).await?.all::<(Uuid,)>()?;
        Ok(sales.into_iter().map(|(sale,)| SaleId::from_uuid(sale)).collect())
    }

    /// Where a webhook's events go; `None` when it is not active or there is none of that id.
    ///
    /// # Errors
    ///
    /// As the database says.
    pub async fn webhook_target(&self, id: WebhookId) -> Result<Option<Target>, StoreError> {
        type Row = (String, String, Option<Vec<String>>);
        let ask = sqlx::query("select url, secret, kinds from webhooks where id = $1 and active")
            .bind(id.as_uuid());
        let Some((url, secret, names)) = self.ask(ask).await?.optional::<Row>()? else {
            return Ok(None);
        };
        let secret = Secret::from_text(&secret)
            .ok_or_else(|| StoreError::Corrupt("a webhook's secret that is none".to_owned()))?;
        Ok(Some(Target { url, secret, kinds: kinds(names)? }))
    }

    /// Begins a delivery of up to this many events, or takes up the one that was begun; `None` when
    /// nothing is to be sent now.
    ///
    /// # Errors
    ///
    /// As the database says; [`StoreError::Stale`] when another has the webhook's lease.
    pub async fn open_delivery(
        &self,
        webhook: WebhookId,
        sale: SaleId,
        stamp: &Stamp,
        events_max: i32,
    ) -> Result<Option<OpenDelivery>, StoreError> {
        let ask = sqlx::query(
            "select first_seq, last_seq, attempts from open_delivery($1, $2, $3, $4, $5, $6)",
        )
        .bind(webhook.as_uuid())
        .bind(sale.as_uuid())
        .bind(stamp.resource.as_str())
        .bind(stamp.token.as_i64())
        .bind(stamp.holder.to_string())
        .bind(events_max);
        let open = |(first, last, attempts): (i64, i64, i32)| OpenDelivery {
            first,
            last,
            attempts: attempts.unsigned_abs(),
        };
        Ok(self.ask(ask).await?.optional::<(i64, i64, i32)>()?.map(open))
    }

    /// Settles a delivery; `false` when it is not to be settled any more, since a replay or a
    /// deletion came between.
    ///
    /// # Errors
    ///
    /// As the database says; [`StoreError::Stale`] when another has the webhook's lease. It is then
    /// sent again.
    pub async fn close_delivery(
        &self,
        webhook: WebhookId,
        sale: SaleId,
        stamp: &Stamp,
        open: OpenDelivery,
        end: DeliveryEnd<'_>,
    ) -> Result<bool, StoreError> {
        let (error, wait) = match end {
            DeliveryEnd::Delivered => (None, None),
            DeliveryEnd::Failed(error, wait) => {
                (Some(error), Some(i64::try_from(wait.as_millis()).unwrap_or(i64::MAX)))
            }
            DeliveryEnd::Dead(error) => (Some(error), None),
        };
        let ask = sqlx::query("select close_delivery($1, $2, $3, $4, $5, $6, $7, $8, $9)")
            .bind(webhook.as_uuid())
            .bind(sale.as_uuid())
            .bind(stamp.resource.as_str())
            .bind(stamp.token.as_i64())
            .bind(stamp.holder.to_string())
            .bind(open.first)
            .bind(open.last)
            .bind(error)
            .bind(wait);
        Ok(self.ask(ask).await?.one::<(bool,)>()?.0)
    }
}
