//! The one decision: a sale as it stands and a list of requests in, outcomes and events out.
//!
//! Every strategy of granting uses it. It alone knows what may be sold and what a repeated key means;
//! a strategy only says how the state is read and how the events are written.

use std::collections::HashMap;

use super::{
    Command, Event, Fingerprint, IdempotencyKey, Impossible, Moment, Refusal, Reply, Request,
    State, rules::Rules,
};

/// What one request comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done now, once the events are written.
    Done(Reply),
    /// Done before under the same key: the same reply again.
    Replayed(Reply),
    /// Not possible. Nothing is stored: the same key may be tried again later.
    Refused(Refusal),
    /// The key was used for another request.
    KeyReused,
}

/// A reply that is stored with the events, so that a repeated request gets it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request's key.
    pub key: IdempotencyKey,
    /// What it meant.
    pub fingerprint: Fingerprint,
    /// What it is answered.
    pub reply: Reply,
}

/// What a list of requests comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// When it was taken: the time of all its events.
    pub at: Moment,
    /// One outcome a request, in the same sequence; those of the last may be missing.
    pub outcomes: Vec<Outcome>,
    /// What happened, in order. To be written together with `answers`, all or nothing.
    pub events: Vec<Event>,
    /// The replies of what was done.
    pub answers: Vec<Answer>,
    /// The sale once that is written.
    pub state: State,
}

/// Decides requests first come, first served.
///
/// Before the first request, reservations whose deadline has passed are given up, and units that are
/// free are offered to those who wait; after each request, those that it freed are. A request for
/// more than is left is refused whole, unless its buyer takes fewer; a later, smaller one may still be
/// granted. A request whose key stands earlier in the same list gets the earlier one's reply.
///
/// Nothing is refused for want of units while more are free than those who wait and were read could
/// take: the first request that wants some then, and those behind it, have no outcome. They come with
/// the next decision, once this one is written.
///
/// # Errors
///
/// When the state contradicts itself: a fault of ours, or of whoever changed the database by hand.
pub fn decide<'a>(
    state: State,
    now: Moment,
    requests: impl IntoIterator<Item = &'a Request>,
) -> Result<Decision, Impossible> {
    let mut rules = Rules::new(state, now);
    rules.expire()?;
    rules.offer()?;
    let (mut outcomes, mut answers) = (Vec::new(), Vec::<Answer>::new());
    let mut earlier: HashMap<&IdempotencyKey, usize> = HashMap::new();
    for request in requests {
        let before = earlier.get(&request.key).map(|&at| &answers[at]);
        let before = before.map(|answer| (answer.fingerprint, &answer.reply)).or_else(|| {
            let stored = rules.state.known.get(&request.key)?;
            Some((stored.fingerprint, &stored.reply))
        });
        if let Some((fingerprint, reply)) = before {
            outcomes.push(if fingerprint == request.fingerprint {
                Outcome::Replayed(reply.clone())
            } else {
                Outcome::KeyReused
            });
            continue;
        }
        if rules.is_line_cut_off() && request.command.wants_units() {
            break;
        }
        match rules.request(request)? {
            Ok(reply) => {
                let _none = earlier.insert(&request.key, answers.len());
                answers.push(Answer {
                    key: request.key.clone(),
                    fingerprint: request.fingerprint,
                    reply: reply.clone(),
                });
                outcomes.push(Outcome::Done(reply));
                rules.offer()?;
            }
            Err(refusal) => outcomes.push(Outcome::Refused(refusal)),
        }
    }
    let Rules { state, events, .. } = rules;
    Ok(Decision { at: now, outcomes, events, answers, state })
}

/// Whether every one of the requests is granted whatever their buyers have and their keys were
/// answered: then the decision needs nothing looked up, since the write itself refuses a key that was
/// answered before.
#[must_use]
pub fn is_certain<'a>(
    state: &State,
    now: Moment,
    requests: impl IntoIterator<Item = &'a Request>,
) -> bool {
    let terms = &state.sale.terms;
    let limited = terms.per_buyer_max.is_some() || terms.is_announced(now) || terms.is_closed(now);
    let mut left = i64::from(state.left());
    !limited
        && requests.into_iter().all(|request| match &request.command {
            Command::Purchase { wanted, payment: None, .. } | Command::Reserve { wanted, .. } => {
                left -= i64::from(wanted.units.get());
                left >= 0
            }
            _ => false,
        })
}
