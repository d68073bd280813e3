//! How sure the ratio of two medians is, by drawing rounds again (percentile bootstrap).

use crate::stats::median;

/// Draws for an interval. More would not change its second digit.
const DRAWS: usize = 2000;

/// The same figures give the same interval.
const SEED: u64 = 0x1ea5_e401d;

/// The ratio of medians, and the interval it is in with 95 % confidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Ratio {
    pub(crate) ratio: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// Of `after` to `before`: rounds of the two runs have nothing to do with each other, so they are drawn
/// apart.
pub(crate) fn ratio(before: &[f64], after: &[f64]) -> Ratio {
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut drawn: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let mut draw = |of: &[f64]| median((0..of.len()).map(|_| of[random.usize(..of.len())]));
            let before = draw(before);
            divided(draw(after), before)
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let at = |part: usize| drawn[(DRAWS - 1) * part / 1000];
    let medians = [after, before].map(|of| median(of.iter().copied()));
    Ratio { ratio: divided(medians[0], medians[1]), least: at(25), most: at(975) }
}

/// Nothing by nothing is no change.
fn divided(after: f64, before: f64) -> f64 {
    let is_nothing = |value: f64| value.abs() < f64::EPSILON;
    if is_nothing(after) && is_nothing(before) { 1.0 } else { after / before }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_holds_the_ratio_and_is_the_same_each_time() {
        let before = [90.0, 95.0, 100.0, 105.0, 110.0];
        let after = before.map(|value| value * 1.5);
        let one = ratio(&before, &after);
        assert!((one.ratio - 1.5).abs() < 1e-9 && one.least < 1.5 && one.most > 1.5, "{one:?}");
        assert!(one.least > 1.2 && one.most < 1.9, "{one:?}");
        assert_eq!(one, ratio(&before, &after));
    }

    #[test]
    fn the_interval_of_equal_chance_holds_one_nearly_always() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut missed = 0;
        for _ in 0..50 {
            let mut draw = || (0..8).map(|_| 100.0 + 10.0 * random.f64()).collect::<Vec<_>>();
            let (before, after) = (draw(), draw());
            let ratio = ratio(&before, &after);
            missed += usize::from(ratio.least > 1.0 || ratio.most < 1.0);
        }
        assert!(missed <= 5, "{missed} of 50");
    }

    #[test]
    fn nothing_stays_nothing() {
        let Ratio { ratio, least, most } = ratio(&[0.0; 5], &[0.0; 5]);
        assert_eq!([ratio, least, most].map(f64::to_bits), [1.0_f64; 3].map(f64::to_bits));
    }
}
