//! Holds leases for programs: each as long as its program shows that it lives.

mod client;
mod ended;
mod error;
mod id;
mod keeper;
mod link;
mod nodes;
mod table;
mod want;

use std::{sync::Arc, time::Duration};

use leasehold::{Candidate, Lease, Leases, ReleaseOutcome, Resource, Slots, Stamp};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot},
    time::Instant,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    client::Client,
    ended::Ended,
    error::HoldError,
    id::{LeaseId, LinkId, NotAnId},
    keeper::{OnStop, View},
    link::{Linked, Notice},
    nodes::Freed,
    want::{
        NotARequestId, REQUEST_ID_BYTES_MAX, RequestId, TTL_MAX, TTL_MIN, Terms, WAIT_MAX, Want,
        What,
    },
};
use self::{
    keeper::{Keeper, Order, broken},
    link::Link,
    table::Table,
};

/// How many orders wait for one keeper, which takes each at once.
const ORDERS_MAX: usize = 8;

/// How much longer than its wait a repetition waits for the request before it: as long as that may take
/// after its own wait is over.
const REPETITION_MARGIN: Duration = Duration::from_secs(2);

/// What is held here, for whom. Cloning is cheap and shares it.
#[derive(Clone, Debug)]
pub struct Holdings {
    leases: Leases,
    table: Arc<Table>,
    places: Arc<Semaphore>,
    places_max: usize,
    on_stop: OnStop,
    stopping: CancellationToken,
    keepers: TaskTracker,
}

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

/// A candidate for an office, and the place that it takes.
#[derive(Debug)]
pub struct Standing {
    /// The candidate.
    pub candidate: Candidate,
    /// Cancelled once the sidecar is about to stop.
    pub stopping: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Holdings {
    /// Holds at most `max` leases, those that are waited for included.
    #[must_use]
    pub fn new(leases: Leases, max: usize, on_stop: OnStop) -> Self {
        Self {
            leases,
            table: Arc::default(),
            places: Arc::new(Semaphore::new(max)),
            places_max: max,
            on_stop,
            stopping: CancellationToken::new(),
            keepers: TaskTracker::new(),
        }
    }

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
    /// Dropping the future leaves no lease behind.
    pub async fn acquire(&self, client: &Client, want: &Want) -> Result<Granted, HoldError> {
        let Some(request) = &want.request else {
            let leases = self.take(client, want).await?;
            return Ok(Granted { leases, is_repeated: false });
        };
        let asking = self.table.ask(client, request, &want.what)?;
        let patience = want.wait + REPETITION_MARGIN;
        let Ok(mut outcome) = tokio::time::timeout(patience, asking.intent.outcome.lock()).await
        else {
            return Err(HoldError::StillAsked);
        };
        let Terms { ttl, link } = want.terms;
        if let Some(link) = link {
            let _there = self.table.link(client, link)?;
        }
        let held = std::mem::take(&mut *outcome);
        if !held.is_empty() {
            let renewals = held.iter().map(|id| self.renew(client, *id, Some(ttl), link));
            let renewed: Result<Vec<View>, HoldError> =
                futures_util::future::join_all(renewals).await.into_iter().collect();
            if let Ok(leases) = renewed {
                *outcome = held;
                return Ok(Granted { leases, is_repeated: true });
            }
            // Some of several are over, so what was asked for is not held any more.
            for id in held {
                let _over = self.release(client, id).await;
            }
        }
        let leases = self.take(client, want).await?;
        *outcome = leases.iter().map(|lease| lease.id).collect();
        Ok(Granted { leases, is_repeated: false })
    }

    async fn take(&self, client: &Client, want: &Want) -> Result<Vec<View>, HoldError> {
        let link = want.terms.link.map(|id| self.table.link(client, id)).transpose()?;
        let mut place = self.place(want.what.count())?;
        let taken = tokio::select! {
            biased;
            () = self.stopping.cancelled() => return Err(HoldError::Stopping),
            () = broken(link.as_deref()) => return Err(HoldError::LinkBroken),
            taken = self.ask_nodes(&want.what, want.wait) => taken?,
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
        match self.renew(client, id, Some(terms.ttl), terms.link).await {
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

    /// A lease of this client.
    ///
    /// # Errors
    ///
    /// When it is over, or there never was one.
    pub async fn look(&self, client: &Client, id: LeaseId) -> Result<View, HoldError> {
        self.order(client, id, Order::Look).await
    }

    /// So many leases of this client at most, in the order of their names, after this one.
    pub async fn list(&self, client: &Client, after: Option<LeaseId>, limit: usize) -> Vec<View> {
        let page = self.table.page(client, after, limit);
        let looks = page.into_iter().map(|id| self.look(client, id));
        futures_util::future::join_all(looks).await.into_iter().flatten().collect()
    }

    /// Lets a lease last for `ttl` from now on, or as long as it did before; with a link, until that breaks.
    ///
    /// # Errors
    ///
    /// When it is over, there never was one, or the link is not there.
    pub async fn renew(
        &self,
        client: &Client,
        id: LeaseId,
        ttl: Option<Duration>,
        link: Option<LinkId>,
    ) -> Result<View, HoldError> {
        let link = link.map(|id| self.table.link(client, id)).transpose()?;
        self.order(client, id, |told| Order::Renew { ttl, link, told }).await
    }

    /// Gives a lease back.
    ///
    /// # Errors
    ///
    /// When it is over already, or there never was one.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future does not stop a release that has begun.
    pub async fn release(&self, client: &Client, id: LeaseId) -> Result<ReleaseOutcome, HoldError> {
        self.order(client, id, Order::Release).await
    }

    async fn order<T>(
        &self,
        client: &Client,
        id: LeaseId,
        order: impl FnOnce(oneshot::Sender<T>) -> Order,
    ) -> Result<T, HoldError> {
        let orders = self.table.orders(client, id)?;
        let (told, answer) = oneshot::channel();
        let _over = orders.send(order(told)).await;
        answer.await.map_err(|_| self.table.over(client, id))
    }

    /// Opens a link.
    ///
    /// # Errors
    ///
    /// When there are as many as leases may be, or the sidecar is about to stop.
    pub fn link(&self, client: &Client) -> Result<Linked, HoldError> {
        if self.stopping.is_cancelled() {
            return Err(HoldError::Stopping);
        }
        let full = HoldError::Full { max: self.places_max };
        if self.table.links() >= self.places_max {
            return Err(full);
        }
        let id = LinkId::random().map_err(|_| full)?;
        let (linked, link) = Linked::new(&self.table, id, client, self.stopping.clone());
        self.table.put_link(link);
        Ok(linked)
    }

    /// Stands for an office; the candidate gives it back as it is dropped.
    ///
    /// # Errors
    ///
    /// When there is no room, or the sidecar is about to stop.
    pub fn stand(&self, office: Resource) -> Result<Standing, HoldError> {
        if self.stopping.is_cancelled() {
            return Err(HoldError::Stopping);
        }
        Ok(Standing {
            _place: self.place(1)?,
            candidate: Candidate::new(self.leases.clone(), office),
            stopping: self.stopping.clone(),
        })
    }

    fn place(&self, count: usize) -> Result<OwnedSemaphorePermit, HoldError> {
        let full = HoldError::Full { max: self.places_max };
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let place = Arc::clone(&self.places).try_acquire_many_owned(count);
        place.map_err(|_| full)
    }

    /// Whether a lease of this name is held here.
    #[must_use]
    pub fn holds(&self, id: LeaseId) -> bool {
        self.table.holds(id)
    }

    /// How many leases are held here.
    #[must_use]
    pub fn held(&self) -> usize {
        self.table.len()
    }

    /// How many leases are held, waited for or stood for.
    #[must_use]
    pub fn places_taken(&self) -> usize {
        self.places_max - self.places.available_permits()
    }

    /// How many links are open.
    #[must_use]
    pub fn links(&self) -> usize {
        self.table.links()
    }

    /// For readiness.
    #[must_use]
    pub const fn leases(&self) -> &Leases {
        &self.leases
    }

    /// Ends every lease and link, as it was set up for this moment; nothing is held for anybody from here on.
    pub async fn stop(&self) {
        self.stopping.cancel();
        let _first = self.keepers.close();
        self.keepers.wait().await;
    }
}
