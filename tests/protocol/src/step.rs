//! What can happen next, and what it changes.

use std::sync::Arc;

use leasehold::model::{GrantNumber, Question, Reply, Step, Verdict};

use crate::{
    asked::Said,
    config::{ClientRule, Config, Expiry, Loss, NodeRule, Replies, Waits},
    mail::{Kind, Letter},
    node::{THING, number},
    rejoin,
    shared::Shared,
    state::{Attempt, Invariant, Phase, State, Work, binding, client, holder, request},
    tidy,
};

/// One thing that can happen. Attempts and nodes are meant by their index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// An attempt begins and asks every node for a grant with this hint.
    Begin {
        /// The smallest number that the nodes may mint.
        hint: u64,
    },
    /// A question arrives; the node answers.
    Deliver(usize, usize, Kind),
    /// A question that had arrived before arrives once more; nobody hears the answer.
    DeliverAgain(usize, usize, Kind),
    /// The answer to a grant is heard.
    Hear(usize, usize),
    /// A client counts a node as silent; what it asked is still on its way.
    CountAsSilent(usize, usize),
    /// A client gives up, crashes, or is done.
    Stop(usize),
    /// The key lapses on a node.
    Lapse(usize),
    /// The key's owner gives it back on a node, which hands it over: to this attempt before others.
    HandOver(usize, Option<usize>),
    /// A holder asks every node for a renewal.
    Renew(usize),
    /// A holder reads the register.
    Read(usize),
    /// It writes what follows from what it read.
    Write(usize),
    /// A node's data is copied, for a later rollback.
    Copy(usize),
    /// A node loses data.
    Lose(usize, Loss),
    /// A client asks an outside node how it stands, to let it vote again.
    BeginRejoin(usize),
    /// Another node tells it how it stands.
    HearStanding(usize),
    /// The admission arrives.
    Admit,
    /// The admission arrives, and will once more.
    AdmitAndKeep,
    /// The client leaves the procedure.
    AbandonRejoin,
}

/// The state after `action`, or `None` if it cannot happen or changes nothing.
#[must_use]
pub fn after(config: &Config, last: &State, action: Action) -> Option<State> {
    let mut next = last.clone();
    apply(config, &mut next, action)?;
    tidy::forget_what_cannot_matter(config, &mut next);
    next.seal();
    Some(if config.symmetric { next.sorted() } else { next })
}

fn apply(config: &Config, state: &mut State, action: Action) -> Option<()> {
    match action {
        Action::Begin { hint } => {
            state.readings += u64::from(config.hints.clock(state.readings).is_some());
            let attempt = Attempt::new(config, state.completed, hint);
            state.attempts.push(Shared::new(attempt));
        }
        Action::Deliver(i, node, kind) => {
            if !state.attempts[i].is_live() && kind != Kind::Release {
                state.left.late = state.left.late.checked_sub(1)?;
            }
            deliver(config, state, i, node, kind);
        }
        Action::DeliverAgain(i, node, kind) => {
            state.left.late = state.left.late.checked_sub(1)?;
            let _unheard = answer(config, state, i, node, kind)?;
        }
        Action::Hear(i, node) => {
            let Letter::Answered(said) = state.attempts[i].mail[node].of(Kind::Grant) else {
                return None;
            };
            hear(config, state, i, node, Kind::Grant, said);
        }
        Action::CountAsSilent(i, node) => tell(config, state, i, node, Said::Nothing),
        Action::Stop(i) => stop(config, state, i),
        Action::Lapse(node) => {
            let lapsed = may_lapse(config, state, node) && state.node_mut(node).lapse();
            lapsed.then_some(())?;
        }
        Action::HandOver(node, next) => hand_over(config, state, node, next)?,
        Action::Renew(i) => {
            let completed = state.completed;
            let out: Vec<bool> = state.nodes.iter().map(|node| node.out.is_some()).collect();
            let attempt = state.attempt_mut(i);
            attempt.renewal = attempt.number.map(|number| completed > number.get());
            for (mail, out) in attempt.mail.iter_mut().zip(out) {
                mail.set(Kind::Renew, Letter::OnItsWay);
                mail.renewed_without = out;
            }
        }
        Action::Read(i) => read(config, state, i)?,
        Action::Write(i) => write(config, state, i)?,
        Action::Copy(node) => {
            state.left.copies = state.left.copies.checked_sub(1)?;
            state.node_mut(node).save().then_some(())?;
        }
        Action::Lose(node, loss) => rejoin::lose(config, state, node, loss)?,
        Action::BeginRejoin(node) => rejoin::begin(config, state, node)?,
        Action::HearStanding(node) => rejoin::hear(config, state, node)?,
        Action::Admit => {
            rejoin::admit(config, state)?;
            state.rejoin = None;
        }
        Action::AdmitAndKeep => {
            state.left.late = state.left.late.checked_sub(1)?;
            rejoin::admit(config, state)?;
        }
        Action::AbandonRejoin => state.rejoin = None,
    }
    Some(())
}

/// A question arrives for the first time.
fn deliver(config: &Config, state: &mut State, i: usize, node: usize, kind: Kind) {
    let Some(said) = answer(config, state, i, node, kind) else { return };
    let live = state.attempts[i].is_live();
    let heard_later =
        kind == Kind::Grant && config.replies == Replies::AnyTime && is_listening(config, state, i);
    let letter = match kind {
        Kind::Grant if heard_later => Letter::Answered(said),
        // A vote stays noted: the ballot is counted from the letters.
        Kind::Renew if live => Letter::Answered(said),
        _ => Letter::Done,
    };
    state.attempt_mut(i).mail[node].set(kind, letter);
    if kind == Kind::Renew && live {
        settle_renewal(state, i);
    } else if !heard_later && matches!(kind, Kind::Grant | Kind::Commit) {
        hear(config, state, i, node, kind, said);
    }
}

/// Whether an attempt takes answers: while it lives, and while it has releases to send.
fn is_listening(config: &Config, state: &State, i: usize) -> bool {
    state.attempts[i].is_live() || config.releases
}

/// Asks the node, and puts its answer into the words of the client's driver.
fn answer(config: &Config, state: &mut State, i: usize, node: usize, kind: Kind) -> Option<Said> {
    let attempt = &state.attempts[i];
    let question = match kind {
        Kind::Grant => {
            Question::Grant(Arc::new(request(i, number(attempt.hint), config.waits != Waits::No)))
        }
        Kind::Commit => Question::Commit(binding(i, attempt.number?)),
        Kind::Renew => Question::Renew(binding(i, attempt.number?)),
        Kind::Release => {
            Question::Release { resource: THING.clone(), holder: holder(i), next: None }
        }
    };
    let reply = state.node_mut(node).answer(config, &question);
    tell_heirs(config, state, node);
    Some(match reply {
        Reply::Granted { number, .. } => Said::Granted(number),
        Reply::Held { .. } => Said::Held,
        Reply::Bound => Said::Bound,
        Reply::Refused => Said::Refused,
        _ => Said::Nothing,
    })
}

/// Whoever has the key on a node gives it back there.
fn hand_over(config: &Config, state: &mut State, node: usize, next: Option<usize>) -> Option<()> {
    may_lapse(config, state, node).then_some(())?;
    let owner = (0..state.attempts.len()).find(|&i| state.nodes[node].is_held_by(holder(i)))?;
    let (resource, holder, next) = (THING.clone(), holder(owner), next.map(client));
    let question = Question::Release { resource, holder, next };
    let reply = state.node_mut(node).answer(config, &question);
    tell_heirs(config, state, node);
    (reply == Reply::Released { passed: true }).then_some(())
}

/// What a node handed over is on its way to the attempts that waited for it there.
fn tell_heirs(config: &Config, state: &mut State, node: usize) {
    for (to, handover) in state.node_mut(node).take_handovers() {
        let heir = (0..state.attempts.len()).find(|&i| client(i) == to);
        let Some(heir) = heir.filter(|&i| is_listening(config, state, i)) else { continue };
        let number = match config.node_rule {
            NodeRule::HandOverOldNumber => GrantNumber::new(handover.number.get() - 1).ok(),
            _ => Some(handover.number),
        };
        let Some(number) = number else { continue };
        let attempt = state.attempt_mut(heir);
        attempt.mail[node].set(Kind::Grant, Letter::Answered(Said::Granted(number)));
        attempt.mail[node].handed_over = true;
    }
}

/// The client tells its round what it heard and obeys the step.
fn hear(config: &Config, state: &mut State, i: usize, node: usize, kind: Kind, said: Said) {
    state.attempt_mut(i).mail[node].set(kind, Letter::Done);
    if is_listening(config, state, i) {
        tell(config, state, i, node, said);
    }
}

fn tell(config: &Config, state: &mut State, i: usize, node: usize, said: Said) {
    let Some(round) = &mut state.attempt_mut(i).round else { return };
    match round.on(node, said) {
        Step::Wait => {}
        Step::Commit { number, nodes } if config.client_rule == ClientRule::Production => {
            let attempt = state.attempt_mut(i);
            attempt.number = Some(number);
            nodes.iter().for_each(|&n| attempt.mail[n].set(Kind::Commit, Letter::OnItsWay));
        }
        Step::Commit { number, .. } | Step::Hold(number) => hold(state, i, number),
        Step::GiveUp(_) => stop(config, state, i),
        Step::Release(node) => {
            state.attempt_mut(i).mail[node].set(Kind::Release, Letter::OnItsWay);
        }
    }
}

/// The attempt holds: its acquisition is complete.
fn hold(state: &mut State, i: usize, number: GrantNumber) {
    if state.attempts[i].held {
        return;
    }
    let same = |other: &Shared<Attempt>| other.held && other.number == Some(number);
    state.broken.note(Invariant::Uniqueness, state.attempts.iter().any(same));
    state.broken.note(Invariant::Order, number.get() <= state.attempts[i].floor);
    state.completed = state.completed.max(number.get());
    let attempt = state.attempt_mut(i);
    (attempt.phase, attempt.held, attempt.number) = (Phase::Holding, true, Some(number));
    attempt.floor = 0;
}

/// The attempt is over; where releases are messages, it sends them wherever its lease may be.
fn stop(config: &Config, state: &mut State, i: usize) {
    let attempt = state.attempt_mut(i);
    attempt.phase = Phase::Over;
    if !config.releases {
        return;
    }
    let Some(round) = &mut attempt.round else { return };
    for (node, mail) in attempt.mail.iter_mut().enumerate() {
        if round.round().may_have_ours(node) {
            mail.set(Kind::Release, Letter::OnItsWay);
        }
    }
    round.release();
}

/// Whether the key on this node may lapse now.
fn may_lapse(config: &Config, state: &State, node: usize) -> bool {
    let live = || state.attempts.iter().enumerate().filter(|(_, attempt)| attempt.is_live());
    match config.expiry {
        Expiry::AnyMoment => true,
        Expiry::AfterItsOwner => live().all(|(i, _)| !state.nodes[node].is_held_by(holder(i))),
        Expiry::Never => false,
    }
}

/// A renewal that succeeded must not have begun after a newer lease was complete; one that says
/// the lease is lost ends it.
fn settle_renewal(state: &mut State, i: usize) {
    match state.attempts[i].renewal_verdict() {
        Some(Verdict::Yes) => {
            let stale = state.attempts[i].renewal == Some(true);
            state.broken.note(Invariant::Renewal, stale);
            rejoin::renewed(state, i);
        }
        Some(Verdict::No) => state.attempt_mut(i).phase = Phase::Over,
        Some(Verdict::Pending | Verdict::Unknown) | None => {}
    }
}

fn read(config: &Config, state: &mut State, i: usize) -> Option<()> {
    let stamp = binding(i, state.attempts[i].number?).stamp();
    let outcome = state.register.read(config.register?, &stamp);
    state.broken.note(Invariant::NothingOlder, outcome.out_of_order);
    let work = if outcome.accepted { Work::Read { fresh: true } } else { Work::Refused };
    state.attempt_mut(i).work = work;
    Some(())
}

fn write(config: &Config, state: &mut State, i: usize) -> Option<()> {
    let Work::Read { fresh } = state.attempts[i].work else { return None };
    let stamp = binding(i, state.attempts[i].number?).stamp();
    let outcome = state.register.write(config.register?, &stamp);
    state.broken.note(Invariant::NothingOlder, outcome.out_of_order);
    if !outcome.accepted {
        state.attempt_mut(i).work = Work::Refused;
        return Some(());
    }
    // What it wrote follows from what it read: a write in between is lost.
    state.broken.note(Invariant::NothingLost, !fresh);
    for other in 0..state.attempts.len() {
        if matches!(state.attempts[other].work, Work::Read { fresh: true }) {
            state.attempt_mut(other).work = Work::Read { fresh: false };
        }
    }
    state.attempt_mut(i).work = Work::Written;
    Some(())
}
