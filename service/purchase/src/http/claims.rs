//! Purchases, reservations and the waiting list: what buyers do.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use leasehold_kit::problem::Problem;
use serde::Serialize;

use super::{
    App,
    body::{self, AsAdmin, AsBuyer, Body, Id, InPath},
    error,
    orders::{Cancellation, Confirmation, NewPurchase, NewReservation, Refund},
    page::{Page, PageQuery},
    sales,
    submit::{Manner, submit},
};
use crate::{
    domain::{ClaimId, ClaimView, IdempotencyKey, Invalid, Moment, SaleId},
    store::ClaimRead,
};

/// `POST /v1/sales/{sale_id}/purchases`: buys.
pub(super) async fn purchase(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(sale): Id<SaleId>,
    manner: Manner,
    Body(new): Body<NewPurchase>,
) -> Result<Response, Problem> {
    submit(&app, sale, manner, checked(new.check())?).await
}

/// `POST /v1/sales/{sale_id}/reservations`: reserves, or waits.
pub(super) async fn reserve(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(sale): Id<SaleId>,
    manner: Manner,
    Body(new): Body<NewReservation>,
) -> Result<Response, Problem> {
    submit(&app, sale, manner, checked(new.check())?).await
}

/// `POST /v1/reservations/{id}/confirm`: buys what is reserved.
pub(super) async fn confirm(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(claim): Id<ClaimId>,
    manner: Manner,
    Body(confirmation): Body<Confirmation>,
) -> Result<Response, Problem> {
    let command = checked(confirmation.check(claim))?;
    let sale = sale_of(&app, claim, "reservation").await?;
    submit(&app, sale, manner, command).await
}

/// `POST /v1/reservations/{id}/cancel`: gives a reservation up, or leaves the waiting list.
pub(super) async fn cancel(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(claim): Id<ClaimId>,
    manner: Manner,
    Body(cancellation): Body<Cancellation>,
) -> Result<Response, Problem> {
    let command = checked(cancellation.check(claim))?;
    let sale = sale_of(&app, claim, "reservation").await?;
    submit(&app, sale, manner, command).await
}

/// `POST /v1/purchases/{id}/refunds`: gives units of a purchase back.
pub(super) async fn refund(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(claim): Id<ClaimId>,
    manner: Manner,
    Body(refund): Body<Refund>,
) -> Result<Response, Problem> {
    let command = checked(refund.check(claim))?;
    let sale = sale_of(&app, claim, "purchase").await?;
    submit(&app, sale, manner, command).await
}

/// Which sale decides about a claim.
async fn sale_of(app: &App, claim: ClaimId, what: &'static str) -> Result<SaleId, Problem> {
    let read = app.store.sale_of(claim).await.map_err(|error| error::reading(&error))?;
    read.ok_or_else(|| error::no_such(what))
}

fn checked<T>(checked: Result<T, Invalid>) -> Result<T, Problem> {
    checked.map_err(|invalid| error::invalid(&invalid))
}

#[derive(Serialize)]
pub(super) struct ClaimDetail {
    #[serde(flatten)]
    claim: ClaimView,
    /// A string: programs that read numbers as doubles would round it. Null when it was granted
    /// without a lease.
    fencing_token: Option<String>,
    replica: String,
    created_at: Moment,
}

impl ClaimDetail {
    fn of(read: &ClaimRead) -> Self {
        Self {
            claim: ClaimView::of(&read.claim, read.sale, &read.currency, read.position),
            fencing_token: read.token.map(|token| token.to_string()),
            replica: read.replica.clone(),
            created_at: read.created_at,
        }
    }
}

/// `GET /v1/purchases/{id}`: a purchase, and the token under which it was granted.
pub(super) async fn read_purchase(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(id): Id<ClaimId>,
) -> Result<Json<ClaimDetail>, Problem> {
    read(&app, id, "purchase").await
}

/// `GET /v1/reservations/{id}`: a reservation, or one who waits for one.
pub(super) async fn read_reservation(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(id): Id<ClaimId>,
) -> Result<Json<ClaimDetail>, Problem> {
    read(&app, id, "reservation").await
}

async fn read(app: &App, id: ClaimId, what: &'static str) -> Result<Json<ClaimDetail>, Problem> {
    let read = app.reads.claim(id).await.map_err(|error| error::reading(&error))?;
    let read = read.ok_or_else(|| error::no_such(what))?;
    Ok(Json(ClaimDetail::of(&read)))
}

#[derive(Serialize)]
pub(super) struct Claims {
    claims: Vec<ClaimDetail>,
    /// What to give as `after` for the next page; null on the last one.
    next: Option<String>,
}

impl Claims {
    fn of(page: &Page<ClaimRead>) -> Self {
        Self {
            claims: page.items.iter().map(ClaimDetail::of).collect(),
            next: page.next.as_ref().map(|last| last.seq.to_string()),
        }
    }
}

/// `GET /v1/sales/{sale_id}/claims?buyer=`: what a buyer has and had in a sale.
pub(super) async fn list(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    Id(sale): Id<SaleId>,
    page: PageQuery,
) -> Result<Json<Claims>, Problem> {
    let (buyer, after, limit) = (page.buyer()?, page.number()?, page.limit()?);
    let read = app.reads.claims_of(sale, &buyer, after, limit.and_one()).await;
    let page = limit.page(read.map_err(|error| error::reading(&error))?);
    sales::or_unknown(&app, sale, page.items.is_empty()).await?;
    Ok(Json(Claims::of(&page)))
}

/// `GET /v1/sales/{sale_id}/waiting-list`: those who wait, in order.
pub(super) async fn waiting(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(sale): Id<SaleId>,
    page: PageQuery,
) -> Result<Json<Claims>, Problem> {
    let (after, limit) = (page.number()?, page.limit()?);
    let read = app.reads.waiting_list(sale, after, limit.and_one()).await;
    let page = limit.page(read.map_err(|error| error::reading(&error))?);
    sales::or_unknown(&app, sale, page.items.is_empty()).await?;
    Ok(Json(Claims::of(&page)))
}

/// `GET /v1/sales/{sale_id}/requests/{key}`: what a request of this key was answered.
pub(super) async fn reply(
    _buyer: AsBuyer,
    State(app): State<Arc<App>>,
    InPath((sale, key)): InPath<(String, String)>,
) -> Result<Response, Problem> {
    let sale = checked(sale.parse::<SaleId>())?;
    let key = checked(IdempotencyKey::new(&key))?;
    let read = app.store.reply(sale, &key).await.map_err(|error| error::reading(&error))?;
    let reply = read.ok_or_else(|| {
        error::no_such("stored reply: nothing has happened under this key so far")
    })?;
    Ok(body::stored(&reply, true))
}
