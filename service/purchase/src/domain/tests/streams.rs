//! Decisions that are written although something has happened since.

use proptest::prelude::*;

use super::{
    histories::{Act, CHOICES, History, acts},
    world::{purchase, reserve, terms, wait},
};
use crate::domain::{Circumstances, Event, Kind, Terms, Validation, decide};

/// What the write looks for among the events since the decision's reading.
fn is_broken_by(validation: &Validation, event: &Event) -> bool {
    match validation {
        Validation::Exact => true,
        Validation::Only { kinds, claims, buyers } => {
            let of_claim = |event: &Event| match event {
                Event::Claim(event) => {
                    claims.contains(&event.claim) || buyers.contains(&event.buyer)
                }
                Event::Created(_) | Event::Changed(_) => false,
            };
            kinds.contains(&event.kind()) || of_claim(event)
        }
    }
}

/// Lets some things happen, decides one act, lets others happen, and writes the decision if its
/// validation lets it. Whether it was written although something had happened.
fn written_late(run: &mut History, before: &[Act], between: &[Act], late: Act) -> bool {
    for act in before {
        run.step(*act);
    }
    let Some(command) = run.command(late) else { return false };
    let request = run.world.request(command);
    let read = run.world.read();
    let circumstances = Circumstances::of(&read);
    let decision = decide(read, run.world.now, [&request]).unwrap();
    let seen = run.world.log.len();
    for act in between {
        run.step(*act);
    }
    let since = &run.world.log[seen..];
    let validation = Validation::of(circumstances, &decision);
    if decision.events.is_empty()
        || since.is_empty()
        || since.iter().any(|event| is_broken_by(&validation, event))
    {
        return false;
    }
    let written = run.world.append(&decision.events);
    run.check();
    written
}

#[test]
fn in_every_short_history_what_is_written_late_keeps_the_rules() {
    let mut written = 0;
    for number in 0..CHOICES.len().pow(4) {
        let act = |place: u32| CHOICES[number / CHOICES.len().pow(place) % CHOICES.len()];
        let mut run = History::new(Terms { allowance: 1, ..terms(2) });
        let late = written_late(&mut run, &[act(3), act(2)], &[act(1)], act(0));
        written += u32::from(late);
    }
    assert!(written > 1000, "only {written}: the rules were hardly tried");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_late_keeps_the_rules(
        capacity in 1..9_u32,
        per_buyer_max in proptest::option::of(2..5_u32),
        before in proptest::collection::vec(acts(), 0..30),
        between in proptest::collection::vec(acts(), 1..4),
        late in acts(),
    ) {
        let mut run = History::new(Terms { per_buyer_max, ..terms(capacity) });
        let _written = written_late(&mut run, &before, &between, late);
    }
}

#[test]
fn what_others_buy_is_left_out_and_what_matters_is_not() {
    let mut run = History::new(Terms { per_buyer_max: Some(2), ..terms(5) });
    let of = |run: &mut History, command| {
        let request = run.world.request(command);
        let read = run.world.read();
        let circumstances = Circumstances::of(&read);
        let decision = decide(read, run.world.now, [&request]).unwrap();
        (request.id, Validation::of(circumstances, &decision))
    };
    let (id, alone) = of(&mut run, purchase("ada", 1));
    let Validation::Only { kinds, claims, buyers } = alone else { panic!("{alone:?}") };
    assert_eq!((kinds, claims), (vec![Kind::Queued, Kind::SaleChanged], vec![id]));
    assert_eq!(buyers.len(), 1, "her units were counted");
    for _ in 0..5 {
        let name = format!("buyer {}", run.world.log.len());
        let _kind = run.world.ask(reserve(&name, 1)).unwrap();
    }
    // Nothing is left, so this one waits; from then on the order of the line matters.
    assert_eq!(of(&mut run, wait("eve", 1)).1, Validation::Exact);
    let _kind = run.world.ask(wait("eve", 1)).unwrap();
    let first = run.world.state.claims.values().find(|claim| claim.buyer.as_str() == "buyer 0");
    let (claim, buyer) = first.map(|claim| (claim.id, claim.buyer.clone())).unwrap();
    let cancel = crate::domain::Command::Cancel { claim, buyer };
    assert_eq!(of(&mut run, cancel).1, Validation::Exact);
}
