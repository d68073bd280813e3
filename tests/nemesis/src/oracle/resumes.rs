//! After the last fault is healed, each replica decides orders of each sale again, within a stated time
//! from when it was first asked to.
//!
//! A refusal by the rules is a decision too: of a sale that is sold out nothing else can be had. That a server
//! does not answer, or that too many ask, is none ([`Outcome::is_decided`](crate::history::Outcome::is_decided)).
//!
//! Lock holders go on as well: each has a write accepted within the same time. They ask by themselves.
//!
//! Source: house style, "after the faults stop, the system must heal"; Jepsen's final generators.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use super::Case;
use crate::history::{Asked, Written};

/// Of one sale and replica: when it was first asked after the healing, and when it first answered.
struct Course {
    asked: Duration,
    answered: Option<Duration>,
}

pub(super) fn check(case: &Case<'_>) -> Vec<String> {
    let Some(healed) = case.evidence.healed_at else { return Vec::new() };
    [replicas(case, healed), lock_holders(case, healed)].concat()
}

fn replicas(case: &Case<'_>, healed: Duration) -> Vec<String> {
    let evidence = case.evidence;
    let mut courses: BTreeMap<(Uuid, usize), Course> = BTreeMap::new();
    let orders = evidence.history.operations.iter().filter(|order| order.asked != Asked::Look);
    for order in orders.filter(|order| order.end >= healed) {
        let asked = order.start.max(healed);
        let course =
            courses.entry((order.sale, order.replica)).or_insert(Course { asked, answered: None });
        course.asked = course.asked.min(asked);
        if order.outcome.is_decided() {
            course.answered =
                Some(course.answered.map_or(order.end, |before| before.min(order.end)));
        }
    }
    let late = courses.iter().filter_map(|((sale, replica), course)| {
        let limit = course.asked.saturating_add(evidence.resumes_within);
        // Who was never answered has waited until now.
        let waited_until = course.answered.unwrap_or(evidence.read_at);
        (waited_until > limit).then(|| {
            format!(
                "sale {sale}: healed at {healed:?}, replica {replica} was asked at {:?} and answered at {:?}",
                course.asked, course.answered
            )
        })
    });
    late.collect()
}

fn lock_holders(case: &Case<'_>, healed: Duration) -> Vec<String> {
    let evidence = case.evidence;
    let limit = healed.saturating_add(evidence.resumes_within);
    let late = (0..evidence.lock_holders).filter_map(|client| {
        let writes = evidence.history.increments.iter().filter(|write| write.client == client);
        let accepted = writes.filter(|write| write.written == Written::Yes && write.end >= healed);
        let first = accepted.map(|write| write.end).min();
        (first.unwrap_or(evidence.read_at) > limit).then(|| {
            format!("healed at {healed:?}, lock holder {client} had a write accepted at {first:?}")
        })
    });
    late.collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::super::planted::{Planted, assert_bites};
    use crate::history::{Outcome, Written};

    pub(crate) const PLANTED: &[Planted] = &[
        ("a replica never answers again", |evidence| {
            for order in evidence.history.operations.iter_mut().filter(|order| order.replica == 1) {
                order.outcome = Outcome::Unknown("no answer".to_owned());
            }
        }),
        ("a replica turns everybody away", |evidence| {
            for order in evidence.history.operations.iter_mut().filter(|order| order.replica == 1) {
                order.outcome = Outcome::Refused("unavailable".to_owned());
            }
        }),
        ("a lock holder's writes are never accepted again", |evidence| {
            let writes = evidence.history.increments.iter_mut().filter(|write| write.client == 1);
            writes.for_each(|write| write.written = Written::Stale);
        }),
        ("a lock holder writes too late", |evidence| {
            for write in evidence.history.increments.iter_mut().filter(|write| write.client == 0) {
                write.end += Duration::from_secs(6);
            }
        }),
        ("a lock holder never writes at all", |evidence| evidence.lock_holders += 1),
        ("it takes too long", |evidence| {
            for order in evidence.history.operations.iter_mut().filter(|order| order.replica == 0) {
                order.end += Duration::from_secs(6);
            }
        }),
    ];

    #[test]
    fn finds_what_is_planted() {
        assert_bites(super::check, PLANTED);
    }

    #[test]
    fn a_replica_that_nobody_asks_owes_no_answer() {
        let mut evidence = super::super::sound::sound();
        evidence.history.operations.retain(|order| order.replica == 0);
        assert_eq!(super::check(&super::Case::new(&evidence)), Vec::<String>::new());
    }
}
