//! `bench results`: `RESULTS.md`, written from records and never by hand.
#![expect(clippy::print_stdout, reason = "the targets are the program's output")]

mod goals;
mod target;

use std::{fmt::Write as _, fs, path::PathBuf};

use anyhow::Context as _;

use self::target::{Target, Told};
use crate::report::{Record, Table, facts, tables};

/// Where it is written, in this package.
const FILE: &str = "RESULTS.md";

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Records, in the order of their sections; of each question its last one is held against the targets
    #[arg(required = true)]
    records: Vec<PathBuf>,

    /// Where to write it instead of bench/RESULTS.md
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let records = args.records.iter().map(|path| Record::read(path));
    let records = records.collect::<anyhow::Result<Vec<_>>>()?;
    let names: Vec<_> = args.records.iter().filter_map(|path| path.file_name()).collect();
    let names: Vec<_> = names.iter().map(|name| name.to_string_lossy().into_owned()).collect();
    for (target, told) in judged(&records) {
        println!("{:<12} {}: {}", told.verdict().replace('*', ""), target.text, told.figure());
    }
    let default = || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let to = args.to.clone().unwrap_or_else(default);
    fs::write(&to, text(&records, &names)).with_context(|| format!("cannot write {}", to.display()))
}

/// Each target, told by the last record of its question that can.
fn judged(records: &[Record]) -> Vec<(&'static Target, Told)> {
    let told = |target: &Target| {
        let told = records.iter().rev().map(|record| target.judge(record));
        told.into_iter().find(|told| *told != Told::NotMeasured).unwrap_or(Told::NotMeasured)
    };
    goals::TARGETS.iter().map(|target| (target, told(target))).collect()
}

fn text(records: &[Record], names: &[String]) -> String {
    let mut text = String::new();
    let all = names.join(" ");
    let lines = [
        format!("<!-- Written by `cargo run --release -p leasehold-bench -- results {all}`: not by hand. -->"),
        "# Results".to_owned(),
        "Read the ratios: absolute figures are those of one machine. Medians of interleaved rounds, least and \
         most in brackets; ratios are medians of rounds side by side. A figure whose run did not prove its own \
         result is `void`."
            .to_owned(),
        "## Targets".to_owned(),
    ];
    writeln!(text, "{}\n", lines.join("\n\n")).ok();
    let rows = judged(records).into_iter().map(|(target, told)| {
        vec![target.text.to_owned(), told.figure(), told.verdict().to_owned()]
    });
    let heads = ["target", "figure", "is"].map(str::to_owned);
    markdown(&mut text, &heads, &rows.collect::<Vec<_>>());
    for record in records {
        section(&mut text, record);
    }
    text
}

fn section(text: &mut String, record: &Record) {
    writeln!(text, "\n## `bench {}`\n\n```sh\n{}\n```\n", record.question, record.command()).ok();
    for (name, value) in facts(record) {
        writeln!(text, "- {name}: {value}").ok();
    }
    for table in tables(record) {
        write_table(text, &table);
    }
}

fn write_table(text: &mut String, table: &Table<'_>) {
    writeln!(text, "\n### {}\n", table.title()).ok();
    markdown(text, &table.heads(), &table.rows());
}

fn markdown(text: &mut String, heads: &[String], rows: &[Vec<String>]) {
    let line = |cells: &[String]| {
        let cells = cells.iter().map(|cell| cell.replace('|', "\\|"));
        format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
    };
    let rule = vec!["---".to_owned(); heads.len()];
    for cells in [heads, &rule].into_iter().chain(rows.iter().map(Vec::as_slice)) {
        writeln!(text, "{}", line(cells)).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{figure, record};

    #[test]
    fn it_says_what_wrote_it_and_what_measured_it_and_judges() {
        let record = record(vec![
            figure("ours", 64, &[99.0, 100.0, 101.0]),
            figure("rslock", 64, &[50.0, 50.0, 50.0]),
        ]);
        let text = text(&[record], &["a.json".to_owned()]);
        let first = text.lines().next().unwrap_or_default();
        assert!(
            first.contains("bench -- results a.json") && first.contains("not by hand"),
            "{first}"
        );
        assert!(text.contains("cargo run --release -p leasehold-bench -- lease\n"), "{text}");
        let row = "| nodes 3, tasks 64 | 2.00 | 100 (99.0–101) | 50.0 (50.0–50.0) |";
        assert!(text.contains(row), "{text}");
        let met = text.lines().filter(|line| line.ends_with("| met |")).count();
        assert_eq!(met, 1, "{text}");
    }
}
