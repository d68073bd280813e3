//! Links: the streams by which a program shows that it lives.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{LeaseId, LinkId, client::Client, ended::Ended, table::Table};

/// The sidecar's end of a link. A lease that is bound to it is renewed until it breaks, and then given back.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) id: LinkId,
    pub(super) client: Client,
    pub(super) broken: CancellationToken,
    /// Holds a notice for each lease that was lost or taken away, until its program reads it.
    events: mpsc::UnboundedSender<Notice>,
}

/// What a link tells its program: one of its leases ended, and not because the program wanted it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Which lease.
    pub lease: LeaseId,
    /// What was held.
    pub resource: leasehold::Resource,
    /// The token it had.
    pub token: leasehold::FencingToken,
    /// Why it ended.
    pub why: Ended,
}

/// The program's end of a link. Dropping it breaks the link: every lease that is bound to it is given back.
#[derive(Debug)]
pub struct Linked {
    id: LinkId,
    events: mpsc::UnboundedReceiver<Notice>,
    broken: CancellationToken,
    stopping: CancellationToken,
    table: Weak<Table>,
}

impl Link {
    pub(super) fn tell(&self, notice: Notice) {
        // A program that is gone needs no news.
        let _gone = self.events.send(notice);
    }
}

impl Linked {
    pub(super) fn new(
        table: &Arc<Table>,
        id: LinkId,
        client: &Client,
        stopping: CancellationToken,
    ) -> (Self, Arc<Link>) {
        let (events, heard) = mpsc::unbounded_channel();
        let broken = CancellationToken::new();
        let link = Link { id, client: client.clone(), broken: broken.clone(), events };
        let table = Arc::downgrade(table);
        (Self { id, events: heard, broken, stopping, table }, Arc::new(link))
    }

    /// Its name: what leases are bound to.
    #[must_use]
    pub const fn id(&self) -> LinkId {
        self.id
    }

    /// What to tell the program next; `None` once the sidecar is about to stop.
    ///
    /// # Cancel safety
    ///
    /// Safe: nothing is lost.
    pub async fn next(&mut self) -> Option<Notice> {
        tokio::select! {
            biased;
            notice = self.events.recv() => notice,
            () = self.stopping.cancelled() => None,
        }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        self.broken.cancel();
        if let Some(table) = self.table.upgrade() {
            table.forget_link(self.id);
        }
    }
}
