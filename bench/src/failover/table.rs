//! All rounds of one contestant under one fault, and the row they make.

use std::time::{Duration, Instant};

use crate::{
    report::{Case, Report},
    stats::{median, median_ratio},
};

pub(super) const HEAD: &str = "TTL ms  fault               contestant   first ÷ it              by TTL                     ms  counted";

/// What a round told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// For so long nobody was granted anything.
    Gap(Duration),
    /// The same, and how much of it the server itself was away.
    Away { gap: Duration, server: Duration },
    /// The machine was too busy for the fault to hit a holder.
    Missed,
    /// A promise was broken: nothing of this contestant counts.
    Broken(String),
}

pub(super) struct Measured {
    name: &'static str,
    ttl: Duration,
    /// In the order of the rounds; `None` if one was missed.
    gaps: Vec<Option<f64>>,
    /// What is left of each without the time that the server itself was away.
    beyond: Vec<f64>,
    broken: Option<String>,
}

impl Measured {
    pub(super) fn new(name: &'static str, ttl: Duration) -> Self {
        Self { name, ttl, gaps: Vec::new(), beyond: Vec::new(), broken: None }
    }

    pub(super) fn add(&mut self, round: Round) {
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        match round {
            Round::Gap(gap) => self.gaps.push(Some(millis(gap))),
            Round::Away { gap, server } => {
                self.gaps.push(Some(millis(gap)));
                self.beyond.push(millis(gap.saturating_sub(server)));
            }
            Round::Missed => self.gaps.push(None),
            Round::Broken(why) => {
                self.gaps.push(None);
                self.broken = Some(why);
            }
        }
    }

    fn counted(&self) -> Vec<f64> {
        self.gaps.iter().flatten().copied().collect()
    }

    pub(super) fn row(&self, fault: &str, first: Option<&Self>) -> String {
        let ttl = self.ttl.as_millis();
        let start = format!("{ttl:>6}  {fault:<18}  {:<11}", self.name);
        if let Some(why) = &self.broken {
            return format!("{start}  void: {why}");
        }
        let ratio = first
            .filter(|first| first.broken.is_none())
            .and_then(|first| self.ratio(first))
            .map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
        let gaps = self.counted();
        let millis = self.ttl.as_secs_f64() * 1000.0;
        let by_ttl: Vec<f64> = gaps.iter().map(|gap| gap / millis).collect();
        let beyond = match self.beyond.as_slice() {
            [] => String::new(),
            beyond => format!("  {} ms while the server was there", spread(beyond, 0)),
        };
        format!(
            "{start}  {ratio:>10}  {:>18}  {:>21}  {}/{}{beyond}",
            spread(&by_ttl, 2),
            spread(&gaps, 0),
            gaps.len(),
            self.gaps.len()
        )
    }

    /// Of the rounds side by side that both counted.
    fn ratio(&self, first: &Self) -> Option<f64> {
        let both = first.gaps.iter().zip(&self.gaps);
        let both = both.filter_map(|(first, own)| first.zip(*own));
        let (first, own): (Vec<f64>, Vec<f64>) = both.unzip();
        (!own.is_empty()).then(|| median_ratio(&first, &own))
    }

    /// What is missed: a grant, or a purchase.
    const fn what(&self) -> [&'static str; 2] {
        if self.beyond.is_empty() {
            ["time without a grant", "time without a grant by TTL"]
        } else {
            ["time without a purchase", "time without a purchase by TTL"]
        }
    }

    pub(super) fn tell(&self, report: &mut Report, fault: &str, nodes: u16) {
        let millis = u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX);
        let case = Case::default().with("fault", fault).with("nodes", u64::from(nodes));
        let why = self.broken.clone().unwrap_or_default();
        // A round that missed has no value, and keeps its place.
        let gaps: Vec<f64> = self.gaps.iter().map(|gap| gap.unwrap_or(f64::NAN)).collect();
        let ttl = self.ttl.as_secs_f64() * 1000.0;
        let [what, by_ttl] = self.what();
        let entry = report
            .of(self.name, case.with("TTL ms", millis))
            .void_if(self.broken.is_some(), why)
            .lower(by_ttl, "× TTL", gaps.iter().map(|gap| gap / ttl).collect())
            .lower(what, "ms", gaps);
        if !self.beyond.is_empty() {
            entry.lower("of which while Postgres was there", "ms", self.beyond.clone());
        }
    }
}

fn spread(values: &[f64], digits: usize) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values {
        [] => "–".to_owned(),
        _ => {
            let middle = median(values.iter().copied());
            format!("{middle:.digits$} ({least:.digits$}–{most:.digits$})")
        }
    }
}

/// The longest time between two grants one after the other, of those that reach beyond `from`; the time from
/// the last of them until `to` is one too.
pub(super) fn longest_gap(grants: &mut [Instant], from: Instant, to: Instant) -> Duration {
    grants.sort_unstable();
    let after = grants.iter().copied().filter(|at| *at > from);
    let mut last = from;
    let mut longest = Duration::ZERO;
    for at in after.chain([to]) {
        longest = longest.max(at.saturating_duration_since(last));
        last = last.max(at);
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_gap_reaches_from_the_fault_to_the_end() {
        let from = Instant::now();
        let at = |millis| from + Duration::from_millis(millis);
        let end = at(100);
        for (grants, expected) in [
            (vec![at(40), at(10), at(90)], 50),
            (vec![], 100),
            (vec![at(99)], 99),
            (vec![at(5), at(10)], 90),
        ] {
            let gap = longest_gap(&mut grants.clone(), from, end);
            assert_eq!(gap, Duration::from_millis(expected), "{grants:?}");
        }
    }

    #[test]
    fn a_missed_round_is_left_out_and_a_broken_one_voids_all() {
        let gap = |millis| Round::Gap(Duration::from_millis(millis));
        let mut ours = Measured::new("ours", Duration::from_secs(1));
        let mut other = Measured::new("rslock", Duration::from_secs(1));
        for (one, two) in [(gap(500), gap(1000)), (Round::Missed, gap(9)), (gap(600), gap(1200))] {
            ours.add(one);
            other.add(two);
        }
        let row = other.row("holder killed", Some(&ours));
        assert!(row.contains("  0.50  ") && row.ends_with("3/3"), "{row}");
        assert!(ours.row("holder killed", Some(&ours)).ends_with("2/3"));
        ours.add(Round::Broken("token 1 came after 2".to_owned()));
        assert!(ours.row("holder killed", None).ends_with("void: token 1 came after 2"));
        assert!(other.row("holder killed", Some(&ours)).contains('–'));
    }
}
