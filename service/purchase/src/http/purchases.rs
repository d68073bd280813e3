//! `/v1/sales/{sale_id}/purchases` and `/v1/purchases`.

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
    body::{self, AsBuyer, Body, Id},
    error,
};
use crate::domain::{Buyer, Order, Outcome, PurchaseId, Quantity, SaleId};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPurchase {
    buyer: String,
    #[serde(default = "one")]
    quantity: i64,
}

const fn one() -> i64 {
    1
}

#[derive(Serialize)]
pub(super) struct PurchaseView {
    purchase_id: String,
    sale_id: String,
    buyer: String,
    quantity: i32,
    total_minor: i64,
    currency: String,
    /// A string: programs that read numbers as doubles would round it.
    fencing_token: String,
    replica: String,
    created_at: String,
}

/// `POST /v1/sales/{sale_id}/purchases`: buys.
pub(super) async fn create(
    _buyer: AsBuyer,
    State(app): State<App>,
    Id(sale): Id<SaleId>,
    headers: HeaderMap,
    Body(new): Body<NewPurchase>,
) -> Result<Response, Problem> {
    let key = body::key(&headers)?;
    let buyer = Buyer::new(&new.buyer).map_err(|invalid| error::invalid(&invalid))?;
    let quantity = Quantity::new(new.quantity).map_err(|invalid| error::invalid(&invalid))?;
    let order = Order::new(key, PurchaseId::from_uuid(Uuid::now_v7()), buyer, quantity);
    let answer = app.granting.buy(sale, order).await;
    metrics::counter!("leasehold_orders_total", "outcome" => label(&answer)).increment(1);
    match answer.map_err(error::granting)? {
        Outcome::Granted(receipt) => {
            Ok(body::stored(StatusCode::CREATED, receipt.as_str().to_owned(), false))
        }
        Outcome::Replayed(receipt) => {
            Ok(body::stored(StatusCode::CREATED, receipt.as_str().to_owned(), true))
        }
        Outcome::SoldOut { left } => Err(error::sold_out(left)),
        Outcome::KeyReused => Err(error::key_reused()),
    }
}

fn label(answer: &Result<Outcome, crate::grant::GrantError>) -> &'static str {
    use crate::grant::GrantError;
    match answer {
        Ok(Outcome::Granted(_)) => "granted",
        Ok(Outcome::Replayed(_)) => "replayed",
        Ok(Outcome::SoldOut { .. }) => "sold_out",
        Ok(Outcome::KeyReused) => "key_reused",
        Err(GrantError::Unknown) => "unknown",
        Err(_) => "failed",
    }
}

/// `GET /v1/purchases/{purchase_id}`: a purchase, and the token under which it was granted.
pub(super) async fn read(
    _buyer: AsBuyer,
    State(app): State<App>,
    Id(id): Id<PurchaseId>,
) -> Result<Json<PurchaseView>, Problem> {
    let row = app.reads.purchase(id).await.map_err(|error| error::reading(&error))?;
    let row = row.ok_or_else(|| error::no_such("purchase"))?;
    Ok(Json(PurchaseView {
        purchase_id: row.id.to_string(),
        sale_id: row.sale_id.to_string(),
        buyer: row.buyer,
        quantity: row.quantity,
        total_minor: row.total_minor,
        currency: row.currency,
        fencing_token: row.token.to_string(),
        replica: row.replica,
        created_at: row.created_at,
    }))
}
