//! Nodes that forget, and the procedure that lets them vote again.

use leasehold::model::{
    Admission, GrantNumber, Question, Reply, Standing,
    admission::{Verdict, admission},
};

use crate::{
    config::{Config, Floor, Guard, Hints, Loss},
    node::{TTL, number},
    state::State,
};

/// A client's procedure of letting one node vote again: it asked the node how it stands, asks the
/// others one by one, decides with the production rule, and sends what was decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rejoin {
    /// The node that is to vote again.
    pub node: usize,
    /// How the nodes said they stand; the node itself first.
    pub standings: Vec<Option<Standing>>,
    /// What was decided, on its way to the node.
    pub admit: Option<Admission>,
}

impl Rejoin {
    /// The same procedure, had node `order[i]` been node `i`.
    #[must_use]
    pub fn reordered(self, order: &[usize]) -> Self {
        Self {
            node: order.iter().position(|&old| old == self.node).unwrap_or(self.node),
            standings: order.iter().map(|&old| self.standings[old]).collect(),
            admit: self.admit,
        }
    }
}

/// Node `node` loses data.
pub fn lose(config: &Config, state: &mut State, node: usize, loss: Loss) -> Option<()> {
    state.left.amnesias = state.left.amnesias.checked_sub(1)?;
    // A quarantine follows, and it takes time.
    state.readings += u64::from(config.hints.clock(state.readings).is_some());
    let live = state.live();
    match config.guard {
        Guard::Nothing => state.node_mut(node).lose_unnoticed(loss),
        Guard::QuarantineAndFloor | Guard::FloorAtOnce => state.node_mut(node).lose(loss, live),
    }
    for i in 0..state.attempts.len() {
        if state.attempts[i].mail[node].renewed_without {
            state.attempt_mut(i).mail[node].renewed_without = false;
        }
    }
    if state.left.amnesias == 0 {
        (0..config.nodes).for_each(|node| state.node_mut(node).drop_copy());
    }
    Some(())
}

/// A lease was renewed: it counts on no node any more that was out when the renewal began, and so
/// it may outlive that node's quarantine.
pub fn renewed(state: &mut State, i: usize) {
    for node in 0..state.nodes.len() {
        if state.attempts[i].mail[node].renewed_without {
            let waits_for = state.nodes[node].out;
            state.node_mut(node).out = waits_for.map(|attempts| attempts & !(1 << i));
        }
    }
}

/// A client asks an outside node how it stands: the beginning of its procedure.
///
/// Before the quarantine is over the production rule must say so, whatever the others say; then
/// nothing has changed.
///
/// # Panics
///
/// When the production rule admits the node before.
pub fn begin(config: &Config, state: &mut State, node: usize) -> Option<()> {
    let mut standings = vec![None; config.nodes];
    let over = quarantine_is_over(config, state, node);
    standings[node] = Some(state.node_mut(node).stand(over));
    if !over {
        for other in (0..config.nodes).filter(|&other| other != node) {
            let over = quarantine_is_over(config, state, other);
            standings[other] = Some(state.node_mut(other).stand(over));
        }
        let verdict = admission(node, &standings, TTL, GrantNumber::ONE);
        assert!(matches!(verdict, Verdict::Wait(_) | Verdict::Unknown), "{verdict:?}: {state:?}");
        return None;
    }
    state.rejoin = Some(Rejoin { node, standings, admit: None });
    decide(config, state)
}

/// Another node says how it stands.
pub fn hear(config: &Config, state: &mut State, other: usize) -> Option<()> {
    let over = quarantine_is_over(config, state, other);
    let standing = state.node_mut(other).stand(over);
    state.rejoin.as_mut()?.standings[other] = Some(standing);
    decide(config, state)
}

/// The admission that was decided arrives, at once or much later.
pub fn admit(config: &Config, state: &mut State) -> Option<()> {
    let rejoin = state.rejoin.as_ref()?;
    let (node, admission) = (rejoin.node, rejoin.admit?);
    let over = quarantine_is_over(config, state, node);
    match state.node_mut(node).answer_out(&Question::Admit(admission), over) {
        Reply::Admitted => state.node_mut(node).out = None,
        Reply::Standing(_) => {}
        other => unreachable!("to an admission, a node said {other:?}"),
    }
    Some(())
}

/// Decides as soon as the production rule admits: with the fewest answers, the lowest floor.
fn decide(config: &Config, state: &mut State) -> Option<()> {
    let rejoin = state.rejoin.as_ref()?;
    let clock_floor = match config.floor {
        Floor::Clock if matches!(config.hints, Hints::Clock(_)) => {
            config.hints.clock(state.readings).map_or(GrantNumber::ONE, number)
        }
        // No clock, or one that stands at the beginning of time.
        Floor::Clock => GrantNumber::ONE,
        Floor::RegisterAlone => {
            state.register.newest().map_or(GrantNumber::ONE, |token| token.number())
        }
    };
    let verdict = admission(rejoin.node, &rejoin.standings, TTL, clock_floor);
    if let Verdict::Admit(admission) = verdict {
        state.rejoin.as_mut()?.admit = Some(admission);
    }
    Some(())
}

/// Whether every attempt and every lease from before the node forgot is over, or was renewed by
/// others since.
fn quarantine_is_over(config: &Config, state: &State, node: usize) -> bool {
    let live = state.live();
    state.nodes[node]
        .out
        .is_some_and(|waits_for| config.guard == Guard::FloorAtOnce || waits_for & live == 0)
}
