//! What a seller would check by hand, rule by rule.

use super::world::{RESERVED, START, World, buyer, paid, purchase, reserve, terms, units, wait};
use crate::domain::{
    Command, Currency, Kind, Outcome, Payment, Refusal, SaleChange, Status, Terms, Wanted,
};

fn change(world: &mut World, text: &str) -> Result<Kind, Refusal> {
    let change: SaleChange = serde_json::from_str(text).unwrap();
    world.ask(Command::Change(change))
}

#[test]
fn first_come_is_first_served_and_a_smaller_request_may_pass_a_larger_one() {
    let mut world = World::new(terms(3));
    assert_eq!(world.ask(purchase("ada", 2)), Ok(Kind::Purchased));
    assert_eq!(world.ask(purchase("bob", 2)), Err(Refusal::SoldOut { left: 1 }));
    assert_eq!(world.ask(purchase("eve", 1)), Ok(Kind::Purchased));
    assert_eq!(world.counts(), (3, 0, 0));
    assert_eq!(world.ask(purchase("joe", 1)), Err(Refusal::SoldOut { left: 0 }));
}

#[test]
fn an_allowance_is_sold_too_and_not_one_unit_more() {
    let mut world = World::new(Terms { allowance: 2, ..terms(3) });
    assert_eq!(world.ask(purchase("ada", 5)), Ok(Kind::Purchased));
    assert_eq!(world.ask(purchase("bob", 1)), Err(Refusal::SoldOut { left: 0 }));
}

#[test]
fn fewer_units_are_granted_only_to_a_buyer_who_takes_fewer() {
    let mut world = World::new(terms(3));
    let fewer = |name, partial| Command::Purchase {
        buyer: buyer(name),
        wanted: Wanted { units: units(5), partial },
        payment: None,
    };
    assert_eq!(world.ask(fewer("ada", false)), Err(Refusal::SoldOut { left: 3 }));
    assert_eq!(world.ask(fewer("ada", true)), Ok(Kind::Purchased));
    assert_eq!(world.state.claims[&world.last()].quantity, 3);
    assert_eq!(world.state.claims[&world.last()].total_minor, 7500);
    assert_eq!(world.ask(fewer("bob", true)), Err(Refusal::SoldOut { left: 0 }));
}

#[test]
fn nothing_is_sold_before_the_opening_nor_from_the_closing_on() {
    let (opens, closes) = (START.plus_millis(10), START.plus_millis(20));
    let mut world =
        World::new(Terms { opens_at: Some(opens), closes_at: Some(closes), ..terms(5) });
    assert_eq!(world.ask(purchase("ada", 1)), Err(Refusal::NotOpen { opens_at: opens }));
    world.pass(10);
    assert_eq!(world.ask(reserve("ada", 1)), Ok(Kind::Reserved));
    let reserved = world.last();
    world.pass(10);
    assert_eq!(world.ask(purchase("bob", 1)), Err(Refusal::Closed));
    // What was reserved in time can still be bought.
    assert_eq!(world.confirm(reserved, "ada"), Ok(Kind::Confirmed));
}

#[test]
fn one_buyer_has_no_more_than_the_limit_reserved_and_waited_for_units_included() {
    let mut world = World::new(Terms { per_buyer_max: Some(3), ..terms(4) });
    assert_eq!(world.ask(purchase("ada", 2)), Ok(Kind::Purchased));
    assert_eq!(world.ask(reserve("ada", 2)), Err(Refusal::LimitReached { max: 3, has: 2 }));
    assert_eq!(world.ask(reserve("ada", 1)), Ok(Kind::Reserved));
    let reserved = world.last();
    assert_eq!(world.ask(purchase("ada", 1)), Err(Refusal::LimitReached { max: 3, has: 3 }));
    assert_eq!(world.cancel(reserved, "ada"), Ok(Kind::Cancelled));
    assert_eq!(world.ask(purchase("bob", 2)), Ok(Kind::Purchased));
    assert_eq!(world.ask(wait("ada", 1)), Ok(Kind::Queued));
    assert_eq!(world.ask(wait("ada", 1)), Err(Refusal::LimitReached { max: 3, has: 3 }));
    // Who takes fewer gets what the limit leaves.
    let mut world = World::new(Terms { per_buyer_max: Some(3), ..terms(9) });
    let wanted = Wanted { units: units(5), partial: true };
    let fewer = Command::Purchase { buyer: buyer("ada"), wanted, payment: None };
    assert_eq!(world.ask(fewer), Ok(Kind::Purchased));
    assert_eq!(world.counts(), (3, 0, 0));
}

#[test]
fn a_reservation_holds_its_units_until_its_deadline_and_not_a_millisecond_longer() {
    let mut world = World::new(terms(2));
    assert_eq!(world.ask(reserve("ada", 2)), Ok(Kind::Reserved));
    let claim = world.last();
    world.pass(RESERVED - 1);
    assert_eq!(world.ask(purchase("bob", 1)), Err(Refusal::SoldOut { left: 0 }));
    world.pass(1);
    assert_eq!(world.ask(purchase("bob", 1)), Ok(Kind::Purchased));
    assert_eq!(world.status(claim), Status::Expired);
    assert_eq!(world.counts(), (1, 0, 0));
    assert_eq!(world.confirm(claim, "ada"), Err(Refusal::Status(Status::Expired)));
}

#[test]
fn a_reservation_is_confirmed_once_and_only_by_its_buyer() {
    let mut world = World::new(terms(2));
    assert_eq!(world.ask(reserve("ada", 2)), Ok(Kind::Reserved));
    let claim = world.last();
    assert_eq!(world.confirm(claim, "bob"), Err(Refusal::NotYours));
    assert_eq!(world.cancel(claim, "bob"), Err(Refusal::NotYours));
    assert_eq!(world.confirm(claim, "ada"), Ok(Kind::Confirmed));
    assert_eq!(world.confirm(claim, "ada"), Err(Refusal::Status(Status::Confirmed)));
    assert_eq!(world.cancel(claim, "ada"), Err(Refusal::Status(Status::Confirmed)));
    assert_eq!(world.counts(), (2, 0, 0));
    let stranger = Command::Confirm { claim: World::nobody(), buyer: buyer("ada"), payment: None };
    assert_eq!(world.ask(stranger), Err(Refusal::NoSuchClaim));
}

#[test]
fn a_late_payment_is_granted_again_while_something_is_left_and_otherwise_refunded() {
    let mut world = World::new(terms(2));
    assert_eq!(world.ask(reserve("ada", 2)), Ok(Kind::Reserved));
    let first = world.last();
    world.pass(RESERVED);
    assert_eq!(world.pay(first, "ada", 5000), Ok(Kind::Confirmed));
    assert_eq!(world.counts(), (2, 0, 0));

    let mut world = World::new(terms(2));
    assert_eq!(world.ask(reserve("ada", 2)), Ok(Kind::Reserved));
    let late = world.last();
    world.pass(RESERVED);
    assert_eq!(world.ask(purchase("bob", 1)), Ok(Kind::Purchased));
    assert_eq!(world.pay(late, "ada", 5000), Ok(Kind::PaidUnfulfilled));
    assert_eq!(world.status(late), Status::PaidUnfulfilled);
    assert_eq!(world.log.last().unwrap().kind(), Kind::RefundDue);
    assert_eq!(world.counts(), (1, 0, 0));
    // The money went back: that is noted once, and no unit is given back that was never sold.
    assert_eq!(world.ask(Command::Refund { claim: late, units: None }), Ok(Kind::Refunded));
    assert_eq!(world.counts(), (1, 0, 0));
}

#[test]
fn a_payment_for_a_cancelled_reservation_is_never_lost() {
    let mut world = World::new(terms(2));
    assert_eq!(world.ask(reserve("ada", 1)), Ok(Kind::Reserved));
    let claim = world.last();
    assert_eq!(world.cancel(claim, "ada"), Ok(Kind::Cancelled));
    assert_eq!(world.confirm(claim, "ada"), Err(Refusal::Status(Status::Cancelled)));
    assert_eq!(world.pay(claim, "ada", 2500), Ok(Kind::PaidUnfulfilled));
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn a_payment_must_be_the_price_in_the_sales_currency() {
    let mut world = World::new(terms(9));
    let buy = |payment| Command::Purchase {
        buyer: buyer("ada"),
        wanted: Wanted { units: units(2), partial: false },
        payment: Some(payment),
    };
    assert_eq!(world.ask(buy(paid(4999))), Err(Refusal::WrongAmount { total_minor: 5000 }));
    let dollars = Payment::new(5000, Currency::new("USD").unwrap(), None).unwrap();
    let euro = Currency::new("EUR").unwrap();
    assert_eq!(world.ask(buy(dollars)), Err(Refusal::WrongCurrency { currency: euro }));
    assert_eq!(world.counts(), (0, 0, 0));
    assert_eq!(world.ask(buy(paid(5000))), Ok(Kind::Purchased));
    assert_eq!(world.state.claims[&world.last()].payment_reference.as_deref(), Some("pay-1"));
}

#[test]
fn refunded_units_can_be_sold_again() {
    let mut world = World::new(terms(3));
    assert_eq!(world.ask(purchase("ada", 3)), Ok(Kind::Purchased));
    let claim = world.last();
    let refund = |units| Command::Refund { claim, units };
    assert_eq!(world.ask(refund(Some(units(4)))), Err(Refusal::RefundTooLarge { left: 3 }));
    assert_eq!(world.ask(refund(Some(units(1)))), Ok(Kind::PartlyRefunded));
    assert_eq!(world.counts(), (2, 0, 0));
    assert_eq!(world.ask(purchase("bob", 1)), Ok(Kind::Purchased));
    assert_eq!(world.ask(refund(None)), Ok(Kind::Refunded));
    assert_eq!(world.ask(refund(None)), Err(Refusal::Status(Status::Refunded)));
    assert_eq!(world.counts(), (1, 0, 0));
}

#[test]
fn who_waits_is_offered_what_comes_back_in_order_and_before_anybody_new() {
    let mut world = World::new(terms(3));
    assert_eq!(world.ask(purchase("ada", 3)), Ok(Kind::Purchased));
    let bought = world.last();
    assert_eq!(world.ask(wait("bob", 2)), Ok(Kind::Queued));
    let bob = world.last();
    assert_eq!(world.ask(wait("eve", 1)), Ok(Kind::Queued));
    let eve = world.last();
    // One unit comes back: Bob wants two, and Eve does not overtake him; nor does somebody new.
    assert_eq!(
        world.ask(Command::Refund { claim: bought, units: Some(units(1)) }),
        Ok(Kind::PartlyRefunded)
    );
    assert_eq!((world.status(bob), world.status(eve)), (Status::Waiting, Status::Waiting));
    assert_eq!(world.ask(purchase("joe", 1)), Err(Refusal::SoldOut { left: 0 }));
    assert_eq!(
        world.ask(Command::Refund { claim: bought, units: Some(units(1)) }),
        Ok(Kind::PartlyRefunded)
    );
    assert_eq!((world.status(bob), world.status(eve)), (Status::Pending, Status::Waiting));
    // Bob lets his offer pass: it goes to Eve, and what is left of it to whoever comes.
    world.pass(RESERVED);
    assert_eq!(world.ask(purchase("joe", 1)), Ok(Kind::Purchased));
    assert_eq!((world.status(bob), world.status(eve)), (Status::Expired, Status::Pending));
    assert_eq!(world.confirm(eve, "eve"), Ok(Kind::Confirmed));
    assert_eq!(world.counts(), (3, 0, 0));
}

#[test]
fn one_who_leaves_the_waiting_list_makes_way() {
    let mut world = World::new(terms(2));
    assert_eq!(world.ask(purchase("ada", 2)), Ok(Kind::Purchased));
    let bought = world.last();
    assert_eq!(world.ask(wait("bob", 2)), Ok(Kind::Queued));
    let bob = world.last();
    assert_eq!(world.ask(wait("eve", 1)), Ok(Kind::Queued));
    let eve = world.last();
    assert_eq!(
        world.ask(Command::Refund { claim: bought, units: Some(units(1)) }),
        Ok(Kind::PartlyRefunded)
    );
    assert_eq!(world.status(eve), Status::Waiting);
    assert_eq!(world.cancel(bob, "bob"), Ok(Kind::Cancelled));
    assert_eq!(world.status(eve), Status::Pending);
    assert_eq!(world.counts(), (1, 1, 0));
}

#[test]
fn nobody_waits_for_what_can_never_come() {
    let mut world = World::new(terms(2));
    assert_eq!(world.ask(purchase("ada", 1)), Ok(Kind::Purchased));
    assert_eq!(world.ask(wait("bob", 3)), Err(Refusal::SoldOut { left: 1 }));
    assert_eq!(world.ask(wait("bob", 2)), Ok(Kind::Queued));
    let bob = world.last();
    // The capacity is lowered below what he wants: he keeps nobody else from it.
    assert_eq!(change(&mut world, r#"{"capacity":1}"#), Ok(Kind::SaleChanged));
    assert_eq!(world.status(bob), Status::Cancelled);
}

#[test]
fn the_capacity_changes_while_selling_but_never_below_what_is_sold_and_reserved() {
    let mut world = World::new(terms(5));
    assert_eq!(world.ask(purchase("ada", 2)), Ok(Kind::Purchased));
    assert_eq!(world.ask(reserve("bob", 2)), Ok(Kind::Reserved));
    assert_eq!(change(&mut world, r#"{"capacity":3}"#), Err(Refusal::BelowSold { least: 4 }));
    let current = world.state.version;
    let expecting = |version: i64| format!(r#"{{"name":"x","expected_version":{version}}}"#);
    let stale = change(&mut world, &expecting(current - 1));
    assert_eq!(stale, Err(Refusal::Version { current }));
    assert_eq!(change(&mut world, &expecting(current)), Ok(Kind::SaleChanged));
    assert_eq!(
        change(&mut world, &expecting(current)),
        Err(Refusal::Version { current: current + 1 })
    );
    assert_eq!(change(&mut world, r#"{"capacity":4}"#), Ok(Kind::SaleChanged));
    assert_eq!(world.ask(wait("eve", 2)), Ok(Kind::Queued));
    let eve = world.last();
    assert_eq!(change(&mut world, r#"{"allowance":2}"#), Ok(Kind::SaleChanged));
    assert_eq!(world.status(eve), Status::Pending);
    assert!(matches!(change(&mut world, r#"{"capacity":0}"#), Err(Refusal::Invalid(_))));
}

#[test]
fn a_repeated_key_gets_the_same_reply_in_one_batch_and_in_a_later_one() {
    let mut world = World::new(terms(1));
    let request = world.request(purchase("ada", 1));
    let other = crate::domain::Request { command: purchase("ada", 2), ..request.clone() };
    let other = crate::domain::Request { fingerprint: other.command.fingerprint(), ..other };
    let outcomes = world.batch(&[request.clone(), request.clone(), other.clone()]);
    let Outcome::Done(reply) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert_eq!(outcomes[1], Outcome::Replayed(reply.clone()));
    assert_eq!(outcomes[2], Outcome::KeyReused);
    // Sold out by now: the reply is still the first one.
    let later = world.batch(&[other, request]);
    assert_eq!(later, [Outcome::KeyReused, Outcome::Replayed(reply.clone())]);
    assert_eq!(world.counts(), (1, 0, 0));
}

#[test]
fn a_refusal_stores_nothing_and_the_same_key_may_succeed_later() {
    let mut world = World::new(terms(1));
    assert_eq!(world.ask(purchase("ada", 1)), Ok(Kind::Purchased));
    let bought = world.last();
    let request = world.request(purchase("bob", 1));
    assert_eq!(
        world.batch(std::slice::from_ref(&request)),
        [Outcome::Refused(Refusal::SoldOut { left: 0 })]
    );
    assert_eq!(world.ask(Command::Refund { claim: bought, units: None }), Ok(Kind::Refunded));
    assert!(matches!(world.batch(&[request])[0], Outcome::Done(_)));
}

#[test]
fn a_receipt_is_stable() {
    let mut world = World::new(terms(9));
    let request = world.request(purchase("ada", 3));
    let Outcome::Done(reply) = world.batch(&[request]).remove(0) else { panic!("refused") };
    assert_eq!(
        &*reply.body,
        r#"{"purchase_id":"00000000-0000-0000-0000-000000000001","sale_id":"00000000-0000-0000-0000-000000000001","buyer":"ada","quantity":3,"refunded":0,"status":"confirmed","total_minor":7500,"currency":"EUR","expires_at":null,"position":null,"payment_reference":null}"#
    );
}
