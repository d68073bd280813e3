//! Holds leases for programs: each as long as its program shows that it lives.

mod client;
mod ended;
mod error;
mod id;
mod keeper;
mod link;
mod nodes;
mod table;
mod taking;
mod want;

use std::{sync::Arc, time::Duration};

use leasehold::{Candidate, Leases, ReleaseOutcome, Resource};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::{
    client::Client,
    ended::Ended,
    error::HoldError,
    id::{LeaseId, LinkId, NotAnId},
    keeper::{OnStop, View},
    link::{Linked, Notice},
    nodes::Freed,
    taking::Granted,
    want::{
        Binding, NotARequestId, REQUEST_ID_BYTES_MAX, RequestId, TTL_MAX, TTL_MIN, Terms, WAIT_MAX,
        Want, What,
    },
};
use self::{keeper::Order, table::Table};

/// What is held here, for whom. Cloning is cheap and shares it.
#[derive(Clone, Debug)]
pub struct Holdings {
    leases: Leases,
    table: Arc<Table>,
    places: Arc<Semaphore>,
    places_max: usize,
    /// How long a holder in this process may take to hear that its lease was taken away.
    hears_within: Duration,
    on_stop: OnStop,
    stopping: CancellationToken,
    keepers: TaskTracker,
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
    /// Holds at most `max` leases, those that are waited for included; `ttl` is theirs on the nodes.
    #[must_use]
    pub fn new(leases: Leases, ttl: Duration, max: usize, on_stop: OnStop) -> Self {
        Self {
            leases,
            hears_within: ttl,
            table: Arc::default(),
            places: Arc::new(Semaphore::new(max)),
            places_max: max,
            on_stop,
            stopping: CancellationToken::new(),
            keepers: TaskTracker::new(),
        }
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
    /// With the name to go on after, if there may be more.
    pub async fn list(
        &self,
        client: &Client,
        after: Option<LeaseId>,
        limit: usize,
    ) -> (Vec<View>, Option<LeaseId>) {
        let page = self.table.page(client, after, limit);
        // Of the names: a lease that ends meanwhile must not end the list.
        let next = page.get(limit.saturating_sub(1)).copied();
        let looks = page.into_iter().map(|id| self.look(client, id));
        let views = futures_util::future::join_all(looks).await;
        (views.into_iter().flatten().collect(), next)
    }

    /// Lets a lease last for `ttl` from now on, or as long as it did before; with a link, until that breaks.
    ///
    /// It does not ask the nodes: they are asked in the background, and [`View::valid_for`] counts from when
    /// they last confirmed the lease.
    ///
    /// # Errors
    ///
    /// When it is over, there never was one, or the link is not there.
    pub async fn renew(
        &self,
        client: &Client,
        id: LeaseId,
        ttl: Option<Duration>,
        link: Binding,
    ) -> Result<View, HoldError> {
        let link = match link {
            Binding::Same => None,
            Binding::None => Some(None),
            Binding::To(id) => Some(Some(self.table.link(client, id)?)),
        };
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
