//! What is drawn of a record: percentiles of times, rounds one after the other, and curves over sizes.

use super::{
    axis::{Axis, micros, short},
    chart::{Chart, Line},
};
use crate::{
    report::{
        record::{Better, Case, Figure, Record},
        table::{contestants, in_order},
    },
    stats::{float, median},
};

/// Percentiles that stand below their chart; each as far from the next as nines are.
const PERCENTILES: [(f64, &str); 5] =
    [(0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99")];

/// Times of all contestants in each case.
pub(super) fn percentiles(record: &Record) -> Vec<Chart> {
    charts(
        record,
        |figure| !figure.histogram.is_empty(),
        |figures| {
            let lines: Vec<_> = lines(record, figures, |figure| curve(&figure.histogram));
            let ticks = PERCENTILES.map(|(part, name)| (nines(part), name.to_owned()));
            Chart {
                title: String::new(),
                below: "percentile, %".to_owned(),
                x: Axis::with(ticks.to_vec()),
                y: Axis::log(values(&lines), micros),
                value: micros,
                lines,
                has_dots: false,
            }
        },
    )
}

/// How it went on within a round.
pub(super) fn over_time(record: &Record) -> Vec<Chart> {
    charts(
        record,
        |figure| figure.over_time.len() > 1,
        |figures| {
            let of = |figure: &Figure| {
                let ends = (1_u64..).map(|step| float(step * figure.step_ms) / 1000.0);
                ends.zip(figure.over_time.iter().copied()).collect::<Vec<_>>()
            };
            let lines: Vec<_> = lines(record, figures, of);
            let most = values(&lines).fold(0.0, f64::max);
            let last = lines.iter().flat_map(|line| line.points.last()).map(|point| point.0);
            Chart {
                title: String::new(),
                below: "seconds".to_owned(),
                x: Axis::linear(last.fold(0.0, f64::max) / 1.05, short),
                y: Axis::linear(most, short),
                value: short,
                lines,
                has_dots: false,
            }
        },
    )
}

/// What each round came to, where more is better.
pub(super) fn rounds(record: &Record) -> Vec<Chart> {
    let is_rate = |figure: &Figure| figure.better == Better::Higher && figure.values.len() > 1;
    charts(record, is_rate, |figures| {
        let of = |figure: &Figure| {
            let numbered = (1_u64..).map(float).zip(&figure.values);
            numbered.filter_map(|(round, value)| Some((round, (*value)?))).collect::<Vec<_>>()
        };
        let lines: Vec<_> = lines(record, figures, of);
        let count = figures.iter().map(|figure| figure.values.len()).max().unwrap_or_default();
        let most = values(&lines).fold(0.0, f64::max);
        let numbers = (1..=count as u64).map(|round| (float(round), round.to_string()));
        Chart {
            title: String::new(),
            below: "round".to_owned(),
            x: Axis::with(numbers.collect()),
            y: Axis::linear(most, short),
            value: short,
            lines,
            has_dots: true,
        }
    })
}

/// Medians over each size that varies while the rest stays.
pub(super) fn scaling(record: &Record) -> Vec<Chart> {
    // A single value is a count over all rounds, and no measurement.
    let figures = || record.figures.iter().filter(|figure| figure.values.len() > 1);
    let names = figures().flat_map(|figure| figure.case.0.keys());
    let mut charts = Vec::new();
    for name in in_order(names) {
        let groups = figures().filter(|figure| figure.case.size(name).is_some());
        let key = |figure: &Figure| (figure.metric.clone(), figure.case.without(name));
        for (metric, rest) in in_order(groups.map(key)) {
            let of =
                |figure: &&Figure| figure.metric == metric && figure.case.without(name) == rest;
            let group: Vec<&Figure> = figures().filter(of).collect();
            charts.extend(curves(record, name, &metric, &rest, &group));
        }
    }
    charts
}

/// `None` where there is only one size.
fn curves(
    record: &Record,
    name: &str,
    metric: &str,
    rest: &Case,
    group: &[&Figure],
) -> Option<Chart> {
    let mut sizes: Vec<u64> = group.iter().filter_map(|figure| figure.case.size(name)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.len() < 2 {
        return None;
    }
    let of = |contestant: &&str| {
        let of_one = group.iter().filter(|figure| figure.contestant == *contestant);
        let mut points: Vec<_> = of_one
            .filter_map(|figure| Some((figure.case.size(name)?, figure.counted())))
            .filter(|(_, values)| !values.is_empty())
            .map(|(size, values)| (float(size), median(values)))
            .collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        points
    };
    let all = contestants(record).into_iter().enumerate();
    let lines: Vec<Line> = all
        .map(|(number, name)| Line { name: name.to_owned(), number, points: of(&name) })
        .filter(|line| !line.points.is_empty())
        .collect();
    let unit = group.first().map_or("", |figure| figure.unit.as_str());
    let value = if unit == "µs" { micros } else { short };
    Some(Chart {
        title: titled(metric, unit, rest),
        below: name.to_owned(),
        x: Axis::sizes(&sizes),
        y: Axis::log(values(&lines), value),
        value,
        lines,
        has_dots: true,
    })
}

/// A chart for each metric and case.
fn charts(
    record: &Record,
    wanted: impl Fn(&Figure) -> bool,
    chart: impl Fn(&[&Figure]) -> Chart,
) -> Vec<Chart> {
    let figures = || record.figures.iter().filter(|figure| wanted(figure));
    let keys = in_order(figures().map(|figure| (&figure.metric, &figure.unit, &figure.case)));
    let of = |(metric, unit, case): (&String, &String, &Case)| {
        let group: Vec<&Figure> =
            figures().filter(|one| one.metric == *metric && one.case == *case).collect();
        // The histogram is of all times, though it is kept with their median.
        let metric = match group.first() {
            Some(figure) if !figure.histogram.is_empty() => metric.trim_end_matches(" p50"),
            _ => metric,
        };
        Chart { title: titled(metric, unit, case), ..chart(&group) }
    };
    keys.into_iter().map(of).collect()
}

fn titled(metric: &str, unit: &str, case: &Case) -> String {
    // Times say their unit beside the axis.
    let unit = if unit == "µs" { String::new() } else { format!(", {unit}") };
    let colon = if case.0.is_empty() { "" } else { ": " };
    format!("{metric}{unit}{colon}{case}")
}

fn lines(
    record: &Record,
    figures: &[&Figure],
    points: impl Fn(&Figure) -> Vec<(f64, f64)>,
) -> Vec<Line> {
    let all = contestants(record);
    let line = |figure: &&Figure| Line {
        name: figure.contestant.clone(),
        number: all.iter().position(|name| *name == figure.contestant).unwrap_or_default(),
        points: points(figure),
    };
    figures.iter().map(line).collect()
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| line.points.iter().map(|point| point.1))
}

/// How many nines a part of all has: 1 for 0.9, 2 for 0.99.
fn nines(part: f64) -> f64 {
    -(1.0 - part).log10()
}

/// From the median on, as many nines as so many times can tell.
fn curve(histogram: &[(u64, u64)]) -> Vec<(f64, f64)> {
    let all: u64 = histogram.iter().map(|(_, count)| count).sum();
    let last = nines(PERCENTILES[PERCENTILES.len() - 1].0);
    let (mut seen, mut points): (u64, Vec<(f64, f64)>) = (0, Vec::new());
    for &(micros, count) in histogram {
        let before = float(seen) / float(all);
        seen += count;
        // The last of them all stands where one fewer would be one nine less.
        let part = (float(seen) / float(all)).min(1.0 - 0.5 / float(all));
        let (from, to) = (nines(before).max(nines(0.5)), nines(part).min(last));
        if to >= from {
            if points.is_empty() {
                points.push((from, float(micros)));
            }
            points.push((to, float(micros)));
        }
    }
    thinned(points)
}

/// Without those that stand within a hair of one before.
fn thinned(points: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    let mut kept: Vec<(f64, f64)> = Vec::new();
    for point in points {
        let is_near =
            kept.last().is_some_and(|last| point.0 - last.0 < 0.005 && point.1 / last.1 < 1.01);
        if !is_near {
            kept.push(point);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{figure, record};

    #[test]
    fn a_curve_begins_at_the_median_and_ends_where_there_are_no_more_times() {
        let curve = curve(&[(10, 400), (20, 500), (30, 99), (40, 1)]);
        assert!((curve[0].0 - nines(0.5)).abs() < 1e-9 && curve[0].1 <= 20.0, "{curve:?}");
        let at_two_nines = curve.iter().find(|point| point.0 > nines(0.98));
        assert!(at_two_nines.is_some_and(|point| point.1 >= 30.0), "{curve:?}");
        assert!(curve.iter().all(|point| point.0 <= nines(0.9996)), "{curve:?}");
    }

    #[test]
    fn curves_are_drawn_over_what_varies_only() {
        let record = record(vec![
            figure("ours", 1, &[1.0, 2.0]),
            figure("ours", 64, &[3.0, 4.0]),
            figure("rslock", 1, &[1.0, 2.0]),
        ]);
        let charts = scaling(&record);
        let titles: Vec<_> = charts.iter().map(|chart| (&*chart.title, &*chart.below)).collect();
        assert_eq!(titles, [("pairs, 1/s: nodes 3", "tasks")]);
        assert_eq!(charts[0].lines.len(), 2);
        assert_eq!(rounds(&record).len(), 2);
        assert_eq!(percentiles(&record).len(), 0);
    }
}
