//! `/v1/sales/{sale_id}/events`: the log.

use std::sync::Arc;

use axum::{Json, extract::State};
use leasehold_kit::problem::Problem;
use serde::Serialize;

use super::{
    App,
    body::{AsAdmin, Id},
    error,
    page::{Page, PageQuery},
    sales,
};
use crate::domain::SaleId;

#[derive(Serialize)]
pub(super) struct Events {
    events: Vec<crate::domain::EventView>,
    /// What to give as `after` for the next page; null on the last one.
    next: Option<String>,
}

/// `GET /v1/sales/{sale_id}/events`: what happened to a sale, oldest first, without a gap.
pub(super) async fn list(
    _admin: AsAdmin,
    State(app): State<Arc<App>>,
    Id(sale): Id<SaleId>,
    page: PageQuery,
) -> Result<Json<Events>, Problem> {
    let (after, limit) = (page.number()?, page.limit()?);
    let read = app.reads.events(sale, after, limit.and_one()).await;
    let Page { items, next } = limit.page(read.map_err(|error| error::reading(&error))?);
    sales::or_unknown(&app, sale, items.is_empty()).await?;
    let events = items
        .iter()
        .map(|read| crate::domain::EventView::of(sale, read.seq, read.at, &read.event))
        .collect();
    Ok(Json(Events { events, next: next.map(|last| last.seq.to_string()) }))
}
