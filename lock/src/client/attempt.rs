//! One attempt to get a lease, as the engine is asked for it.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    desk::Answer,
    error::AcquireError,
    inbox::{Acquired, Order},
    leases::Shared,
};
use crate::model::{ClientId, GrantRequest, HolderId, Resource};

/// Asks all nodes once.
///
/// Dropping the future leaves no lease behind: the engine ends the attempt and releases what it got.
pub(super) async fn attempt(shared: &Arc<Shared>, resource: &Resource) -> Acquired {
    let request = request(shared, resource, None);
    let (reply, mut answer) = Answer::new(shared);
    let shutdown = || AcquireError::Shutdown { resource: resource.clone() };
    answer.order(Order::Acquire { request, reply }).map_err(|_| shutdown())?;
    answer.await.unwrap_or_else(|| Err(shutdown()))
}

/// What a new attempt asks for.
pub(super) fn request(
    shared: &Shared,
    resource: &Resource,
    waiter: Option<ClientId>,
) -> Arc<GrantRequest> {
    Arc::new(GrantRequest {
        resource: resource.clone(),
        holder: HolderId::from_random(Uuid::new_v4().as_u128()),
        ttl: shared.timing.ttl(),
        hint: shared.hints.next(shared.clock.wall()),
        waiter,
    })
}
