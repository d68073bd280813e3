//! Medians, ratios and histograms of times in microseconds.

use std::time::Duration;

use anyhow::Context as _;
use hdrhistogram::Histogram;

/// The longest time that is told from a longer one, in microseconds: one minute.
const LONGEST_US: u64 = 60_000_000;

pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
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

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn a_median_is_in_the_middle_also_of_an_even_number() {
        let cases: [(&[f64], &str); 4] =
            [(&[], "0"), (&[3.0], "3"), (&[29.0, 9.0], "19"), (&[7.0, 1.0, 2.0], "2")];
        for (values, expected) in cases {
            assert_eq!(median(values.iter().copied()).to_string(), expected);
        }
    }
}
