//! What a client is shown of a sale and of a claim. Replies that are stored are rendered from these
//! once, and replayed byte for byte.

use std::sync::Arc;

use serde::Serialize;

use super::{
    Claim, ClaimId, Event, Kind, Moment, SaleId, State, Status, Strategy, Terms, WithoutLeases,
};

/// The text of an answer, and what had happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What had happened.
    pub kind: Kind,
    /// JSON.
    pub body: Arc<str>,
}

impl Reply {
    /// Renders what is shown.
    #[must_use]
    pub fn render(kind: Kind, view: &impl Serialize) -> Self {
        // Plain fields always serialise.
        Self { kind, body: serde_json::to_string(view).unwrap_or_default().into() }
    }
}

/// Whether a sale sells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SaleState {
    /// Selling begins later.
    Announced,
    /// Something can be had.
    Open,
    /// Nothing is left for now: units that come back can be had again.
    SoldOut,
    /// Selling has ended.
    Closed,
}

/// A sale, as a client sees it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named as in Terms and State, which explain them")]
pub struct SaleView {
    pub sale_id: SaleId,
    #[serde(flatten)]
    pub terms: TermsView,
    pub sold: u32,
    pub held: u32,
    pub waiting: u32,
    /// Units that whoever comes now may have.
    pub left: u32,
    pub state: SaleState,
    pub version: i64,
}

impl SaleView {
    /// The sale as it stands at this moment.
    #[must_use]
    pub fn of(state: &State, now: Moment) -> Self {
        let terms = &state.sale.terms;
        let standing = match () {
            () if terms.is_closed(now) => SaleState::Closed,
            () if terms.is_announced(now) => SaleState::Announced,
            () if state.left() == 0 => SaleState::SoldOut,
            () => SaleState::Open,
        };
        Self {
            sale_id: state.sale.id,
            terms: TermsView::of(terms),
            sold: state.sold,
            held: state.held,
            waiting: state.waiting,
            left: state.left(),
            state: standing,
            version: state.version,
        }
    }
}

/// A claim, as a client sees it. It has one id for life: a reservation's is its purchase's.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named as in Claim, which explains them")]
pub struct ClaimView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purchase_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reservation_id: Option<String>,
    pub sale_id: SaleId,
    pub buyer: String,
    pub quantity: u32,
    pub refunded: u32,
    pub status: &'static str,
    pub total_minor: i64,
    pub currency: String,
    pub expires_at: Option<Moment>,
    /// Place in the waiting list, from 1.
    pub position: Option<u32>,
    pub payment_reference: Option<String>,
}

impl ClaimView {
    /// The claim as it stands.
    #[must_use]
    pub fn of(claim: &Claim, sale: SaleId, currency: &str, position: Option<u32>) -> Self {
        let id = Some(claim.id.to_string());
        let bought = matches!(claim.status, Status::Confirmed | Status::Refunded);
        let (purchase_id, reservation_id) = if bought { (id, None) } else { (None, id) };
        Self {
            purchase_id,
            reservation_id,
            sale_id: sale,
            buyer: claim.buyer.as_str().to_owned(),
            quantity: claim.quantity,
            refunded: claim.refunded,
            status: claim.status.name(),
            total_minor: claim.total_minor,
            currency: currency.to_owned(),
            expires_at: claim.expires_at,
            position,
            payment_reference: claim.payment_reference.clone(),
        }
    }
}

/// An event, as a client sees it.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named as in ClaimEvent, which explains them")]
pub struct EventView {
    pub sale_id: SaleId,
    pub seq: i64,
    pub at: Moment,
    pub kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<EventClaimView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub terms: Option<TermsView>,
}

/// What an event says of a claim.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named as in ClaimEvent, which explains them")]
pub struct EventClaimView {
    pub id: ClaimId,
    pub buyer: String,
    pub quantity: u32,
    pub total_minor: i64,
    pub expires_at: Option<Moment>,
    pub payment_reference: Option<String>,
}

/// A sale's terms, as a client sees them.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "named as in Terms, which explains them")]
pub struct TermsView {
    pub name: String,
    pub unit_price_minor: i64,
    pub currency: String,
    pub strategy: Strategy,
    pub without_leases: WithoutLeases,
    pub capacity: u32,
    pub allowance: u32,
    pub per_buyer_max: Option<u32>,
    pub opens_at: Option<Moment>,
    pub closes_at: Option<Moment>,
    pub reservation_seconds: u32,
}

impl TermsView {
    /// The terms.
    #[must_use]
    pub fn of(terms: &Terms) -> Self {
        Self {
            name: terms.name.clone(),
            unit_price_minor: terms.unit_price.minor(),
            currency: terms.unit_price.currency().as_str().to_owned(),
            strategy: terms.strategy,
            without_leases: terms.without_leases,
            capacity: terms.capacity,
            allowance: terms.allowance,
            per_buyer_max: terms.per_buyer_max,
            opens_at: terms.opens_at,
            closes_at: terms.closes_at,
            reservation_seconds: terms.reservation_seconds,
        }
    }
}

impl EventView {
    /// The event, with its place in the sale's log.
    #[must_use]
    pub fn of(sale: SaleId, seq: i64, at: Moment, event: &Event) -> Self {
        let (claim, terms) = match event {
            Event::Created(terms) | Event::Changed(terms) => (None, Some(TermsView::of(terms))),
            Event::Claim(event) => {
                let claim = EventClaimView {
                    id: event.claim,
                    buyer: event.buyer.as_str().to_owned(),
                    quantity: event.quantity,
                    total_minor: event.total_minor,
                    expires_at: event.expires_at,
                    payment_reference: event.payment_reference.clone(),
                };
                (Some(claim), None)
            }
        };
        Self { sale_id: sale, seq, at, kind: event.kind().name(), claim, terms }
    }
}
