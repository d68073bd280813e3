//! `bench results`: `RESULTS.md`, written from records and never by hand.
#![expect(clippy::print_stdout, reason = "the targets are the program's output")]

mod answer;
mod goals;
mod target;
mod words;

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use self::{
    answer::ANSWERS,
    target::{Target, Told},
};
use crate::report::{Record, Table, contestants, facts, tables};

/// Where it is written, in this package.
const FILE: &str = "RESULTS.md";

const PREFACE: &[&str] = &[
    "# Results",
    "What `bench/` measured, each contestant beside the others: on the same servers, in interleaved rounds. \
     **Read the ratios**: absolute figures are those of one machine, on which clients, servers and load share the \
     cores. Figures are medians of rounds, least and most in brackets; ratios are medians of those of rounds side \
     by side. A figure whose run did not prove its own result (nobody granted what another held, sold = written = \
     acknowledged) is `void`.",
    "All of it again, with records and pages with plots in `target/bench`:",
    "```sh\ncargo run --release -p leasehold-bench -- all\n```",
];

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// Records, in the order of their sections; of each question the last one that can is held against a target
    #[arg(required = true)]
    records: Vec<PathBuf>,

    /// Where to write it instead of bench/RESULTS.md
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    write(&args.records, args.to.as_deref())
}

/// Prints what became of the targets, and writes all of it.
pub(crate) fn write(records: &[PathBuf], to: Option<&Path>) -> anyhow::Result<()> {
    let stem = |path: &PathBuf| path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let names: Vec<String> = records.iter().map(stem).collect();
    let records = records.iter().map(|path| Record::read(path));
    let records = records.collect::<anyhow::Result<Vec<_>>>()?;
    for (target, told) in judged(&records) {
        let (verdict, question) = (told.verdict().replace('*', ""), target.question);
        println!("{verdict:<12} {question}: {}: {}", target.text, told.figure());
    }
    let to = to.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE), Path::to_owned);
    fs::write(&to, text(&records, &names))
        .with_context(|| format!("cannot write {}", to.display()))?;
    println!("\nwritten: {}", to.display());
    Ok(())
}

/// Each target, told by the last record of its question that can.
fn judged(records: &[Record]) -> Vec<(&'static Target, Told)> {
    let told = |target: &Target| {
        let told = records.iter().rev().map(|record| target.judge(record));
        told.into_iter().find(|told| *told != Told::NotMeasured).unwrap_or(Told::NotMeasured)
    };
    goals::TARGETS.iter().map(|target| (target, told(target))).collect()
}

/// `names` tell records of one question from each other.
fn text(records: &[Record], names: &[String]) -> String {
    let mut text =
        "<!-- Written by `cargo run --release -p leasehold-bench -- all`: not by hand. -->\n\n"
            .to_owned();
    writeln!(text, "{}", PREFACE.join("\n\n")).ok();
    measured_on(&mut text, records);
    targets(&mut text, records);
    answers(&mut text, records);
    for (record, name) in records.iter().zip(names) {
        section(&mut text, record, name, records);
    }
    text
}

/// What is the same in all records.
fn common(records: &[Record]) -> Vec<(String, String)> {
    let all: Vec<_> = records.iter().map(facts).collect();
    let first = all.first().cloned().unwrap_or_default();
    let is_everywhere = |fact: &(String, String)| all.iter().all(|facts| facts.contains(fact));
    // A server of one question only is no contradiction.
    let versions = records.iter().flat_map(|record| &record.versions);
    let mut common: Vec<_> = first.into_iter().filter(is_everywhere).collect();
    for (name, version) in versions {
        let is_one = records
            .iter()
            .all(|record| record.versions.get(name).is_none_or(|other| other == version));
        let fact = (name.clone(), version.clone());
        if is_one && !common.contains(&fact) {
            common.push(fact);
        }
    }
    common
}

fn measured_on(text: &mut String, records: &[Record]) {
    writeln!(text, "\n## Measured on\n").ok();
    for (name, value) in common(records) {
        writeln!(text, "- {name}: {value}").ok();
    }
}

fn targets(text: &mut String, records: &[Record]) {
    let judged = judged(records);
    let count = |is: fn(&Told) -> bool| judged.iter().filter(|(_, told)| is(told)).count();
    let met = count(|told| matches!(told, Told::Met(_)));
    let unknown = count(|told| *told == Told::NotMeasured);
    let not_measured =
        if unknown > 0 { format!("; {unknown} not measured") } else { String::new() };
    writeln!(
        text,
        "\n## Targets\n\nSet before anything was measured. {met} of {} are met{not_measured}. Where a target names \
         no nodes or tasks, the worst case counts, and is named. [LIMITS.md](LIMITS.md) says why what is not met is \
         not.\n",
        judged.len()
    )
    .ok();
    let rows = judged.into_iter().map(|(target, told)| {
        let question = target.question.to_owned();
        vec![question, target.text.to_owned(), told.figure(), told.verdict().to_owned()]
    });
    let heads = ["question", "target", "figure", "is"].map(str::to_owned);
    markdown(text, &heads, &rows.collect::<Vec<_>>());
}

fn answers(text: &mut String, records: &[Record]) {
    let told = ANSWERS.iter().filter_map(|answer| {
        let told = records.iter().rev().find_map(|record| answer.of(record))?;
        Some(vec![answer.question.to_owned(), answer.text.to_owned(), told])
    });
    let rows: Vec<_> = told.collect();
    if rows.is_empty() {
        return;
    }
    writeln!(text, "\n## Questions without a target\n").ok();
    markdown(text, &["question", "asked", "answer"].map(str::to_owned), &rows);
}

fn section(text: &mut String, record: &Record, name: &str, all: &[Record]) {
    let (about, command) = (words::about(&record.question), record.command());
    let is_same = |other: &&Record| other.question == record.question;
    let title = match all.iter().filter(is_same).count() {
        1 => format!("`bench {}`", record.question),
        _ => format!("`bench {}`: {name}", record.question),
    };
    writeln!(text, "\n## {title}\n\n{about}\n\n```sh\n{command}\n```\n").ok();
    let common = common(all);
    for (name, value) in facts(record).into_iter().filter(|fact| !common.contains(fact)) {
        writeln!(text, "- {name}: {value}").ok();
    }
    let names = contestants(record);
    for (who, about) in words::WHO.iter().filter(|(who, _)| names.contains(who)) {
        writeln!(text, "- **{who}**: {about}").ok();
    }
    let is_there = |what: &str| record.figures.iter().any(|figure| figure.metric == what);
    for (what, about) in words::WHAT.iter().filter(|(what, _)| is_there(what)) {
        writeln!(text, "- *{what}*: {about}").ok();
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
        let lease = record(vec![
            figure("ours", 64, &[99.0, 100.0, 101.0]),
            figure("rslock", 64, &[50.0, 50.0, 50.0]),
        ]);
        let mut contend = record(vec![figure("ours", 64, &[1.0])]);
        contend.question = "contend".to_owned();
        contend.versions.insert("etcd".to_owned(), "3.4".to_owned());
        contend.skipped = vec!["redlock: no npm".to_owned()];
        let text = text(&[lease, contend], &["lease", "contend"].map(str::to_owned));
        let first = text.lines().next().unwrap_or_default();
        assert!(first.contains("bench -- all") && first.contains("not by hand"), "{first}");
        for part in [
            "cargo run --release -p leasehold-bench -- lease\n",
            "\n| rslock | 2.00 | 50.0 (50.0–50.0) |\n",
            "- **rslock**: the Rust crate",
            "- skipped: redlock: no npm",
            "- etcd: 3.4",
            "1 of ",
        ] {
            assert!(text.contains(part), "no {part} in {text}");
        }
        assert_eq!(text.matches("c0ffee").count(), 1, "{text}");
        assert_eq!(text.lines().filter(|line| line.ends_with("| met |")).count(), 1, "{text}");
    }
}
