//! A node in this process's memory.

use std::sync::{Mutex, PoisonError};

use super::{Node, NodeFuture};
use crate::{
    client::Clock,
    model::{
        Binding, CommitReply, GrantReply, GrantRequest, HolderId, Ledger, Moment, ReleaseReply,
        RenewReply, Resource,
    },
};

/// A node in this process's memory: for tests of programs that use leases, without a server.
///
/// It follows the same rules as the scripts on a Redis server ([`Ledger`]) and answers at once.
/// Its leases end when the process does, and no other process sees them.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use leasehold::{LeaseConfig, Leases, Resource, node::{MemoryNode, Node}};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let nodes: Vec<Arc<dyn Node>> = (0..3).map(|_| Arc::new(MemoryNode::new()) as _).collect();
/// let leases = Leases::over(nodes, LeaseConfig::default())?;
/// let lease = leases.try_acquire(&Resource::new("report")?).await?;
/// assert!(leases.try_acquire(&Resource::new("report")?).await.is_err());
/// lease.release().await;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct MemoryNode {
    clock: Clock,
    ledger: Mutex<Ledger>,
}

impl Default for MemoryNode {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryNode {
    /// A node that nobody has a lease on.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: Clock::new(), ledger: Mutex::default() }
    }

    fn with<T>(&self, ask: impl FnOnce(&mut Ledger, Moment) -> T) -> T {
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ask(&mut ledger, self.clock.now())
    }
}

/// The ledger is changed when the future is first polled, as a server's is when the request
/// arrives.
impl Node for MemoryNode {
    fn address(&self) -> &'static str {
        "memory"
    }

    fn grant<'a>(&'a self, request: &'a GrantRequest) -> NodeFuture<'a, GrantReply> {
        let wall = self.clock.wall();
        Box::pin(async move { Ok(self.with(|ledger, now| ledger.grant(request, now, wall))) })
    }

    fn commit<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, CommitReply> {
        Box::pin(async move { Ok(self.with(|ledger, now| ledger.commit(binding, now))) })
    }

    fn renew<'a>(&'a self, binding: &'a Binding) -> NodeFuture<'a, RenewReply> {
        Box::pin(async move { Ok(self.with(|ledger, now| ledger.renew(binding, now))) })
    }

    fn release<'a>(
        &'a self,
        resource: &'a Resource,
        holder: HolderId,
    ) -> NodeFuture<'a, ReleaseReply> {
        Box::pin(async move { Ok(self.with(|ledger, now| ledger.release(resource, holder, now))) })
    }

    fn ping(&self) -> NodeFuture<'_, ()> {
        Box::pin(async { Ok(()) })
    }
}
