//! What requests ask for, as far as they tell it alone, for `tests/fuzz`. No part of the API.

use axum::{
    extract::{FromRequest as _, FromRequestParts as _, Request},
    http::HeaderMap,
};
use leasehold_kit::problem::Problem;
use serde::de::DeserializeOwned;

use super::{
    body::{self, Body},
    error,
    orders::{Cancellation, Confirmation, NewPurchase, NewReservation, Refund},
    page::PageQuery,
};
use crate::domain::{Buyer, ClaimId, Command, IdempotencyKey, SaleId};

/// The bodies that become commands.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "named as their routes are")]
pub enum Kind {
    Purchase,
    Reservation,
    Confirmation,
    Cancellation,
    Refund,
}

/// The command that a body asks for.
///
/// # Errors
///
/// The answer to one that asks for none.
pub async fn command(kind: Kind, request: Request) -> Result<Command, Problem> {
    let claim = ClaimId::from_uuid(uuid::Uuid::nil());
    let checked = match kind {
        Kind::Purchase => read::<NewPurchase>(request).await?.check(),
        Kind::Reservation => read::<NewReservation>(request).await?.check(),
        Kind::Confirmation => read::<Confirmation>(request).await?.check(claim),
        Kind::Cancellation => read::<Cancellation>(request).await?.check(claim),
        Kind::Refund => read::<Refund>(request).await?.check(claim),
    };
    checked.map_err(|invalid| error::invalid(&invalid))
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Problem> {
    Body::<T>::from_request(request, &()).await.map(|Body(read)| read)
}

/// What a query says of the page that it wants.
#[derive(Debug)]
#[expect(missing_docs, reason = "named as in the query")]
pub struct PageAsked {
    pub limit: Result<i64, Problem>,
    pub after_number: Result<i64, Problem>,
    pub after_sale: Result<Option<SaleId>, Problem>,
    pub buyer: Result<Buyer, Problem>,
}

/// The page that a query asks for.
///
/// # Errors
///
/// The answer to a query that cannot be read.
pub async fn page(request: Request) -> Result<PageAsked, Problem> {
    let (mut parts, _) = request.into_parts();
    let query = PageQuery::from_request_parts(&mut parts, &()).await?;
    Ok(PageAsked {
        limit: query.limit().map(|limit| limit.and_one() - 1),
        after_number: query.number(),
        after_sale: query.id(),
        buyer: query.buyer(),
    })
}

/// The key of a request with these headers.
///
/// # Errors
///
/// The answer to a request without one that can be.
pub fn key(headers: &HeaderMap) -> Result<IdempotencyKey, Problem> {
    body::key(headers)
}
