//! What a buyer is told: rendered once, stored with the write, replayed byte for byte.

use std::sync::Arc;

use serde::Serialize;

use super::{Order, Sale};

/// The JSON text of a granted purchase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt(Arc<str>);

#[derive(Serialize)]
struct Wire<'a> {
    purchase_id: String,
    sale_id: String,
    buyer: &'a str,
    quantity: u32,
    total_minor: i64,
    currency: &'a str,
}

impl Receipt {
    /// The receipt of an order that is granted.
    #[must_use]
    pub fn of(sale: &Sale, order: &Order) -> Self {
        let total = sale.unit_price.times(order.quantity.get());
        let currency = total.currency();
        let wire = Wire {
            purchase_id: order.purchase.to_string(),
            sale_id: sale.id.to_string(),
            buyer: order.buyer.as_str(),
            quantity: order.quantity.get(),
            total_minor: total.minor(),
            currency: currency.as_str(),
        };
        // Plain fields always serialise.
        Self(serde_json::to_string(&wire).unwrap_or_default().into())
    }

    /// A receipt that was stored.
    #[must_use]
    pub fn from_stored(text: String) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
