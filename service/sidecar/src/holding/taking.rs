//! Gets leases: from the nodes, from an earlier request with the same name, from the sidecar before.

use std::{sync::Arc, time::Duration};

use leasehold::{Lease, Resource, Slots, Stamp};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};

use super::{
    Binding, Client, HoldError, Holdings, LeaseId, RequestId, Terms, View, Want, What,
    keeper::{Keeper, broken},
    link::Link,
};

/// How many orders wait for one keeper, which takes each at once.
const ORDERS_MAX: usize = 8;

/// How much longer than its wait a repetition waits for the request before it: as long as that may take
/// after its own wait is over.
const REPETITION_MARGIN: Duration = Duration::from_secs(2);

/// What a request for leases came to.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The leases, in the order of their resources' names.
    pub leases: Vec<View>,
    /// Whether an earlier request with the same id got them.
    pub is_repeated: bool,
}

/// How a lease is kept.
struct How {
    ttl: Duration,
    link: Option<Arc<Link>>,
    request: Option<RequestId>,
    place: OwnedSemaphorePermit,
}

impl Holdings {
    /// Acquires what is wanted, and keeps it as its terms say.
    ///
    /// With a request id, a repetition gets the leases that the first request got, renewed, for as long as
    /// they are held.
    ///
    /// # Errors
    ///
    /// When it was not to be had in time, there is no room, or the link that is to keep it is not there or
    /// breaks. Nothing is held then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves no lease behind; that of a repetition leaves what the first request got.
    pub async fn acquire(&self, client: &Client, want: &Want) -> Result<Granted, HoldError> {
        let Some(request) = &want.request else {
            let leases = self.take(client, want, want.wait).await?;
            return Ok(Granted { leases, is_repeated: false });
        };
        let asking = self.table.ask(client, request, &want.what)?;
        let (begun, patience) = (Instant::now(), want.wait + REPETITION_MARGIN);
        let Ok(mut outcome) = tokio::time::timeout(patience, asking.intent.outcome.lock()).await
        else {
            return Err(HoldError::StillAsked);
        };
        let Terms { ttl, link } = want.terms;
        let binding = link.map_or(Binding::Same, Binding::To);
        if let Some(link) = link {
            let _there = self.table.link(client, link)?;
        }
        // What is held stays noted meanwhile: whoever goes away here must not leave leases without a name.
        let held = outcome.clone();
        if !held.is_empty() {
            let renewals = held.iter().map(|id| self.renew(client, *id, Some(ttl), binding));
            let renewed: Result<Vec<View>, HoldError> =
                futures_util::future::join_all(renewals).await.into_iter().collect();
            if let Ok(leases) = renewed {
                return Ok(Granted { leases, is_repeated: true });
            }
            // Some of several are over, so what was asked for is not held any more.
            for id in held {
                let _over = self.release(client, id).await;
            }
            outcome.clear();
        }
        let leases = self.take(client, want, want.wait.saturating_sub(begun.elapsed())).await?;
        *outcome = leases.iter().map(|lease| lease.id).collect();
        Ok(Granted { leases, is_repeated: false })
    }

    async fn take(
        &self,
        client: &Client,
        want: &Want,
        wait: Duration,
    ) -> Result<Vec<View>, HoldError> {
        let link = want.terms.link.map(|id| self.table.link(client, id)).transpose()?;
        let mut place = self.place(want.what.count())?;
        let taken = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return Err(HoldError::Stopping),
            () = broken(link.as_deref()) => return Err(HoldError::LinkBroken),
            taken = self.ask_nodes(&want.what, wait) => taken?,
        };
        let keep = |lease| {
            // There is one for each.
            let place = place.split(1)?;
            let request = want.request.clone();
            let how = How { ttl: want.terms.ttl, link: link.clone(), request, place };
            Some(self.keep(client, lease, how))
        };
        Ok(taken.into_iter().filter_map(keep).collect())
    }

    async fn ask_nodes(&self, what: &What, wait: Duration) -> Result<Vec<Lease>, HoldError> {
        let slots = |name: &Resource, slots| Slots::new(self.leases.clone(), name.as_str(), slots);
        Ok(match what {
            What::One(resource) => vec![self.leases.acquire(resource, wait).await?],
            What::All(resources) => self.leases.acquire_all(resources, wait).await?.into_leases(),
            What::Slot(name, count) => vec![slots(name, *count)?.acquire(wait).await?],
            What::EverySlot(name, count) => {
                slots(name, *count)?.acquire_every(wait).await?.into_leases()
            }
        })
    }

    fn keep(&self, client: &Client, lease: Lease, how: How) -> View {
        let How { ttl, link, request, place } = how;
        let id = LeaseId::of(client.seal(), lease.stamp());
        let (orders, ordered) = mpsc::channel(ORDERS_MAX);
        self.table.put(id, client.name(), lease.resource(), request.clone(), orders);
        let keeper = Keeper {
            id,
            lease,
            ttl,
            link,
            request,
            expires: Instant::now() + ttl,
            table: Arc::clone(&self.table),
            stopping: self.stopping.clone(),
            on_stop: self.on_stop,
            place,
        };
        let view = keeper.view();
        drop(self.keepers.spawn(keeper.keep(ordered)));
        view
    }

    /// Takes a lease of this client over that the sidecar before this one held, or renews it if it is held
    /// here.
    ///
    /// # Errors
    ///
    /// When the name is not that of this lease of this client, the nodes do not keep it any more, too few of
    /// them answer to know (then it can be tried again), or the link is not there or breaks.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the lease as it was: nobody renews it.
    pub async fn attach(
        &self,
        client: &Client,
        id: LeaseId,
        stamp: &Stamp,
        terms: Terms,
    ) -> Result<View, HoldError> {
        if LeaseId::of(client.seal(), stamp) != id {
            return Err(HoldError::NotFound);
        }
        let binding = terms.link.map_or(Binding::Same, Binding::To);
        match self.renew(client, id, Some(terms.ttl), binding).await {
            Err(HoldError::NotFound) => {}
            done => return done,
        }
        let link = terms.link.map(|id| self.table.link(client, id)).transpose()?;
        let place = self.place(1)?;
        let lease = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return Err(HoldError::Stopping),
            () = broken(link.as_deref()) => return Err(HoldError::LinkBroken),
            lease = self.leases.resume(stamp) => lease?,
        };
        Ok(self.keep(client, lease, How { ttl: terms.ttl, link, request: None, place }))
    }
}
