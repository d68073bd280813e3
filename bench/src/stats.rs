//! Medians, ratios and histograms of times in microseconds.

use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;

/// The longest time that is told from a longer one, in microseconds: one minute.
const LONGEST_US: u64 = 60_000_000;

/// Of those that are there: a round without an answer has NaN.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let upper = values.get(values.len() / 2).copied().unwrap_or_default();
    // Of an even number, neither of the two in the middle alone: of two, that would be the larger.
    let lower = values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    f64::midpoint(lower, upper)
}

/// The median of the ratios of rounds that ran side by side: what slows a whole pair of rounds, such
/// as a neighbour on the machine, does not count.
pub(crate) fn median_ratio(ours: &[f64], others: &[f64]) -> f64 {
    median(ours.iter().zip(others).map(|(ours, other)| ours / other))
}

pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Histogram::new_with_bounds(1, LONGEST_US, 3).context("no histogram")
}

pub(crate) fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts of a benchmark stay far below 2^52")]
pub(crate) fn float(count: u64) -> f64 {
    count as f64
}

/// Times of all rounds in microseconds, and the percentiles of each.
#[derive(Clone, Debug)]
pub(crate) struct Times {
    all: Histogram<u64>,
    round: Histogram<u64>,
    /// Of each round its 50th and 99th percentile; NaN where there were no times, so that rounds of the same
    /// place stay side by side.
    rounds: Vec<[f64; 2]>,
}

impl Times {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self { all: histogram()?, round: histogram()?, rounds: Vec::new() })
    }

    pub(crate) fn record_n(&mut self, micros: u64, count: u64) {
        self.round.saturating_record_n(micros, count);
    }

    pub(crate) fn saturating_record(&mut self, micros: u64) {
        self.record_n(micros, 1);
    }

    /// What was recorded since the last call was one round.
    pub(crate) fn end_round(&mut self) -> anyhow::Result<()> {
        let is_empty = self.round.is_empty();
        self.rounds.push([0.5, 0.99].map(|at| match is_empty {
            true => f64::NAN,
            false => float(self.round.value_at_quantile(at)),
        }));
        self.all.add(&self.round)?;
        self.round.reset();
        Ok(())
    }

    /// A whole round at once.
    pub(crate) fn add_round(&mut self, round: &Histogram<u64>) -> anyhow::Result<()> {
        self.round.add(round)?;
        self.end_round()
    }

    /// Over all rounds that have ended.
    pub(crate) fn value_at_quantile(&self, quantile: f64) -> u64 {
        self.all.value_at_quantile(quantile)
    }

    pub(crate) fn len(&self) -> u64 {
        self.all.len()
    }

    /// The median of each round, and its 99th percentile.
    pub(crate) fn of_rounds(&self) -> [Vec<f64>; 2] {
        [0, 1].map(|at| self.rounds.iter().map(|round| round[at]).collect())
    }

    /// Each time that was seen and how often.
    pub(crate) fn counts(&self) -> Vec<(u64, u64)> {
        let seen = self.all.iter_recorded();
        seen.map(|step| (step.value_iterated_to(), step.count_at_value())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Times, median};

    #[test]
    fn percentiles_are_kept_by_round() {
        let mut times = Times::new().unwrap();
        for micros in [10, 20] {
            times.record_n(micros, 5);
            times.end_round().unwrap();
        }
        times.end_round().unwrap();
        assert_eq!(format!("{:?}", times.of_rounds()), "[[10.0, 20.0, NaN], [10.0, 20.0, NaN]]");
        assert_eq!((times.len(), times.counts()), (10, vec![(10, 5), (20, 5)]));
    }

    #[test]
    fn a_median_is_in_the_middle_also_of_an_even_number() {
        let cases: [(&[f64], &str); 4] =
            [(&[], "0"), (&[3.0], "3"), (&[29.0, 9.0], "19"), (&[7.0, f64::NAN, 1.0, 2.0], "2")];
        for (values, expected) in cases {
            assert_eq!(median(values.iter().copied()).to_string(), expected);
        }
    }
}
