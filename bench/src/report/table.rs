//! Figures of a record side by side: a table for each metric, a row for each case, ratios first.

use super::record::{Better, Case, Figure, Record};
use crate::stats::{median, median_ratio};

/// One metric of all contestants.
pub(crate) struct Table<'a> {
    pub(crate) metric: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) better: Better,
    /// What the ratios are of: this one and each of the others.
    reference: &'a str,
    pub(crate) contestants: Vec<&'a str>,
    rows: Vec<(&'a Case, Vec<Option<&'a Figure>>)>,
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
    let metrics = in_order(record.figures.iter().map(|figure| (&figure.metric, &figure.unit)));
    metrics.into_iter().map(|(metric, unit)| Table::of(record, metric, unit)).collect()
}

impl<'a> Table<'a> {
    fn of(record: &'a Record, metric: &'a str, unit: &'a str) -> Self {
        let figures: Vec<&Figure> = record
            .figures
            .iter()
            .filter(|figure| figure.metric == metric && figure.unit == unit)
            .collect();
        let contestants = in_order(figures.iter().map(|figure| figure.contestant.as_str()));
        let cases = in_order(figures.iter().map(|figure| &figure.case));
        let row = |case: &'a Case| {
            let at = |of: &&str| {
                figures.iter().find(|one| one.contestant == **of && one.case == *case).copied()
            };
            (case, contestants.iter().map(at).collect())
        };
        let rows = cases.into_iter().map(row).collect();
        let better = figures.first().map_or(Better::Higher, |figure| figure.better);
        // Whom a question is about is told first.
        let reference = contestants.first().copied().unwrap_or_default();
        Self { metric, unit, better, reference, contestants, rows }
    }

    pub(crate) fn title(&self) -> String {
        let better = match self.better {
            Better::Higher => "more is better",
            Better::Lower => "less is better",
        };
        format!("{}, {} ({better})", self.metric, self.unit)
    }

    pub(crate) fn heads(&self) -> Vec<String> {
        let ratios = self.contestants.iter().filter(|of| **of != self.reference);
        let ratios = ratios.map(|of| format!("{} ÷ {of}", self.reference));
        let names = self.contestants.iter().map(|of| (*of).to_owned());
        ["case".to_owned()].into_iter().chain(ratios).chain(names).collect()
    }

    /// The cells of each row, as many as there are heads.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        self.rows.iter().map(|(case, figures)| self.row(case, figures)).collect()
    }

    fn row(&self, case: &Case, figures: &[Option<&Figure>]) -> Vec<String> {
        let reference = self.contestants.iter().position(|of| *of == self.reference);
        let ours = reference.and_then(|at| figures.get(at).copied().flatten());
        let others = figures.iter().enumerate().filter(|(at, _)| Some(*at) != reference);
        let ratios = others.map(|(_, other)| match (ours, other) {
            (Some(ours), Some(other)) => {
                ratio(ours, other).map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}"))
            }
            _ => "–".to_owned(),
        });
        let cells = figures.iter().map(|figure| figure.map_or_else(|| "–".to_owned(), spread));
        let case = if case.0.is_empty() { "–".to_owned() } else { case.to_string() };
        [case].into_iter().chain(ratios).chain(cells).collect()
    }
}

/// The median of the ratios of rounds side by side; `None` if there is nothing to divide.
pub(crate) fn ratio(ours: &Figure, other: &Figure) -> Option<f64> {
    let both = !ours.values.is_empty() && ours.values.len() == other.values.len();
    Some(median_ratio(&ours.values, &other.values)).filter(|ratio| both && ratio.is_finite())
}

/// The median, and the least and the most if there is more than one.
fn spread(figure: &Figure) -> String {
    if figure.void.is_some() {
        return "void".to_owned();
    }
    let values = &figure.values;
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

/// With about three digits that mean something, and never an exponent.
pub(crate) fn number(value: f64) -> String {
    match value.abs() {
        size if !(1e-9..100.0).contains(&size) => format!("{value:.0}"),
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
        assert_eq!(tables.len(), 1);
        assert_eq!(tables[0].heads(), ["case", "ours ÷ rslock", "ours", "rslock"]);
        let rows = tables[0].rows();
        assert_eq!(rows[0][1..], ["2.00", "30.0 (10.0–40.0)", "10.0 (5.00–20.0)"]);
        assert_eq!(rows[1][1..], ["–", "100", "–"]);
    }

    #[test]
    fn void_figures_show_no_number() {
        let mut figure = figure("ours", 1, &[]);
        figure.void = Some("two at once".to_owned());
        assert_eq!(spread(&figure), "void");
    }
}
