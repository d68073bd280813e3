//! What a run came to, in numbers.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    fault::{Happened, Victim},
    history::{Asked, History, Outcome, Written},
    oracle::{Evidence, leases_judged},
};

/// A write that Postgres accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// When, since the run began; by Postgres' clock.
    pub at: Duration,
    /// To which sale, by its index.
    pub sale: usize,
    /// Who wrote it.
    pub replica: String,
    /// Its token, if it was written under a lease.
    pub token: Option<i64>,
    /// How many units it sold or reserved.
    pub units: i32,
}

/// The middle, nearly the largest, and the largest of some durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spread {
    /// How many there were.
    pub count: usize,
    /// The median.
    pub median: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The largest.
    pub max: Duration,
}

impl Spread {
    /// Sums durations up.
    #[must_use]
    pub fn of(mut all: Vec<Duration>) -> Self {
        all.sort_unstable();
        let at = |percent: usize| {
            let index = (all.len() * percent).div_ceil(100).saturating_sub(1);
            all.get(index).copied().unwrap_or_default()
        };
        Self { count: all.len(), median: at(50), p99: at(99), max: at(100) }
    }
}

/// A run's figures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Requests that came to an end, by what came of them.
    pub answers: BTreeMap<String, usize>,
    /// Purchases that were acknowledged: direct ones and paid reservations.
    pub purchases: usize,
    /// Faults, by kind.
    pub faults: BTreeMap<String, usize>,
    /// Writes of lock holders that were refused as stale.
    pub stale_refused: usize,
    /// Writes of lock holders that were accepted.
    pub increments: usize,
    /// Leases that lock holders counted on.
    #[serde(default)]
    pub leases: usize,
    /// Those of them that were held against the leases before them: which did not begin after a node's clock jumped.
    #[serde(default)]
    pub leases_judged: usize,
    /// From a replica's death or standstill while it held a sale's lease to the next write under a newer lease.
    pub next_grant: Spread,
    /// The longest time without any answer that was a yes, during each fault of a kind and a second after it.
    pub silence: BTreeMap<String, Spread>,
}

/// How long after a fault its silence counts as its own.
const AFTER: Duration = Duration::from_secs(1);

impl Figures {
    /// Counts.
    #[must_use]
    pub fn of(evidence: &Evidence, faults: &[Happened], accepted: &[Accepted]) -> Self {
        let history = &evidence.history;
        let (leases_judged, leases) = leases_judged(evidence);
        let mut figures = Self { leases, leases_judged, ..Self::default() };
        for operation in &history.operations {
            let said = match &operation.outcome {
                Outcome::Ok(_) if operation.asked == Asked::Look => "read",
                Outcome::Ok(_) => "done",
                refused @ Outcome::Refused(_) if refused.is_decided() => "refused",
                Outcome::Refused(_) => "turned away",
                Outcome::Unknown(_) => "unknown",
            };
            *figures.answers.entry(said.to_owned()).or_default() += 1;
            let buys = matches!(operation.asked, Asked::Buy { .. } | Asked::Confirm { .. });
            figures.purchases += usize::from(buys && operation.receipt().is_some());
        }
        for happened in faults {
            *figures.faults.entry(happened.fault.fault.kind().to_owned()).or_default() += 1;
        }
        let written = |what| history.increments.iter().filter(|one| one.written == what).count();
        figures.stale_refused = written(Written::Stale);
        figures.increments = written(Written::Yes);
        figures.next_grant = Spread::of(next_grants(faults, accepted));
        figures.silence = silences(history, faults);
        figures
    }
}

/// How long it took until another replica wrote under a newer token, wherever the replica that was
/// killed or paused had made the sale's last write.
fn next_grants(faults: &[Happened], accepted: &[Accepted]) -> Vec<Duration> {
    let sales = accepted.iter().map(|write| write.sale).max().map_or(0, |last| last + 1);
    let leased = |sale: usize| {
        let of_sale = accepted.iter().filter(move |write| write.sale == sale);
        of_sale.filter_map(|write| Some((write, write.token?)))
    };
    let by_sale: Vec<Vec<_>> = (0..sales).map(|sale| leased(sale).collect()).collect();
    let mut gaps = Vec::new();
    for (replica, at) in faults.iter().filter_map(|happened| happened.met) {
        let name = Victim::Replica(replica).to_string();
        for writes in &by_sale {
            let next = writes.partition_point(|(write, _)| write.at < at);
            let Some((last, token)) = next.checked_sub(1).and_then(|index| writes.get(index))
            else {
                continue;
            };
            // Only if it surely was its turn: it wrote just before.
            if last.replica != name || at - last.at > AFTER / 5 {
                continue;
            }
            let later = writes[next..].iter().find(|(_, other)| other > token);
            gaps.extend(later.map(|(write, _)| write.at - at));
        }
    }
    gaps
}

fn silences(history: &History, faults: &[Happened]) -> BTreeMap<String, Spread> {
    let mut yes: Vec<Duration> = history
        .operations
        .iter()
        .filter(|one| one.receipt().is_some() && one.asked != Asked::Look)
        .map(|one| one.end)
        .collect();
    yes.sort_unstable();
    let mut all: BTreeMap<String, Vec<Duration>> = BTreeMap::new();
    for Happened { fault, .. } in faults {
        let (from, to) = (fault.at, fault.ends() + AFTER);
        let first = yes.partition_point(|at| *at < from);
        let last = yes.partition_point(|at| *at < to);
        let inside = std::iter::once(from).chain(yes[first..last].iter().copied());
        let points: Vec<Duration> = inside.chain(std::iter::once(to)).collect();
        let longest = points.windows(2).map(|pair| pair[1] - pair[0]).max();
        all.entry(fault.fault.kind().to_owned()).or_default().extend(longest);
    }
    all.into_iter().map(|(kind, gaps)| (kind, Spread::of(gaps))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::{Fault, Planned};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_spread_is_of_what_was_measured() {
        let spread = Spread::of((1..=200).map(|n| n * MS).collect());
        assert_eq!((spread.median, spread.p99, spread.max), (100 * MS, 198 * MS, 200 * MS));
        assert_eq!(Spread::of(vec![]), Spread::default());
        assert_eq!(Spread::of(vec![7 * MS]).p99, 7 * MS);
    }

    #[test]
    fn the_next_grant_is_another_holders() {
        let write = |at: u32, replica: &str, token| Accepted {
            at: at * MS,
            sale: 0,
            replica: replica.to_owned(),
            token,
            units: 1,
        };
        let fault = Fault::Kill(Victim::Replica(0));
        let fault = Planned { at: 100 * MS, lasts: MS, fault };
        let killed = Happened { fault, met: Some((0, 100 * MS)) };
        let writes = [
            write(90, "replica-1", Some(5)),
            // Was under way when it was killed.
            write(101, "replica-1", Some(5)),
            write(900, "replica-2", Some(6)),
        ];
        assert_eq!(next_grants(&[killed], &writes), [800 * MS]);
        let other = Happened { met: Some((1, 100 * MS)), ..killed };
        assert_eq!(next_grants(&[other], &writes), Vec::<Duration>::new());
    }
}
