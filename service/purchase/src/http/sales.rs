//! `/v1/sales`.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use leasehold_kit::problem::Problem;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    App,
    body::{self, AsAdmin, Body, Id},
    error,
};
use crate::domain::{Fingerprint, SaleDraft, SaleId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewSale {
    name: String,
    capacity: i64,
    unit_price_minor: i64,
    currency: String,
}

#[derive(Serialize)]
pub(super) struct SaleView {
    sale_id: String,
    name: String,
    unit_price_minor: i64,
    currency: String,
    strategy: String,
    capacity: i64,
    sold: i64,
    left: i64,
}

/// `POST /v1/sales`: makes a sale.
pub(super) async fn create(
    _admin: AsAdmin,
    State(app): State<App>,
    headers: HeaderMap,
    Body(new): Body<NewSale>,
) -> Result<Response, Problem> {
    let key = body::key(&headers)?;
    let draft = SaleDraft::new(&new.name, new.capacity, new.unit_price_minor, &new.currency)
        .map_err(|invalid| error::invalid(&invalid))?;
    let id = SaleId::from_uuid(Uuid::now_v7());
    let view = SaleView {
        sale_id: id.to_string(),
        name: draft.name.clone(),
        unit_price_minor: draft.unit_price.minor(),
        currency: draft.unit_price.currency().as_str().to_owned(),
        strategy: "leased".to_owned(),
        capacity: draft.capacity.into(),
        sold: 0,
        left: draft.capacity.into(),
    };
    let (capacity, price) = (draft.capacity.to_string(), draft.unit_price.minor().to_string());
    let fingerprint = Fingerprint::of(&["sale", &draft.name, &capacity, &price, &view.currency]);
    // Plain fields always serialise.
    let rendered = serde_json::to_string(&view).unwrap_or_default();
    let made = app.store.create_sale(id, &draft, &key, fingerprint, &rendered).await;
    let made = made.map_err(|error| error::writing(&error))?;
    if made.fingerprint != fingerprint {
        return Err(error::key_reused());
    }
    Ok(body::stored(StatusCode::CREATED, made.body, !made.now))
}

/// `GET /v1/sales/{sale_id}`: a sale as it stands.
pub(super) async fn read(
    State(app): State<App>,
    Id(id): Id<SaleId>,
) -> Result<Json<SaleView>, Problem> {
    let row = app.reads.sale(id).await.map_err(|error| error::reading(&error))?;
    let row = row.ok_or_else(|| error::no_such("sale"))?;
    Ok(Json(SaleView {
        sale_id: row.id.to_string(),
        name: row.name,
        unit_price_minor: row.unit_price_minor,
        currency: row.currency,
        strategy: row.strategy,
        capacity: row.capacity.into(),
        sold: row.sold.into(),
        left: i64::from(row.capacity) - i64::from(row.sold),
    }))
}
