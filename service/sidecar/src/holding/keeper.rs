//! Keeps one lease for one program: a task that ends with the lease.

use std::{future::Future, mem, sync::Arc, time::Duration};

use leasehold::{Lease, ReleaseOutcome, Stamp};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use super::{LeaseId, LinkId, RequestId, ended::Ended, link::Link, link::Notice, table::Table};

/// A lease as its program is told of it.
#[derive(Clone, Debug)]
pub struct View {
    /// Its name.
    pub id: LeaseId,
    /// Resource, token and holder: what a protected store is shown.
    pub stamp: Stamp,
    /// How long it lasts without a sign of life.
    pub ttl: Duration,
    /// For how long the program may act, whatever happens to this sidecar meanwhile.
    pub valid_for: Duration,
    /// When it is given back unless the program renews it; `None` while a link keeps it.
    pub expires_in: Option<Duration>,
    /// The link that keeps it.
    pub link: Option<LinkId>,
    /// The request that it was asked for with.
    pub request: Option<RequestId>,
}

/// What a keeper is asked.
pub(super) enum Order {
    Look(oneshot::Sender<View>),
    /// With the link from now on, if that is to change.
    Renew {
        ttl: Option<Duration>,
        link: Option<Option<Arc<Link>>>,
        told: oneshot::Sender<View>,
    },
    Release(oneshot::Sender<ReleaseOutcome>),
    Evict(oneshot::Sender<ReleaseOutcome>),
}

/// What becomes of leases when the sidecar stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStop {
    /// They are given back: their programs end before the sidecar does.
    #[default]
    Release,
    /// They are left to their nodes, until a sidecar that starts within the lease's lifetime on the nodes
    /// takes them over for their programs.
    Keep,
}

pub(super) struct Keeper {
    pub(super) id: LeaseId,
    pub(super) lease: Lease,
    pub(super) ttl: Duration,
    pub(super) link: Option<Arc<Link>>,
    pub(super) request: Option<RequestId>,
    pub(super) expires: Instant,
    pub(super) table: Arc<Table>,
    pub(super) stopping: CancellationToken,
    pub(super) on_stop: OnStop,
    /// The place that it takes among all that may be held.
    pub(super) place: OwnedSemaphorePermit,
}

impl Keeper {
    pub(super) fn view(&self) -> View {
        let expires_in = match &self.link {
            Some(_) => None,
            None => Some(self.expires.saturating_duration_since(Instant::now())),
        };
        let remaining = self.lease.remaining();
        View {
            id: self.id,
            stamp: self.lease.stamp().clone(),
            ttl: self.ttl,
            valid_for: expires_in.map_or(remaining, |left| left.min(remaining)),
            expires_in,
            link: self.link.as_ref().map(|link| link.id),
            request: self.request.clone(),
        }
    }

    /// Keeps the lease until it ends.
    pub(super) async fn keep(mut self, mut orders: mpsc::Receiver<Order>) {
        let (ended, told) = self.until_the_end(&mut orders).await;
        self.table.ended(self.id, ended);
        // Who asked in the meantime is told that it is over.
        drop(orders);
        if let (Some(link), Ended::Lost(_) | Ended::Evicted) = (&self.link, ended) {
            let Stamp { resource, token, .. } = self.lease.stamp().clone();
            link.tell(Notice { lease: self.id, resource, token, why: ended });
        }
        tracing::debug!(
            lease.id = %self.id, lease.resource = %self.lease.resource(), lease.token = %self.lease.token(),
            %ended, "lease ended"
        );
        metrics::counter!("sidecar_leases_ended_total", "why" => ended.as_str()).increment(1);
        if ended == Ended::Stopped && self.on_stop == OnStop::Keep {
            forget(self.lease);
            return;
        }
        let outcome = self.lease.release().await;
        drop(self.place);
        if let Some(told) = told {
            // Whoever asked may be gone.
            let _gone = told.send(outcome);
        }
    }

    async fn until_the_end(
        &mut self,
        orders: &mut mpsc::Receiver<Order>,
    ) -> (Ended, Option<oneshot::Sender<ReleaseOutcome>>) {
        loop {
            let order = tokio::select! {
                biased;
                loss = self.lease.lost() => return (Ended::Lost(loss), None),
                // Before links, which break because of it.
                () = self.stopping.cancelled() => return (Ended::Stopped, None),
                () = broken(self.link.as_deref()) => return (Ended::LinkBroken, None),
                order = orders.recv() => order,
                () = sleep_until(self.expires), if self.link.is_none() => {
                    return (Ended::Expired, None);
                }
            };
            match order {
                Some(Order::Look(told)) => {
                    let _gone = told.send(self.view());
                }
                Some(Order::Renew { ttl, link, told }) => {
                    self.ttl = ttl.unwrap_or(self.ttl);
                    self.expires = Instant::now() + self.ttl;
                    if let Some(link) = link {
                        self.link = link;
                    }
                    let _gone = told.send(self.view());
                }
                Some(Order::Release(told)) => return (Ended::Released, Some(told)),
                Some(Order::Evict(told)) => return (Ended::Evicted, Some(told)),
                // The table holds the other end for as long as the lease is in it.
                None => return (Ended::Stopped, None),
            }
        }
    }
}

/// Leaves a lease to its nodes: this process is about to end, and renews it until then.
#[expect(clippy::mem_forget, reason = "dropped, it would be given back")]
fn forget(lease: Lease) {
    mem::forget(lease);
}

/// Ends when the link breaks; never without one.
pub(super) fn broken(link: Option<&Link>) -> impl Future<Output = ()> {
    let broken = link.map(|link| link.broken.clone());
    async move {
        match broken {
            Some(broken) => broken.cancelled_owned().await,
            None => std::future::pending().await,
        }
    }
}
