//! Random histories, and every short one, held against the rules stated one by one.

use proptest::prelude::*;

use super::world::{RESERVED, World, buyer, paid, purchase, reserve, terms, units, wait};
use crate::domain::{
    ClaimId, Command, Event, Kind, Outcome, Request, SaleChange, State, Status, Terms, is_certain,
};

/// Something that a history does.
#[derive(Clone, Copy, Debug)]
pub(super) enum Act {
    Purchase(u8, u32),
    Reserve(u8, u32),
    Wait(u8, u32),
    Confirm(u8),
    Pay(u8),
    Cancel(u8),
    Refund(u8, u32),
    Capacity(u32),
    Repeat(u8),
    Pass(i64),
}

const BUYERS: [&str; 3] = ["ada", "bob", "eve"];

pub(super) struct History {
    pub(super) world: World,
    made: Vec<(ClaimId, u8)>,
    asked: Vec<(Request, Outcome)>,
}

impl History {
    pub(super) fn new(terms: Terms) -> Self {
        Self { world: World::new(terms), made: Vec::new(), asked: Vec::new() }
    }

    /// One of the claims that were made so far, and whose it is.
    fn claim(&self, pick: u8) -> Option<(ClaimId, &'static str)> {
        let at = usize::from(pick).checked_rem(self.made.len())?;
        let (claim, who) = self.made[at];
        Some((claim, BUYERS[usize::from(who) % 3]))
    }

    pub(super) fn command(&self, act: Act) -> Option<Command> {
        let name = |who: u8| BUYERS[usize::from(who) % 3];
        Some(match act {
            Act::Purchase(who, wanted) => purchase(name(who), wanted),
            Act::Reserve(who, wanted) => reserve(name(who), wanted),
            Act::Wait(who, wanted) => wait(name(who), wanted),
            Act::Confirm(pick) => {
                let (claim, name) = self.claim(pick)?;
                Command::Confirm { claim, buyer: buyer(name), payment: None }
            }
            Act::Pay(pick) => {
                let (claim, name) = self.claim(pick)?;
                let total = self.world.state.claims.get(&claim)?.total_minor;
                Command::Confirm { claim, buyer: buyer(name), payment: Some(paid(total)) }
            }
            Act::Cancel(pick) => {
                let (claim, name) = self.claim(pick)?;
                Command::Cancel { claim, buyer: buyer(name) }
            }
            Act::Refund(pick, wanted) => {
                Command::Refund { claim: self.claim(pick)?.0, units: Some(units(wanted)) }
            }
            Act::Capacity(capacity) => {
                let capacity = Some(capacity.into());
                Command::Change(SaleChange { capacity, ..SaleChange::default() })
            }
            Act::Repeat(_) | Act::Pass(_) => return None,
        })
    }

    fn act(&mut self, act: Act) {
        self.step(act);
        self.check();
    }

    pub(super) fn step(&mut self, act: Act) {
        match act {
            Act::Pass(millis) => return self.world.pass(millis),
            Act::Repeat(pick) => {
                if let Some(at) = usize::from(pick).checked_rem(self.asked.len()) {
                    self.repeat(at);
                }
                return;
            }
            _ => {}
        }
        let Some(command) = self.command(act) else { return };
        let certain = self.is_certain(&command);
        let before = (self.world.counts(), self.world.log.len());
        let request = self.world.request(command);
        let outcome = self.world.batch(std::slice::from_ref(&request)).remove(0);
        if certain {
            assert!(
                matches!(outcome, Outcome::Done(_)),
                "{act:?} was certain and gave {outcome:?}"
            );
        }
        if let Outcome::Refused(_) = outcome {
            let own = self.world.log[before.1..].iter().filter(|event| !is_tidying(event)).count();
            assert_eq!(own, 0, "{act:?} was refused and changed something");
        }
        if let (
            Outcome::Done(_),
            Act::Purchase(who, _) | Act::Reserve(who, _) | Act::Wait(who, _),
        ) = (&outcome, act)
        {
            self.made.push((self.world.last(), who));
        }
        self.asked.push((request, outcome));
    }

    fn is_certain(&mut self, command: &Command) -> bool {
        let request = self.world.request(command.clone());
        let due = self.world.state.claims.values().any(|claim| claim.is_due(self.world.now));
        !due && is_certain(&self.world.state, self.world.now, std::slice::from_ref(&request))
    }

    fn repeat(&mut self, at: usize) {
        let (request, first) = self.asked[at].clone();
        let again = self.world.batch(std::slice::from_ref(&request)).remove(0);
        match (first, &again) {
            (Outcome::Done(reply), _) => assert_eq!(again, Outcome::Replayed(reply)),
            (
                Outcome::Refused(_),
                Outcome::Done(_) | Outcome::Refused(_) | Outcome::Replayed(_),
            ) => {}
            (first, again) => panic!("{first:?}, and again {again:?}"),
        }
        // A key that was refused may make its claim now.
        if let Outcome::Done(_) = again {
            let id = request.id;
            if self.world.state.claims.contains_key(&id) {
                let who = BUYERS.iter().position(|name| {
                    request.command.buyer().is_some_and(|buyer| buyer.as_str() == *name)
                });
                let who = u8::try_from(who.unwrap()).unwrap();
                self.made.push((id, who));
            }
            self.asked[at].1 = again;
        }
    }

    /// Everything that must hold after every step.
    pub(super) fn check(&self) {
        let state = &self.world.state;
        let limit = state.sale.terms.limit();
        assert!(state.sold + state.held <= limit, "oversold: {state:?}");
        let sum = |status: Status| -> u32 {
            state
                .claims
                .values()
                .filter(|claim| claim.status == status)
                .map(|claim| claim.units())
                .sum()
        };
        assert_eq!((state.sold, state.held), (sum(Status::Confirmed), sum(Status::Pending)));
        let waiting: Vec<_> =
            state.claims.values().filter(|claim| claim.status == Status::Waiting).collect();
        assert_eq!(state.waiting as usize, waiting.len());
        assert_eq!(state.line.len(), waiting.len());
        // Nobody waits for units that are free.
        if let Some(first) = state.line.front().and_then(|id| state.claims.get(id)) {
            assert!(
                first.quantity > state.free(),
                "{first:?} waits beside {} free units",
                state.free()
            );
        }
        if let Some(max) = state.sale.terms.per_buyer_max {
            for name in BUYERS {
                let its = state.claims.values().filter(|claim| claim.buyer.as_str() == name);
                let has: u32 = its.map(|claim| claim.units()).sum();
                assert!(has <= max, "{name} has {has} of {max}");
            }
        }
        self.check_log();
        self.world.check_snapshot();
    }

    /// The log, played from the beginning, gives the same sale.
    fn check_log(&self) {
        let state = &self.world.state;
        let mut played = State::created(state.sale.clone());
        for event in &self.world.log {
            played.apply(event).unwrap();
        }
        assert_eq!(played.version, state.version);
        assert_eq!((played.sold, played.held, played.waiting), self.world.counts());
        assert_eq!(played.claims, state.claims);
        assert_eq!(played.line, state.line);
    }
}

/// What happens with a request without being part of it.
fn is_tidying(event: &Event) -> bool {
    matches!(event.kind(), Kind::Expired | Kind::Offered)
}

pub(super) fn acts() -> impl Strategy<Value = Act> {
    let who = 0..3_u8;
    let pick = any::<u8>();
    prop_oneof![
        3 => (who.clone(), 1..4_u32).prop_map(|(who, wanted)| Act::Purchase(who, wanted)),
        4 => (who.clone(), 1..4_u32).prop_map(|(who, wanted)| Act::Reserve(who, wanted)),
        3 => (who, 1..4_u32).prop_map(|(who, wanted)| Act::Wait(who, wanted)),
        3 => pick.prop_map(Act::Confirm),
        2 => pick.prop_map(Act::Pay),
        3 => pick.prop_map(Act::Cancel),
        3 => (pick, 1..4_u32).prop_map(|(pick, wanted)| Act::Refund(pick, wanted)),
        1 => (1..8_u32).prop_map(Act::Capacity),
        2 => pick.prop_map(Act::Repeat),
        3 => prop_oneof![Just(1), Just(RESERVED / 2), Just(RESERVED)].prop_map(Act::Pass),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_rules(
        capacity in 1..7_u32,
        allowance in 0..3_u32,
        per_buyer_max in proptest::option::of(2..5_u32),
        history in proptest::collection::vec(acts(), 1..60),
    ) {
        let mut run = History::new(Terms { allowance, per_buyer_max, ..terms(capacity) });
        for act in history {
            run.act(act);
        }
    }
}

/// What short histories are made of.
pub(super) const CHOICES: [Act; 15] = [
    Act::Purchase(0, 1),
    Act::Purchase(1, 2),
    Act::Reserve(0, 1),
    Act::Reserve(1, 2),
    Act::Wait(2, 1),
    Act::Wait(2, 2),
    Act::Confirm(0),
    Act::Pay(0),
    Act::Cancel(0),
    Act::Cancel(1),
    Act::Refund(0, 1),
    Act::Capacity(1),
    Act::Capacity(3),
    Act::Repeat(0),
    Act::Pass(RESERVED),
];

#[test]
fn every_short_history_keeps_the_rules() {
    let mut count = 0;
    for capacity in [1, 2] {
        for number in 0..CHOICES.len().pow(4) {
            let mut run = History::new(terms(capacity));
            let mut rest = number;
            for _ in 0..4 {
                run.step(CHOICES[rest % CHOICES.len()]);
                rest /= CHOICES.len();
            }
            // Its beginnings are histories of their own.
            run.check();
            count += 1;
        }
    }
    assert_eq!(count, 2 * 15_usize.pow(4));
}
