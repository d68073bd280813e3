//! Figures of a record side by side: a table for each kind of case, a row for each contestant in each case,
//! ratios first.

use super::record::{Better, Case, Figure, Record, Setting};
use crate::stats::median;

/// All figures of one kind of case: those that name the same sizes, and have the same names for the rest.
pub(crate) struct Table<'a> {
    /// What all its rows have in common.
    pub(crate) common: Case,
    /// The names of what differs between them.
    sizes: Vec<&'a str>,
    /// What the ratios are of: this one and each of the others.
    reference: &'a str,
    metrics: Vec<Metric<'a>>,
    rows: Vec<Row<'a>>,
}

/// One column.
struct Metric<'a> {
    name: &'a str,
    unit: &'a str,
    better: Better,
    /// Whether microseconds are too small a unit for it.
    is_long: bool,
}

/// Medians above this many microseconds are told in milliseconds, with all of their column.
const LONG_US: f64 = 10_000.0;

/// One contestant in one case.
struct Row<'a> {
    case: &'a Case,
    contestant: &'a str,
    figures: Vec<Option<&'a Figure>>,
    /// Of the first column: the reference's to this one's.
    ratio: Option<f64>,
}

/// The contestants of a record, in the order they were told.
pub(crate) fn contestants(record: &Record) -> Vec<&str> {
    in_order(record.figures.iter().map(|figure| figure.contestant.as_str()))
}

pub(crate) fn in_order<T: PartialEq>(all: impl Iterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for one in all {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    seen
}

/// All tables of a record.
pub(crate) fn tables(record: &Record) -> Vec<Table<'_>> {
    let kinds = in_order(record.figures.iter().map(|figure| kind(&figure.case)));
    kinds.iter().map(|wanted| Table::of(record, wanted)).collect()
}

/// What cases that belong into one table have in common.
fn kind(case: &Case) -> Vec<(&str, Option<&str>)> {
    let setting = |setting| match setting {
        &Setting::Size(_) => None,
        Setting::Name(name) => Some(name.as_str()),
    };
    case.0.iter().map(|(name, of)| (name.as_str(), setting(of))).collect()
}

impl<'a> Table<'a> {
    fn of(record: &'a Record, wanted: &[(&str, Option<&str>)]) -> Self {
        let figures = || record.figures.iter().filter(|figure| kind(&figure.case) == wanted);
        let metrics = in_order(figures().map(|one| (one.metric.as_str(), one.unit.as_str())));
        let is_long = |name: &str| {
            let mut medians =
                figures().filter(|one| one.metric == name).map(Figure::counted).map(median);
            medians.any(|median| median > LONG_US)
        };
        let metrics = metrics.into_iter().map(|(name, unit)| Metric {
            name,
            unit,
            is_long: unit == "µs" && is_long(name),
            better: figures()
                .find(|one| one.metric == name)
                .map_or(Better::Lower, |one| one.better),
        });
        let metrics: Vec<_> = metrics.collect();
        let cases = in_order(figures().map(|figure| &figure.case));
        let contestants = in_order(figures().map(|figure| figure.contestant.as_str()));
        let (common, sizes) = apart(&cases);
        // Whom a question is about is told first.
        let reference = contestants.first().copied().unwrap_or_default();
        let mut rows = Vec::new();
        for &case in &cases {
            let of = |contestant: &str, metric: &Metric<'_>| {
                figures().find(|one| {
                    one.contestant == contestant
                        && one.case == *case
                        && (one.metric.as_str(), one.unit.as_str()) == (metric.name, metric.unit)
                })
            };
            for &contestant in &contestants {
                let figures: Vec<_> = metrics.iter().map(|metric| of(contestant, metric)).collect();
                let both = metrics.first().and_then(|first| of(reference, first).zip(figures[0]));
                let ratio = both.filter(|_| contestant != reference);
                let ratio = ratio.and_then(|(ours, other)| ratio_of(ours, other));
                if figures.iter().any(Option::is_some) {
                    rows.push(Row { case, contestant, figures, ratio });
                }
            }
        }
        Self { common, sizes, reference, metrics, rows }
    }

    fn has_ratios(&self) -> bool {
        self.rows.iter().any(|row| row.ratio.is_some())
    }

    pub(crate) fn title(&self) -> String {
        let by = match self.sizes.join(", ") {
            sizes if sizes.is_empty() => String::new(),
            sizes => format!("by {sizes}"),
        };
        let common = self.common.to_string();
        let comma = if by.is_empty() || common.is_empty() { "" } else { ", " };
        format!("{common}{comma}{by}")
    }

    /// What stands over the columns, those of the sizes and the contestant first.
    pub(crate) fn heads(&self) -> Vec<String> {
        let ratio = self.has_ratios().then(|| format!("{} ÷ it", self.reference));
        let metrics = self.metrics.iter().map(|metric| {
            let better = match metric.better {
                Better::Higher => '↑',
                Better::Lower => '↓',
            };
            match metric.unit() {
                // What is counted is in the name.
                "" => format!("{} {better}", metric.name),
                unit => format!("{}, {unit} {better}", metric.name),
            }
        });
        let sizes = self.sizes.iter().map(|name| (*name).to_owned());
        sizes.chain(["who".to_owned()]).chain(ratio).chain(metrics).collect()
    }

    /// The cells of each row, as many as there are heads.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let has_ratios = self.has_ratios();
        let cells = |row: &Row<'_>| {
            let sizes = self.sizes.iter().map(|name| {
                row.case.size(name).map_or_else(|| "–".to_owned(), |size| size.to_string())
            });
            let ratio = row.ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"));
            let ratio = has_ratios.then_some(ratio);
            let figures = row.figures.iter().zip(&self.metrics);
            let figures = figures.map(|(figure, metric)| {
                figure.map_or_else(|| "–".to_owned(), |figure| metric.cell(figure))
            });
            sizes.chain([row.contestant.to_owned()]).chain(ratio).chain(figures).collect()
        };
        self.rows.iter().map(cells).collect()
    }

    /// How many of the first cells say what a row is of.
    pub(crate) fn leading(&self) -> usize {
        self.sizes.len() + 1
    }
}

/// What is the same in all cases, and the names of the sizes that are not.
fn apart<'a>(cases: &[&'a Case]) -> (Case, Vec<&'a str>) {
    let (mut common, mut sizes) = (Case::default(), Vec::new());
    for (name, setting) in cases.first().into_iter().flat_map(|case| &case.0) {
        if cases.iter().all(|case| case.0.get(name) == Some(setting)) {
            common.0.insert(name.clone(), setting.clone());
        } else {
            sizes.push(name.as_str());
        }
    }
    (common, sizes)
}

/// Of rounds side by side, those in which both had a value.
pub(crate) fn ratios(ours: &Figure, other: &Figure) -> Vec<f64> {
    if ours.values.len() != other.values.len() {
        return Vec::new();
    }
    let both = ours.values.iter().zip(&other.values).filter_map(|(ours, other)| ours.zip(*other));
    both.map(|(ours, other)| ours / other).filter(|ratio| ratio.is_finite()).collect()
}

/// The median of the ratios of rounds side by side; `None` if there is nothing to divide.
pub(crate) fn ratio_of(ours: &Figure, other: &Figure) -> Option<f64> {
    let ratios = ratios(ours, other);
    (!ratios.is_empty()).then(|| median(ratios))
}

/// The median, and the least and the most if there is more than one.
pub(crate) fn span(values: &[f64]) -> String {
    let least = values.iter().copied().fold(f64::INFINITY, f64::min);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match values.len() {
        0 => "–".to_owned(),
        1 => number(least),
        _ => {
            let middle = number(median(values.iter().copied()));
            format!("{middle} ({}–{})", number(least), number(most))
        }
    }
}

impl Metric<'_> {
    fn unit(&self) -> &str {
        match self.unit {
            "calls" | "answers" | "buyers" | "connections" => "",
            _ if self.is_long => "ms",
            unit => unit,
        }
    }

    fn cell(&self, figure: &Figure) -> String {
        if figure.void.is_some() {
            return "void".to_owned();
        }
        let by = if self.is_long { 1000.0 } else { 1.0 };
        let values: Vec<f64> = figure.counted().into_iter().map(|value| value / by).collect();
        span(&values)
    }
}

/// With about three digits that mean something, and never an exponent.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if size < 1e-9 => "0".to_owned(),
        size if !(..100.0).contains(&size) => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        size if size >= 0.1 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{figure, record};

    #[test]
    fn ratios_are_of_rounds_side_by_side_and_stand_first() {
        let record = record(vec![
            figure("ours", 1, &[10.0, 40.0, 30.0]),
            figure("rslock", 1, &[5.0, 20.0, 10.0]),
            figure("ours", 64, &[100.0]),
        ]);
        let tables = tables(&record);
        assert_eq!((tables.len(), tables[0].title()), (1, "nodes 3, by tasks".to_owned()));
        assert_eq!(tables[0].heads(), ["tasks", "who", "ours ÷ it", "pairs, 1/s ↑"]);
        let rows = tables[0].rows();
        assert_eq!(rows[0], ["1", "ours", "–", "30.0 (10.0–40.0)"]);
        assert_eq!(rows[1], ["1", "rslock", "2.00", "10.0 (5.00–20.0)"]);
        assert_eq!(rows[2], ["64", "ours", "–", "100"]);
    }

    #[test]
    fn another_kind_of_case_is_another_table() {
        let mut other = figure("ours", 1, &[1.0]);
        other.case = Case::default().with("load", "rush").with("nodes", 3_u64);
        let record = record(vec![figure("ours", 1, &[2.0]), other]);
        let titles: Vec<_> = tables(&record).iter().map(Table::title).collect();
        assert_eq!(titles, ["nodes 3, tasks 1", "load rush, nodes 3"]);
    }

    #[test]
    fn rounds_stay_side_by_side_where_one_had_nothing_to_tell() {
        let mut ours = figure("ours", 1, &[10.0, 40.0, 30.0]);
        let mut other = figure("b", 1, &[5.0, 20.0, 60.0]);
        let is = |ours: &Figure, other: &Figure, expected: &[f64]| {
            assert_eq!(format!("{:?}", ratios(ours, other)), format!("{expected:?}"));
        };
        is(&ours, &other, &[2.0, 2.0, 0.5]);
        ours.values[0] = None;
        is(&ours, &other, &[2.0, 0.5]);
        other.values = vec![None; 3];
        is(&ours, &other, &[]);
        assert_eq!(ratio_of(&ours, &other), None);
    }

    #[test]
    fn void_figures_show_no_number_and_long_times_are_told_in_milliseconds() {
        let mut void = figure("ours", 1, &[]);
        void.void = Some("two at once".to_owned());
        let [mut short, mut long] = [figure("a", 1, &[100.0]), figure("b", 1, &[20_000.0])];
        for figure in [&mut void, &mut short, &mut long] {
            figure.unit = "µs".to_owned();
        }
        let record = record(vec![void, short, long]);
        let table = &tables(&record)[0];
        assert_eq!(table.heads(), ["who", "pairs, ms ↑"]);
        let last: Vec<_> = table.rows().into_iter().filter_map(|row| row.last().cloned()).collect();
        assert_eq!(last, ["void", "0.10", "20.0"]);
    }
}
