//! Where values are on a drawing, and which of them stand beside it.

use crate::report::table::number;

/// One direction of a chart.
#[derive(Clone, Debug)]
pub(super) struct Axis {
    least: f64,
    most: f64,
    is_log: bool,
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// By factors. Values that are not positive have no place on it.
    pub(super) fn log(values: impl Iterator<Item = f64>, name: fn(f64) -> String) -> Self {
        let (least, most) = ends(values.filter(|value| *value > 1e-9)).unwrap_or((1.0, 10.0));
        // A little room, also where all values are the same.
        let (least, most) = (least / 1.15, most * 1.15);
        let marks: &[f64] = match (most / least).log10() {
            decades if decades < 0.6 => &[1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0],
            decades if decades < 1.2 => &[1.0, 2.0, 3.0, 5.0],
            decades if decades < 2.5 => &[1.0, 3.0],
            _ => &[1.0],
        };
        let mut ticks = Vec::new();
        let mut decade = 10_f64.powf(least.log10().floor());
        while decade <= most {
            let of_decade = marks.iter().map(|mark| decade * mark);
            ticks.extend(of_decade.filter(|at| (least..=most).contains(at)));
            decade *= 10.0;
        }
        let ticks = ticks.into_iter().map(|at| (at, name(at))).collect();
        Self { least, most, is_log: true, ticks }
    }

    /// By factors, with these values beside it and nothing between.
    pub(super) fn sizes(sizes: &[u64]) -> Self {
        let values = || sizes.iter().map(|&size| crate::stats::float(size));
        let (least, most) = ends(values()).unwrap_or((1.0, 10.0));
        let ticks = values().map(|at| (at, number(at).trim_end_matches(".00").to_owned()));
        let ticks = ticks.map(|(at, name)| (at, name.trim_end_matches(".0").to_owned()));
        Self { least: least.max(0.5), most: most * 1.0001, is_log: true, ticks: ticks.collect() }
    }

    /// From zero.
    pub(super) fn linear(most: f64, name: fn(f64) -> String) -> Self {
        let most = if most > 0.0 { most * 1.05 } else { 1.0 };
        let rough = most / 4.0;
        let decade = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|of| of * decade).into_iter();
        let step = step.filter(|step| *step >= rough).fold(f64::INFINITY, f64::min);
        let mut ticks = Vec::new();
        let mut at = 0.0;
        while at <= most {
            ticks.push((at, name(at)));
            at += step;
        }
        Self { least: 0.0, most, is_log: false, ticks }
    }

    /// With these values beside it; the first and the last are its ends.
    pub(super) fn with(ticks: Vec<(f64, String)>) -> Self {
        let (least, most) = ends(ticks.iter().map(|tick| tick.0)).unwrap_or((0.0, 1.0));
        Self { least, most, is_log: false, ticks }
    }

    /// Between 0 and 1; `None` if it has no place.
    pub(super) fn at(&self, value: f64) -> Option<f64> {
        let of = |value: f64| if self.is_log { value.log10() } else { value };
        let (least, most) = (of(self.least), of(self.most));
        let part = if most > least { (of(value) - least) / (most - least) } else { 0.5 };
        part.is_finite().then(|| part.clamp(0.0, 1.0))
    }

    /// Where names stand beside it.
    pub(super) fn ticks(&self) -> impl Iterator<Item = (f64, &str)> {
        self.ticks.iter().filter_map(|(at, name)| Some((self.at(*at)?, name.as_str())))
    }
}

fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let finite = values.filter(|value| value.is_finite());
    finite.fold(None, |ends, value| match ends {
        None => Some((value, value)),
        Some((least, most)) => Some((least.min(value), most.max(value))),
    })
}

/// Microseconds, in the unit that suits them.
pub(super) fn micros(value: f64) -> String {
    let (of, unit) = match value {
        value if value >= 1e6 => (value / 1e6, "s"),
        value if value >= 1e3 => (value / 1e3, "ms"),
        value => (value, "µs"),
    };
    format!("{} {unit}", short(of))
}

/// Short enough for the side of a chart.
pub(super) fn short(value: f64) -> String {
    let (of, unit) = match value.abs() {
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = number(of);
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(axis: &Axis) -> Vec<&str> {
        axis.ticks().map(|(_, name)| name).collect()
    }

    #[test]
    fn marks_are_round_numbers_inside_of_the_axis() {
        assert_eq!(names(&Axis::linear(950.0, short)), ["0", "500"]);
        let log = Axis::log([90.0, 45_000.0].into_iter(), micros);
        assert_eq!(names(&log), ["100 µs", "1 ms", "10 ms"]);
        assert_eq!(names(&Axis::sizes(&[1, 64, 2000])), ["1", "64", "2000"]);
    }

    #[test]
    fn what_has_no_place_is_left_out() {
        let log = Axis::log([1.0, 100.0].into_iter(), short);
        assert_eq!(log.at(0.0), None);
        assert!(log.at(1.0) < log.at(10.0) && log.at(10.0) < log.at(100.0));
        assert_eq!(Axis::log(std::iter::empty(), short).at(f64::NAN), None);
        assert!(Axis::linear(0.0, short).at(0.0).is_some());
    }
}
