//! Queue entries, for `tests/fuzz`. No part of the API.

use uuid::Uuid;

use super::{Place, Queued, wire};
use crate::domain::{ClaimId, Command, IdempotencyKey, Request, SaleId};

/// An entry as it is written after it was read; `None` when it is none.
#[must_use]
pub fn rewritten(entry: &str) -> Option<String> {
    wire::write(&wire::read(entry).ok()?).ok()
}

/// A command as it is read after it was written; `None` when that cannot be.
#[must_use]
pub fn carried(command: &Command, key: &IdempotencyKey) -> Option<Command> {
    let request = Request::new(key.clone(), ClaimId::from_uuid(Uuid::nil()), command.clone());
    let place = Place { number: 1, batch: Uuid::nil(), index: 0 };
    let sale = SaleId::from_uuid(Uuid::nil());
    let entry = wire::write(&Queued { place, from: "replica".to_owned(), sale, request }).ok()?;
    Some(wire::read(&entry).ok()?.request.command)
}
