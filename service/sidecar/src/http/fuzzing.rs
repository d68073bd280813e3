//! What requests ask for, as far as they tell it alone, for `tests/fuzz`. No part of the API.

use std::time::Duration;

use axum::{
    extract::{FromRequest as _, Request},
    response::{IntoResponse as _, Response},
};
use leasehold::Stamp;
use leasehold_kit::{body::Body, problem::Problem};

use super::{
    dapr::wire::Fields,
    leases::{Acquire, Attach, Renew},
};
use crate::holding::{Binding, Terms, Want};

/// What a body of `POST /v1/leases` wants.
///
/// # Errors
///
/// The answer to one that wants nothing that can be.
pub async fn want(request: Request) -> Result<Want, Problem> {
    let Body(acquire) = Body::<Acquire>::from_request(request, &()).await?;
    acquire.want()
}

/// What a renewal asks for.
///
/// # Errors
///
/// The answer to one that cannot be.
pub async fn renewal(request: Request) -> Result<(Option<Duration>, Binding), Problem> {
    let Body(renew) = Body::<Renew>::from_request(request, &()).await?;
    renew.terms()
}

/// What is to be attached.
///
/// # Errors
///
/// The answer to what cannot be.
pub async fn attachment(request: Request) -> Result<(Stamp, Terms), Problem> {
    let Body(attach) = Body::<Attach>::from_request(request, &()).await?;
    attach.stamp()
}

/// A lock as Dapr's clients ask for it: resource, owner and how long.
///
/// # Errors
///
/// The answer to what cannot be.
pub async fn dapr_lock(request: Request) -> Result<(String, String, Duration), Response> {
    let fields = Fields::from_request(request, &()).await?;
    let expiry = fields.expiry().map_err(|refused| refused.into_response())?;
    Ok((fields.resource, fields.owner, expiry))
}
