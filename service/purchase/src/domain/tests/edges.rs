//! Rules at their very edge: each of these was once wrong in a copy of the domain, and nothing noticed.

use super::world::{RESERVED, START, World, buyer, paid, purchase, reserve, terms, units, wait};
use crate::domain::{
    Command, Event, Kind, Outcome, Quantity, Refusal, State, Status, Terms, decide, is_certain,
};

#[test]
fn nobody_is_offered_anything_nor_waits_once_selling_has_ended() {
    let closes = START.plus_millis(RESERVED * 2);
    let mut world = World::new(Terms { closes_at: Some(closes), ..terms(1) });
    assert_eq!(world.ask(purchase("ada", 1)), Ok(Kind::Purchased));
    let bought = world.last();
    let mut waiting = Vec::new();
    for name in ["bob", "eve"] {
        assert_eq!(world.ask(wait(name, 1)), Ok(Kind::Queued));
        waiting.push(world.last());
    }
    world.pass(RESERVED * 2 - 1);
    assert!(world.batch(&[]).is_empty());
    assert_eq!(world.status(waiting[0]), Status::Waiting);
    world.pass(1);
    // As it is read of a list that is longer than one decision sees.
    let cut_off = State { line: waiting[..1].iter().copied().collect(), ..world.read() };
    let first = decide(cut_off, world.now, []).unwrap();
    assert!(first.state.is_half_tidied(world.now));
    assert_eq!(world.ask(Command::Refund { claim: bought, units: None }), Ok(Kind::Refunded));
    assert!(waiting.iter().all(|&claim| world.status(claim) == Status::Cancelled));
    assert_eq!(world.counts(), (0, 0, 0));
    // Whoever pays for it all the same is owed the money.
    assert_eq!(world.pay(waiting[0], "bob", 2500), Ok(Kind::PaidUnfulfilled));
    // To sell again does not bring them back.
    world.state.sale.terms.closes_at = None;
    assert!(world.batch(&[]).is_empty());
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn a_waiting_list_has_an_end() {
    let mut world = World::new(terms(1));
    assert_eq!(world.ask(purchase("ada", 1)), Ok(Kind::Purchased));
    let requests = [wait("bob", 1), wait("eve", 1)].map(|command| world.request(command));
    // As it is read without those who wait, of whom there are many.
    let read = State { waiting: 99_999, ..world.read() };
    let decision = decide(read, world.now, &requests).unwrap();
    assert!(matches!(&decision.outcomes[0], Outcome::Done(reply) if reply.kind == Kind::Queued));
    assert_eq!(decision.outcomes[1], Outcome::Refused(Refusal::WaitingListFull));
    // Nobody knows here who was first: the last one must not be taken for it.
    assert!(decision.state.line.is_empty());
}

#[test]
fn nobody_is_refused_while_units_are_free_that_those_who_wait_may_leave() {
    let mut world = World::new(terms(1));
    assert_eq!(world.ask(purchase("ada", 1)), Ok(Kind::Purchased));
    let bought = world.last();
    for name in ["bob", "eve", "joe"] {
        assert_eq!(world.ask(wait(name, 1)), Ok(Kind::Queued));
    }
    let requests = [Command::Refund { claim: bought, units: None }, purchase("new", 2)];
    let requests = requests.map(|command| world.request(command));
    let mut read = world.read();
    read.sale.terms = terms(6);
    // As it is read of a list that is longer than one decision sees.
    let cut_off = State { line: read.line.iter().take(1).copied().collect(), ..read.clone() };
    let first = decide(cut_off.clone(), world.now, &requests).unwrap();
    assert_eq!(first.outcomes.len(), 1, "{:?}", first.outcomes);
    assert_eq!((first.state.waiting, first.state.free()), (2, 5));
    assert!(first.state.is_half_tidied(world.now));
    let whole = decide(read, world.now, &requests).unwrap();
    assert!(matches!(&whole.outcomes[1], Outcome::Done(_)), "{:?}", whole.outcomes);
    assert!(!whole.state.is_half_tidied(world.now));
    // Nothing more is to be read of a list that nobody is read of: then it ends here.
    let nobody = State { line: [].into(), ..cut_off };
    let refused = decide(nobody, world.now, &requests[1..]).unwrap();
    assert_eq!(refused.outcomes, [Outcome::Refused(Refusal::SoldOut { left: 0 })]);
}

#[test]
fn a_late_payment_is_granted_up_to_the_limit_per_buyer_and_not_above() {
    for (more, kind) in [(1, Kind::Confirmed), (2, Kind::PaidUnfulfilled)] {
        let mut world = World::new(Terms { per_buyer_max: Some(3), ..terms(9) });
        assert_eq!(world.ask(reserve("ada", 2)), Ok(Kind::Reserved));
        let late = world.last();
        world.pass(RESERVED);
        assert_eq!(world.ask(purchase("ada", more)), Ok(Kind::Purchased));
        assert_eq!(world.pay(late, "ada", 5000), Ok(kind), "{more}");
    }
}

#[test]
fn a_late_payment_is_not_granted_once_selling_has_ended() {
    let closes = START.plus_millis(RESERVED);
    let mut world = World::new(Terms { closes_at: Some(closes), ..terms(9) });
    assert_eq!(world.ask(reserve("ada", 2)), Ok(Kind::Reserved));
    let late = world.last();
    world.pass(RESERVED);
    assert_eq!(world.pay(late, "ada", 5000), Ok(Kind::PaidUnfulfilled));
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn what_was_given_back_is_not_given_back_again() {
    let mut world = World::new(terms(3));
    assert_eq!(world.ask(purchase("ada", 3)), Ok(Kind::Purchased));
    let claim = world.last();
    let refund = |units: Option<Quantity>| Command::Refund { claim, units };
    let repaid = |world: &World| match world.log.last() {
        Some(Event::Claim(event)) => event.total_minor,
        other => panic!("{other:?}"),
    };
    assert_eq!(world.ask(refund(Some(units(2)))), Ok(Kind::PartlyRefunded));
    assert_eq!(repaid(&world), 5000);
    for more in [2, 3] {
        let refused = world.ask(refund(Some(units(more))));
        assert_eq!(refused, Err(Refusal::RefundTooLarge { left: 1 }), "{more}");
    }
    assert_eq!(world.ask(refund(None)), Ok(Kind::Refunded));
    assert_eq!(repaid(&world), 2500);
    assert_eq!(world.counts(), (0, 0, 0));
}

#[test]
fn the_next_deadline_is_the_earliest() {
    let mut world = World::new(terms(3));
    assert_eq!(world.ask(reserve("ada", 1)), Ok(Kind::Reserved));
    world.pass(10);
    assert_eq!(world.ask(reserve("bob", 1)), Ok(Kind::Reserved));
    assert_eq!(world.state.next_expiry, Some(START.plus_millis(RESERVED)));
}

#[test]
fn too_much_paid_is_as_wrong_as_too_little() {
    let mut world = World::new(terms(3));
    assert_eq!(world.ask(reserve("ada", 1)), Ok(Kind::Reserved));
    let claim = world.last();
    for wrong in [2499, 2501] {
        let refused = world.pay(claim, "ada", wrong);
        assert_eq!(refused, Err(Refusal::WrongAmount { total_minor: 2500 }), "{wrong}");
    }
}

#[test]
fn a_reservation_that_is_due_and_was_not_read_as_such_is_over() {
    for pays in [false, true] {
        let mut world = World::new(terms(1));
        assert_eq!(world.ask(reserve("ada", 1)), Ok(Kind::Reserved));
        let claim = world.last();
        world.pass(RESERVED);
        let command = match pays {
            true => Command::Confirm { claim, buyer: buyer("ada"), payment: None },
            false => Command::Cancel { claim, buyer: buyer("ada") },
        };
        let request = world.request(command);
        // Of many that are due, a turn reads some: this one is not among them.
        let state = world.state.clone();
        let decided = decide(state, world.now, [&request]).unwrap();
        let refused = Outcome::Refused(Refusal::Status(Status::Expired));
        assert_eq!(decided.outcomes, [refused]);
    }
}

#[test]
fn nothing_is_certain_of_payments_limits_or_after_the_end() {
    let mut world = World::new(terms(2));
    let free = world.request(purchase("ada", 2));
    let Command::Purchase { buyer, wanted, .. } = free.command.clone() else { unreachable!() };
    let paying = Command::Purchase { buyer, wanted, payment: Some(paid(5000)) };
    let paying = world.request(paying);
    let (now, state) = (world.now, world.state);
    assert!(is_certain(&state, now, [&free]));
    assert!(!is_certain(&state, now, [&paying]));
    let with = |change: fn(&mut Terms)| {
        let mut state = state.clone();
        change(&mut state.sale.terms);
        state
    };
    assert!(!is_certain(&with(|terms| terms.per_buyer_max = Some(9)), now, [&free]));
    assert!(!is_certain(&with(|terms| terms.closes_at = Some(START)), now, [&free]));
    assert!(!is_certain(&with(|terms| terms.opens_at = Some(START.plus_millis(1))), now, [&free]));
}
