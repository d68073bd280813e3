//! What questions tell beside their tables: figures, from which come records, pages, comparisons.

pub(crate) mod bootstrap;
mod machine;
mod page;
mod record;
#[cfg(test)]
pub(crate) mod samples;
mod table;

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use anyhow::Context as _;
use leasehold_stack::Stack;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(crate) use self::{
    page::facts,
    record::{Better, Case, Figure, Record},
    table::{Table, contestants, number, ratios, span, tables},
};
use crate::stats::Times;

/// Where results go beside the terminal.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Outputs {
    /// Also write what was measured to this file, for `compare` and `results`
    #[arg(long, global = true, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Also write a page that needs nothing else to this file
    #[arg(long, global = true, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// What one run of a question has told so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    versions: BTreeMap<String, String>,
    skipped: Vec<String>,
    figures: Vec<Figure>,
}

/// The figures of one contestant in one case, to be added to.
pub(crate) struct Entry<'a> {
    figures: &'a mut Vec<Figure>,
    contestant: String,
    case: Case,
    void: Option<String>,
}

impl Report {
    /// Notes which servers answer.
    pub(crate) async fn on(&mut self, stack: &Stack) -> anyhow::Result<()> {
        self.versions.extend(machine::servers(stack).await?);
        Ok(())
    }

    /// Notes the version of something else.
    pub(crate) fn with(&mut self, what: &str, version: &str) {
        self.versions.insert(what.to_owned(), version.to_owned());
    }

    /// Says what could not be measured, and why, once.
    #[expect(clippy::print_stdout, reason = "whoever reads the table is to know what is not in it")]
    pub(crate) fn skip(&mut self, what: &str, why: impl fmt::Display) {
        let line = format!("{what}: {why}");
        if !self.skipped.contains(&line) {
            println!("skipped: {line}");
            self.skipped.push(line);
        }
    }

    /// What follows is of this contestant in this case.
    pub(crate) fn of(&mut self, contestant: &str, case: Case) -> Entry<'_> {
        let contestant = contestant.to_owned();
        Entry { figures: &mut self.figures, contestant, case, void: None }
    }

    /// Writes what was asked for.
    pub(crate) fn finish(
        mut self,
        question: &str,
        configuration: Value,
        outputs: &Outputs,
    ) -> anyhow::Result<()> {
        self.versions.extend([machine::compiler()]);
        let record = Record {
            format: record::FORMAT,
            question: question.to_owned(),
            time: OffsetDateTime::now_utc().replace_nanosecond(0)?.format(&Rfc3339)?,
            commit: machine::commit(),
            machine: machine::machine(),
            versions: self.versions,
            arguments: without_outputs(std::env::args().skip(1)),
            configuration,
            skipped: self.skipped,
            figures: self.figures,
        };
        if let Some(path) = &outputs.json {
            record.write(path)?;
        }
        if let Some(path) = &outputs.html {
            std::fs::write(path, page::page(&record))
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

impl Entry<'_> {
    /// The rest of this entry does not count, for a reason.
    pub(crate) fn void_if(mut self, is_void: bool, reason: impl Into<String>) -> Self {
        if is_void {
            self.void = Some(reason.into());
        }
        self
    }

    /// A value of each round, or one for all: more is better.
    pub(crate) fn higher(self, metric: &str, unit: &str, values: Vec<f64>) -> Self {
        self.add(metric, unit, Better::Higher, values, Vec::new())
    }

    /// A value of each round, or one for all: less is better.
    pub(crate) fn lower(self, metric: &str, unit: &str, values: Vec<f64>) -> Self {
        self.add(metric, unit, Better::Lower, values, Vec::new())
    }

    /// How the figure before went on within a round, a value for each step of time.
    pub(crate) fn over_time(self, step: Duration, values: Vec<f64>) -> Self {
        let counts = self.void.is_none();
        if let Some(figure) = self.figures.last_mut().filter(|_| counts) {
            figure.step_ms = u64::try_from(step.as_millis()).unwrap_or_default();
            figure.over_time = values;
        }
        self
    }

    /// Median and 99th percentile of each round, and all times of all rounds.
    pub(crate) fn times(self, what: &str, times: &Times) -> Self {
        let [p50, p99] = times.of_rounds();
        self.add(&format!("{what} p50"), "µs", Better::Lower, p50, times.counts()).lower(
            &format!("{what} p99"),
            "µs",
            p99,
        )
    }

    fn add(
        self,
        metric: &str,
        unit: &str,
        better: Better,
        values: Vec<f64>,
        histogram: Vec<(u64, u64)>,
    ) -> Self {
        let (contestant, case) = (self.contestant.clone(), self.case.clone());
        let (metric, unit, void) = (metric.to_owned(), unit.to_owned(), self.void.clone());
        // Neither what does not count nor what was not measured (zero by zero) is a value.
        let counts = void.is_none();
        let values = values.into_iter().map(|value| value.is_finite().then_some(value));
        let values = if counts { values.collect() } else { Vec::new() };
        let histogram = if counts { histogram } else { Vec::new() };
        self.figures.push(Figure {
            contestant,
            case,
            metric,
            unit,
            better,
            values,
            void,
            histogram,
            step_ms: 0,
            over_time: Vec::new(),
        });
        self
    }
}

/// The arguments but for `--json` and `--html`, which say nothing about what was measured.
fn without_outputs(arguments: impl Iterator<Item = String>) -> Vec<String> {
    let (mut kept, mut arguments) = (Vec::new(), arguments);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--json" | "--html" => drop(arguments.next()),
            one if one.starts_with("--json=") || one.starts_with("--html=") => {}
            _ => kept.push(argument),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Times;

    #[test]
    fn where_results_go_is_not_part_of_the_command() {
        let given = ["lease", "--json", "a.json", "--rounds", "2", "--html=a.html"];
        let kept = without_outputs(given.into_iter().map(str::to_owned));
        assert_eq!(kept, ["lease", "--rounds", "2"]);
    }

    #[test]
    fn what_does_not_count_has_no_values() {
        let mut report = Report::default();
        let case = Case::default().with("nodes", 3_u64);
        let _entry = report.of("ours", case).higher("pairs", "1/s", vec![1.0, f64::NAN]);
        let _entry = report.of("x", Case::default()).void_if(true, "two at once").lower(
            "l",
            "µs",
            vec![1.0],
        );
        assert_eq!(report.figures[0].values, [Some(1.0), None]);
        assert_eq!(report.figures[0].name(), "ours, pairs, nodes 3");
        assert_eq!(report.figures[1].values.len(), 0);
        assert_eq!(report.figures[1].void.as_deref(), Some("two at once"));
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let mut times = Times::new().unwrap();
        times.record_n(250, 3);
        times.end_round().unwrap();
        let mut report = Report::default();
        let case = Case::default().with("nodes", 3_u64).with("load", "closed");
        let _entry = report.of("ours", case).times("pair", &times);
        let folder = std::env::temp_dir().join(format!("bench-record-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let outputs = Outputs { json: Some(folder.join("a.json")), html: None };
        report.finish("lease", serde_json::json!({"rounds": 2}), &outputs).unwrap();
        let read = Record::read(&folder.join("a.json")).unwrap();
        assert_eq!(read.figures[0].histogram, [(250, 3)]);
        assert_eq!(read.figures[0].case.size("nodes"), Some(3));
        read.write(&folder.join("b.json")).unwrap();
        assert_eq!(Record::read(&folder.join("b.json")).unwrap(), read);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
