//! `/v1/sales`.

use std::sync::Arc;

use axum::{Json, extract::State, response::Response};
use leasehold_kit::problem::Problem;
use serde::Serialize;
use uuid::Uuid;

use super::{
    App,
    body::{self, AsAdmin, Body, Id, Key},
    error,
    page::{Page, PageQuery},
    submit::{Manner, submit},
};
use crate::domain::{
    Command, Fingerprint, Kind, Reply, Sale, SaleChange, SaleDraft, SaleId, SaleView,
};

/// `POST /v1/sales`: makes a sale.
pub(super) async fn create(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Key(key): Key,
    Body(draft): Body<SaleDraft>,
) -> Result<Response, Problem> {
    let terms = draft.check().map_err(|invalid| error::invalid(&invalid))?;
    let fingerprint = Fingerprint::of(&["sale", &format!("{terms:?}")]);
    let sale = Sale { id: SaleId::from_uuid(Uuid::now_v7()), terms };
    let now = app.store.now().await.map_err(|error| error::reading(&error))?;
    let view = SaleView::of(&crate::domain::State::created(sale.clone()), now);
    let reply = Reply::render(Kind::SaleCreated, &view);
    let replica = app.granting.replica();
    let made = app.store.create_sale(&sale, now, replica, &key, fingerprint, &reply.body).await;
    let made = made.map_err(|error| error::writing(&error))?;
    if made.fingerprint != fingerprint {
        return Err(error::key_reused());
    }
    let reply = Reply { kind: Kind::SaleCreated, body: made.body.into() };
    Ok(body::stored(&reply, !made.now))
}

/// `PATCH /v1/sales/{sale_id}`: changes a sale's terms, while it sells.
pub(super) async fn change(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(sale): Id<SaleId>,
    manner: Manner,
    Body(change): Body<SaleChange>,
) -> Result<Response, Problem> {
    submit(&app, sale, manner, Command::Change(change)).await
}

/// `GET /v1/sales/{sale_id}`: a sale as it stands.
pub(super) async fn read(
    State(app): State<Arc<App>>,
    Id(id): Id<SaleId>,
) -> Result<Json<SaleView>, Problem> {
    let read = app.reads.sale(id).await.map_err(|error| error::reading(&error))?;
    let (state, now) = read.ok_or_else(|| error::no_such("sale"))?;
    Ok(Json(SaleView::of(&state, now)))
}

/// Tells a list of nothing from one of no sale at all.
pub(super) async fn or_unknown(app: &App, id: SaleId, is_empty: bool) -> Result<(), Problem> {
    if is_empty {
        let read = app.reads.sale(id).await.map_err(|error| error::reading(&error))?;
        let _sale = read.ok_or_else(|| error::no_such("sale"))?;
    }
    Ok(())
}

#[derive(Serialize)]
pub(super) struct Sales {
    sales: Vec<SaleView>,
    /// What to give as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// `GET /v1/sales`: sales, newest first.
pub(super) async fn list(
    State(app): State<Arc<App>>,
    page: PageQuery,
) -> Result<Json<Sales>, Problem> {
    let (after, limit) = (page.id()?, page.limit()?);
    let read = app.reads.sales(after, limit.and_one()).await;
    let Page { items, next } = limit.page(read.map_err(|error| error::reading(&error))?);
    let next = next.map(|(state, _): (crate::domain::State, _)| state.sale.id.to_string());
    Ok(Json(Sales {
        sales: items.iter().map(|(state, now)| SaleView::of(state, *now)).collect(),
        next,
    }))
}
