//! The protocol as the checker sees it: actions, steps and properties.

use leasehold::model::Verdict;
use stateright::{Model, Property};

use crate::{
    config::{Config, Hints, Loss, Waits},
    mail::{Kind, Letter, Mail},
    shared::Shared,
    state::{Attempt, Invariant, Phase, State, Work},
    step::{Action, after},
};

/// A later grant has a larger number.
pub const I1: &str = "I1 order";
/// No two grants share a number.
pub const I2: &str = "I2 uniqueness";
/// The register accepts nothing older after something newer.
pub const I3: &str = "I3 nothing older after newer";
/// No acknowledged read-modify-write is lost.
pub const I4: &str = "I4 nothing acknowledged is lost";
/// A renewal does not succeed when a newer lease was complete before it began.
pub const I5: &str = "I5 renewal";
/// At most one holder, if time is bounded.
pub const I6: &str = "I6 mutual exclusion";

/// One configuration, ready to be checked.
#[derive(Clone, Debug)]
pub struct Protocol {
    /// What may happen in it.
    pub config: Config,
    /// Whether to look for the events that show a result not to be vacuous.
    pub reach: bool,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(&self.config)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        self.beginnings(state, actions);
        for i in 0..state.attempts.len() {
            self.of_attempt(state, i, actions);
        }
        for node in 0..self.config.nodes {
            self.of_node(state, node, actions);
        }
        self.of_rejoin(state, actions);
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        after(&self.config, last, action)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always(I1, |_, state: &State| !state.broken.has(Invariant::Order)),
            Property::always(I2, |_, state: &State| !state.broken.has(Invariant::Uniqueness)),
            Property::always(I3, |_, state: &State| !state.broken.has(Invariant::NothingOlder)),
            Property::always(I4, |_, state: &State| !state.broken.has(Invariant::NothingLost)),
            Property::always(I5, |_, state: &State| !state.broken.has(Invariant::Renewal)),
        ];
        if self.config.timing_is_bounded() {
            properties.push(Property::always(I6, |_, state: &State| state.holders() <= 1));
        }
        if self.reach {
            properties.extend(self.reached());
        }
        properties
    }
}

impl Protocol {
    /// What must happen in at least one run, or the result says nothing.
    fn reached(&self) -> Vec<Property<Self>> {
        let config = &self.config;
        let mut reached =
            vec![Property::sometimes("held after one round trip", |_, state: &State| {
                held_at_once(state)
            })];
        if config.nodes > 1 && config.attempts > 1 {
            reached.push(Property::sometimes("held after a commit", |_, state: &State| {
                held_by_commit(state)
            }));
        }
        if !config.timing_is_bounded() && config.at_once > 1 {
            reached.push(Property::sometimes("two believe that they hold", |_, state: &State| {
                state.holders() > 1
            }));
        }
        if config.register.is_some() {
            reached.push(Property::sometimes("a stale holder is refused", |_, state: &State| {
                state.attempts.iter().any(|attempt| attempt.work == Work::Refused)
            }));
        }
        if config.renewals {
            reached.push(Property::sometimes("renewed", |_, state: &State| {
                let renewed = |verdict| verdict == Some(Verdict::Yes);
                state.attempts.iter().any(|attempt| renewed(attempt.renewal_verdict()))
            }));
        }
        if config.waits != Waits::No {
            reached.push(Property::sometimes("held what was handed over", |_, state: &State| {
                state
                    .attempts
                    .iter()
                    .any(|attempt| attempt.held && attempt.mail.iter().any(|mail| mail.handed_over))
            }));
        }
        if config.amnesias > 0 {
            reached.push(Property::sometimes("a node votes again", |protocol: &Self, state| {
                let forgot = state.left.amnesias < protocol.config.amnesias;
                forgot && state.nodes.iter().all(|node| node.out.is_none())
            }));
        }
        reached
    }

    fn beginnings(&self, state: &State, actions: &mut Vec<Action>) {
        let live = state.live().count_ones() as usize;
        if live >= self.config.at_once || state.attempts.len() >= self.config.attempts {
            return;
        }
        let clock = self.config.hints.clock(state.readings).unwrap_or(1);
        match self.config.hints {
            Hints::One => actions.push(Action::Begin { hint: 1 }),
            Hints::UpTo(most) => actions.extend((1..=most).map(|hint| Action::Begin { hint })),
            Hints::Clock(_) => actions.push(Action::Begin { hint: clock }),
            Hints::WrongClock(_) => {
                actions.extend([1, clock].map(|hint| Action::Begin { hint }));
            }
        }
    }

    fn of_attempt(&self, state: &State, i: usize, actions: &mut Vec<Action>) {
        let (config, attempt) = (&self.config, &state.attempts[i]);
        for (node, mail) in attempt.mail.iter().enumerate() {
            for kind in [Kind::Grant, Kind::Commit, Kind::Renew, Kind::Release] {
                let letter = mail.of(kind);
                let free = attempt.is_live() || kind == Kind::Release;
                if letter == Letter::OnItsWay && (free || state.left.late > 0) {
                    actions.push(Action::Deliver(i, node, kind));
                } else if letter != Letter::Unsent && state.left.late > 0 {
                    actions.push(Action::DeliverAgain(i, node, kind));
                }
            }
            if matches!(mail.of(Kind::Grant), Letter::Answered(_)) {
                actions.push(Action::Hear(i, node));
            }
            if config.silence && attempt.phase == Phase::Asking && waits_for(state, i, node) {
                actions.push(Action::CountAsSilent(i, node));
            }
        }
        if !attempt.is_live() {
            return;
        }
        actions.push(Action::Stop(i));
        if attempt.phase == Phase::Holding {
            // In time that nobody measures a second renewal is the first one begun later, unless
            // the first let the lease outlive a quarantine.
            let again = config.amnesias > 0 && attempt.renewal_verdict() == Some(Verdict::Yes);
            if config.renewals && (attempt.renewal.is_none() || again) {
                actions.push(Action::Renew(i));
            }
            match attempt.work {
                Work::Idle if config.register.is_some() => actions.push(Action::Read(i)),
                Work::Read { .. } => actions.push(Action::Write(i)),
                Work::Idle | Work::Written | Work::Refused => {}
            }
        }
    }

    fn of_node(&self, state: &State, node: usize, actions: &mut Vec<Action>) {
        actions.push(Action::Lapse(node));
        if self.config.waits != Waits::No && !self.config.releases {
            let named = self.config.waits == Waits::Named;
            let named = if named { state.attempts.len() } else { 0 };
            let heirs = (0..named).map(Some).chain([None]);
            actions.extend(heirs.map(|next| Action::HandOver(node, next)));
        }
        let others_vote =
            state.nodes.iter().enumerate().all(|(i, other)| i == node || other.out.is_none());
        if state.left.amnesias > 0 && (others_vote || !self.config.one_at_a_time) {
            for &loss in self.config.losses {
                if loss != Loss::RolledBack {
                    actions.push(Action::Lose(node, loss));
                    continue;
                }
                if state.left.copies > 0 {
                    actions.push(Action::Copy(node));
                }
                if state.nodes[node].can_roll_back() {
                    actions.push(Action::Lose(node, loss));
                }
            }
        }
        if state.rejoin.is_none() && state.nodes[node].out.is_some() {
            actions.push(Action::BeginRejoin(node));
        }
    }

    fn of_rejoin(&self, state: &State, actions: &mut Vec<Action>) {
        let Some(rejoin) = &state.rejoin else { return };
        actions.push(Action::AbandonRejoin);
        if rejoin.admit.is_some() {
            actions.push(Action::Admit);
            if state.left.late > 0 {
                actions.push(Action::AdmitAndKeep);
            }
            return;
        }
        let unheard = |&node: &usize| rejoin.standings[node].is_none();
        actions.extend((0..self.config.nodes).filter(unheard).map(Action::HearStanding));
    }
}

/// Whether the client still expects an answer of this node.
fn waits_for(state: &State, i: usize, node: usize) -> bool {
    let mail = state.attempts[i].mail[node];
    let asked = |kind| matches!(mail.of(kind), Letter::OnItsWay | Letter::Answered(_));
    asked(Kind::Commit) || asked(Kind::Grant)
}

fn held_at_once(state: &State) -> bool {
    let asked_no_commit = |mail: &Mail| mail.of(Kind::Commit) == Letter::Unsent;
    let holding = |attempt: &&Shared<Attempt>| attempt.phase == Phase::Holding;
    state.attempts.iter().filter(holding).any(|attempt| {
        attempt.round.as_ref().is_none_or(|asked| !asked.round().was_committed())
            && attempt.mail.iter().all(asked_no_commit)
    })
}

fn held_by_commit(state: &State) -> bool {
    state
        .attempts
        .iter()
        .filter(|attempt| attempt.phase == Phase::Holding)
        .any(|attempt| attempt.round.as_ref().is_some_and(|asked| asked.round().was_committed()))
}
