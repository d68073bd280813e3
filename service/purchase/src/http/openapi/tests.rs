use std::collections::BTreeSet;

use leasehold_kit::openapi::loose_ends;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        ClaimId, ClaimView, Currency, EventClaimView, EventView, Moment, Money, Sale, SaleChange,
        SaleDraft, SaleId, SaleView, State, TermsView,
    },
    http::orders::{Cancellation, Confirmation, Line, NewPurchase, NewReservation, Paid, Refund},
};

const HOW: &str = "cargo run -p leasehold-purchase -- openapi > service/purchase/openapi.json";

/// Routes that are not for programs, as far as they are served: pages, and what pages need.
const PAGES: [&str; 3] = ["/", "/docs", "/assets/"];

#[test]
fn the_description_is_committed_as_it_is() {
    let committed: Value =
        serde_json::from_str(include_str!("../../../openapi.json")).unwrap_or_default();
    // Not as text: features of other packages change the order of its lines.
    assert!(
        committed == api().document(),
        "openapi.json is not what the code says; write it anew: {HOW}"
    );
}

/// Methods and paths of the router, read from its source: the router itself does not tell them.
fn routes() -> BTreeSet<String> {
    let source = concat!(include_str!("../mod.rs"), include_str!("../webhooks.rs"));
    let mut found = BTreeSet::new();
    for route in source.split(".route(").skip(1) {
        let path = route.split('"').nth(1).unwrap();
        let mut depth = 1;
        let within = |c: char| {
            depth += i32::from(c == '(') - i32::from(c == ')');
            depth == 0
        };
        let methods = route.split(within).next().unwrap();
        for method in ["get", "post", "put", "patch", "delete"] {
            if methods.contains(&format!("{method}(")) {
                let _new = found.insert(format!("{method} {path}"));
            }
        }
    }
    assert!(found.len() > 15, "{found:?}");
    found
}

#[test]
fn every_route_is_described() {
    let document = api().document();
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        described.extend(item.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    assert_eq!(described.len(), operations::all().count(), "operations of the same route");
    let is_page = |route: &String| {
        let path = route.trim_start_matches("get ");
        PAGES.iter().any(|page| path == *page || page.len() > 1 && path.starts_with(page))
    };
    let routes: BTreeSet<_> = routes().into_iter().filter(|route| !is_page(route)).collect();
    let missing: Vec<_> = routes.difference(&described).collect();
    assert!(missing.is_empty(), "not in openapi/operations.rs: {missing:?}");
    let surplus: Vec<_> = described.difference(&routes).collect();
    assert!(surplus.is_empty(), "described, and not served: {surplus:?}");
}

#[test]
fn every_reference_and_link_leads_somewhere() {
    assert_eq!(loose_ends(&api().document()), Vec::<String>::new());
}

fn schema(name: &str) -> Value {
    api().document()["components"]["schemas"][name].clone()
}

fn names(list: &Value) -> BTreeSet<String> {
    list.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn properties(schema: &Value) -> BTreeSet<String> {
    schema["properties"].as_object().unwrap().keys().cloned().collect()
}

/// The body's fields and which of them are required are those of the type that is read.
fn reads<T: DeserializeOwned>(name: &str) {
    let schema = schema(name);
    let read = |value: Value| serde_json::from_value::<T>(value).map_err(|error| error.to_string());
    let refused = read(json!({ "?": 0 })).err().unwrap();
    let known: BTreeSet<_> = refused.split('`').skip(3).step_by(2).map(str::to_owned).collect();
    assert_eq!(properties(&schema), known, "{name}: {refused}");
    let required = names(&schema["required"]);
    let sample = |field: &str| match field {
        "buyer" | "name" => json!("ada"),
        "currency" => json!("EUR"),
        _ => json!(1),
    };
    let least: Map<_, _> = required.iter().map(|name| (name.clone(), sample(name))).collect();
    assert!(read(Value::Object(least.clone())).is_ok(), "{name} needs more than {least:?}");
    for field in required {
        let mut without = least.clone();
        let _value = without.remove(&field);
        assert!(read(Value::Object(without)).is_err(), "{name} does not need {field}");
    }
}

#[test]
fn bodies_are_described_as_they_are_read() {
    reads::<SaleDraft>("NewSale");
    reads::<SaleChange>("SaleChange");
    reads::<Line>("Line");
    reads::<Paid>("Payment");
    reads::<NewPurchase>("NewPurchase");
    reads::<NewReservation>("NewReservation");
    reads::<Confirmation>("Confirmation");
    reads::<Cancellation>("Cancellation");
    reads::<Refund>("Refund");
}

/// What is shown has the fields of its schema: all of them, or all but the optional ones.
fn shows(name: &str, view: &impl serde::Serialize) {
    let schema = schema(name);
    let shown = serde_json::to_value(view).unwrap();
    let shown: BTreeSet<_> = shown.as_object().unwrap().keys().cloned().collect();
    assert!(shown.is_subset(&properties(&schema)), "{name}: {shown:?}");
    assert!(names(&schema["required"]).is_subset(&shown), "{name}: {shown:?}");
}

#[test]
fn answers_are_described_as_they_are_shown() {
    let draft = SaleDraft {
        name: "x".to_owned(),
        capacity: 1,
        unit_price_minor: 1,
        currency: "EUR".to_owned(),
        ..SaleDraft::default()
    };
    let terms = draft.check().unwrap();
    assert_eq!(terms.unit_price, Money::price(1, Currency::new("EUR").unwrap()).unwrap());
    let id = SaleId::from_uuid(Uuid::nil());
    let now = Moment::from_millis(0);
    shows("Terms", &TermsView::of(&terms));
    let sale = Sale { id, terms: terms.clone() };
    shows("Sale", &SaleView::of(&State::created(sale), now));
    let claim = ClaimView {
        purchase_id: Some(String::new()),
        reservation_id: None,
        sale_id: id,
        buyer: String::new(),
        quantity: 1,
        refunded: 0,
        status: "",
        total_minor: 0,
        currency: String::new(),
        expires_at: None,
        position: None,
        payment_reference: None,
    };
    shows("ClaimReply", &claim);
    let of_event = EventClaimView {
        id: ClaimId::from_uuid(Uuid::nil()),
        buyer: String::new(),
        quantity: 1,
        total_minor: 0,
        expires_at: None,
        payment_reference: None,
    };
    shows("EventClaim", &of_event);
    let terms = Some(TermsView::of(&terms));
    shows(
        "Event",
        &EventView { sale_id: id, seq: 1, at: now, kind: "", claim: Some(of_event), terms },
    );
}
