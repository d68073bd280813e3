//! Drops what no later event can depend on, so that fewer states differ.

use crate::{
    config::Config,
    mail::{Kind, Letter, Mail},
    state::{Attempt, Phase, State, Work},
};

/// Makes states equal that no later event can tell apart.
pub(crate) fn forget_what_cannot_matter(config: &Config, state: &mut State) {
    let late = state.left.late > 0;
    let all_over = state.live() == 0;
    for i in 0..state.attempts.len() {
        let attempt = &state.attempts[i];
        let mut tidied = None;
        match attempt.phase {
            Phase::Asking => {}
            Phase::Holding if !config.releases && attempt.round.is_some() => {
                tidied = settled(attempt, late);
            }
            Phase::Holding => {}
            Phase::Over if !is_tidy(config, attempt, late) => {
                tidied = Some(over(config, attempt, late));
            }
            Phase::Over => {}
        }
        if let Some(tidied) = tidied {
            *state.attempt_mut(i) = tidied;
        }
        // Whoever begins later must get more than every number that is complete: an equal one
        // breaks the order, so nobody needs to compare it.
        if all_over && state.attempts[i].held {
            let attempt = state.attempt_mut(i);
            attempt.held = false;
            attempt.number = attempt.number.filter(|_| late);
        }
    }
}

/// A holder whose grants and commits have all been heard: its round says nothing any more.
fn settled(attempt: &Attempt, late: bool) -> Option<Attempt> {
    let asked =
        |mail: &Mail| is_under_way(mail.of(Kind::Grant)) || is_under_way(mail.of(Kind::Commit));
    if attempt.mail.iter().any(asked) {
        return None;
    }
    let mut attempt = attempt.clone();
    attempt.round = None;
    if !late {
        attempt.hint = 0;
        for mail in &mut attempt.mail {
            mail.set(Kind::Grant, Letter::Unsent);
            mail.set(Kind::Commit, Letter::Unsent);
        }
    }
    Some(attempt)
}

const fn is_under_way(letter: Letter) -> bool {
    matches!(letter, Letter::OnItsWay | Letter::Answered(_))
}

/// Whether a round that is over still has an answer to hear: a late grant is to be released.
fn listens(config: &Config, attempt: &Attempt, late: bool) -> bool {
    let may_come = |mail: &Mail| match mail.of(Kind::Grant) {
        Letter::Answered(_) => true,
        Letter::OnItsWay => late,
        Letter::Unsent | Letter::Done => false,
    };
    config.releases && attempt.mail.iter().any(may_come)
}

fn is_tidy(config: &Config, attempt: &Attempt, late: bool) -> bool {
    let known = |mail: &Mail| late || mail.of(Kind::Release) != Letter::Done;
    attempt.round.is_some() == listens(config, attempt, late)
        && attempt.floor == 0
        && attempt.renewal.is_none()
        && attempt.work == Work::Idle
        && attempt.is_stripped
        && (late || attempt.hint == 0)
        && attempt.mail.iter().all(known)
}

fn over(config: &Config, attempt: &Attempt, late: bool) -> Attempt {
    let mut attempt = attempt.clone();
    (attempt.floor, attempt.renewal, attempt.work) = (0, None, Work::Idle);
    attempt.is_stripped = true;
    let listens = listens(config, &attempt, late);
    attempt.round = attempt.round.take().filter(|_| listens);
    for mail in &mut attempt.mail {
        for kind in [Kind::Grant, Kind::Commit, Kind::Renew, Kind::Release] {
            let letter = match mail.of(kind) {
                Letter::Unsent => Letter::Unsent,
                Letter::OnItsWay if kind == Kind::Release => Letter::OnItsWay,
                letter if kind == Kind::Grant && listens => letter,
                // Whether it came before or not, it may still come, and nobody hears the answer.
                _ if late => Letter::Done,
                _ => Letter::Unsent,
            };
            mail.set(kind, letter);
        }
    }
    if !late {
        attempt.hint = 0;
        attempt.number = attempt.number.filter(|_| attempt.held);
    }
    attempt
}
