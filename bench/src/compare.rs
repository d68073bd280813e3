//! `bench compare`: two records of the same question, and what became slower between them.
#![expect(clippy::print_stdout, reason = "the table is the program's output")]

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode};

use anyhow::ensure;
use serde_json::Value;

use crate::{
    report::{
        Better, Figure, Record,
        bootstrap::{self, Ratio},
        number,
    },
    stats::median,
};

/// Fewer rounds than this cannot tell a change from chance: of three and three, one pair in ten lies
/// entirely apart.
const ROUNDS_MIN: usize = 5;

/// Arguments that choose which cases are measured and how often, but not how: each case is compared with the
/// same one, and what else an argument changes is part of the case.
const CHOICES: [&str; 20] = [
    "rounds",
    "nodes",
    "tasks",
    "processes",
    "tasks_per_process",
    "section_us",
    "contestants",
    "strategies",
    "replicas",
    "buyers",
    "arrivals",
    "under_way",
    "rush",
    "sales",
    "waiting",
    "history",
    "listed",
    "waiters",
    "ttl_ms",
    "faults",
];

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Args {
    /// The record of before
    before: PathBuf,

    /// The record of after
    after: PathBuf,

    /// End with 1 when something became worse, or is gone though the same was asked for
    #[arg(long)]
    fail_on_regression: bool,

    /// The least change that counts, in percent: two runs on one machine differ by more than chance alone
    #[arg(long, default_value_t = 5.0, value_name = "PERCENT")]
    least: f64,
}

/// What became of a figure.
#[derive(Clone, Debug, PartialEq)]
enum Verdict {
    Regression(Ratio),
    Improvement(Ratio),
    NoDifference(Ratio),
    /// It counted before and does not now, for this reason.
    Void(String),
    /// It counted before and is not there, though it was asked for.
    Gone,
    /// It cannot be told, for this reason.
    NotTold(String),
}

pub(crate) fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let (before, after) = (Record::read(&args.before)?, Record::read(&args.after)?);
    ensure!(
        before.question == after.question,
        "these are of two questions: {} and {}",
        before.question,
        after.question
    );
    println!("before: {}, {}", commit(&before), before.time);
    println!("after:  {}, {}", commit(&after), after.time);
    for (what, [one, other]) in versions(&before, &after) {
        println!("note: {what} was {one} and is {other}");
    }
    let differences = differences(&before, &after);
    for (what, [one, other]) in &differences {
        println!("different configuration: {what} was {one} and is {other}");
    }
    ensure!(differences.is_empty(), "different configurations cannot be compared");
    println!("\n  {:<22}  {:<14}  before → after, figure", "ratio (95 % interval)", "verdict");
    let verdicts = verdicts(&before, &after, args.least / 100.0);
    for (verdict, figure, values) in &verdicts {
        println!("  {}  {values} {}, {}", verdict.show(), figure.unit, figure.name());
    }
    let count = |is: fn(&Verdict) -> bool| verdicts.iter().filter(|one| is(&one.0)).count();
    let worse = count(Verdict::is_worse);
    let told = verdicts.len() - count(|verdict| matches!(verdict, Verdict::NotTold(_)));
    let better = count(|verdict| matches!(verdict, Verdict::Improvement(_)));
    println!("\n{worse} worse, {better} better, of {told} figures that could be compared");
    ensure!(told > 0, "nothing could be compared");
    let fails = args.fail_on_regression && worse > 0;
    Ok(if fails { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn commit(record: &Record) -> String {
    let dirty = if record.commit.dirty { " with changes" } else { "" };
    format!("commit {}{dirty}", record.commit.id)
}

/// What makes figures those of something else, with both values.
fn differences(before: &Record, after: &Record) -> BTreeMap<String, [String; 2]> {
    let of = |record: &Record| {
        let empty = serde_json::Map::new();
        let arguments = record.configuration.as_object().unwrap_or(&empty).clone();
        let arguments = arguments.into_iter().filter(|(name, _)| !CHOICES.contains(&&**name));
        let mut all: BTreeMap<String, String> =
            arguments.map(|(name, value)| (name, text(&value))).collect();
        all.insert("the processor".to_owned(), record.machine.cpu.clone());
        all.insert("the number of cores".to_owned(), record.machine.cores.to_string());
        all
    };
    apart(&of(before), &of(after))
}

/// What may make a difference that is meant to be seen.
fn versions(before: &Record, after: &Record) -> BTreeMap<String, [String; 2]> {
    let of = |record: &Record| {
        let mut all = record.versions.clone();
        all.insert("the kernel".to_owned(), record.machine.kernel.clone());
        all.insert("memory in MiB".to_owned(), record.machine.memory_mib.to_string());
        all
    };
    apart(&of(before), &of(after))
}

fn apart(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> BTreeMap<String, [String; 2]> {
    let names = before.keys().chain(after.keys());
    let value = |of: &BTreeMap<String, String>, name| {
        of.get(name).cloned().unwrap_or_else(|| "absent".to_owned())
    };
    names
        .map(|name| (name.clone(), [value(before, name), value(after, name)]))
        .filter(|(_, [one, other])| one != other)
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Every figure of either, with its values.
fn verdicts<'a>(
    before: &'a Record,
    after: &'a Record,
    least: f64,
) -> Vec<(Verdict, &'a Figure, String)> {
    let mut verdicts = Vec::new();
    for one in &before.figures {
        let other = after.figures.iter().find(|other| other.is_of(one));
        let shown = |figure: Option<&Figure>| match figure {
            Some(figure) if !figure.counted().is_empty() => number(median(figure.counted())),
            _ => "–".to_owned(),
        };
        let verdict = match other {
            Some(other) => verdict(one, other, least),
            None if is_gone(one, before, after) => Verdict::Gone,
            None => Verdict::NotTold("only before".to_owned()),
        };
        verdicts.push((verdict, one, format!("{} → {}", shown(Some(one)), shown(other))));
    }
    let new =
        after.figures.iter().filter(|one| !before.figures.iter().any(|other| other.is_of(one)));
    verdicts.extend(
        new.map(|one| (Verdict::NotTold("only after".to_owned()), one, "– → –".to_owned())),
    );
    verdicts
}

/// Whether the same was asked for, and nothing says why this figure of before has no successor.
fn is_gone(figure: &Figure, before: &Record, after: &Record) -> bool {
    let choices = |record: &Record| {
        let mut choices = record.configuration.clone();
        choices.as_object_mut().and_then(|choices| choices.remove("rounds"));
        choices
    };
    let is_skipped = |line: &String| line.split(':').next() == Some(&*figure.contestant);
    figure.void.is_none()
        && choices(before) == choices(after)
        && !after.skipped.iter().any(is_skipped)
}

fn verdict(before: &Figure, after: &Figure, least: f64) -> Verdict {
    match (&before.void, &after.void) {
        (None, Some(why)) => return Verdict::Void(why.clone()),
        (Some(_), _) => return Verdict::NotTold("void before".to_owned()),
        (None, None) => {}
    }
    let (old, new) = (before.counted(), after.counted());
    if old.len().min(new.len()) < ROUNDS_MIN {
        let rounds = format!("too few: {}, {}", old.len(), new.len());
        return Verdict::NotTold(rounds);
    }
    let ratio = bootstrap::ratio(&old, &new);
    // What less is better of gets better where its inverse grows.
    let (worst, best, gain) = match before.better {
        Better::Higher => (ratio.least, ratio.most, ratio.ratio),
        Better::Lower => (1.0 / ratio.most, 1.0 / ratio.least, 1.0 / ratio.ratio),
    };
    if best < 1.0 && gain <= 1.0 / (1.0 + least) {
        Verdict::Regression(ratio)
    } else if worst > 1.0 && gain >= 1.0 + least {
        Verdict::Improvement(ratio)
    } else {
        Verdict::NoDifference(ratio)
    }
}

impl Verdict {
    const fn is_worse(&self) -> bool {
        matches!(self, Self::Regression(_) | Self::Void(_) | Self::Gone)
    }

    fn show(&self) -> String {
        let (ratio, what) = match self {
            Self::Regression(ratio) => (Some(ratio), "regression"),
            Self::Improvement(ratio) => (Some(ratio), "improvement"),
            Self::NoDifference(ratio) => (Some(ratio), "no difference"),
            Self::Gone => return format!("{:<22}  {:<14}", "–", "regression: gone;"),
            Self::Void(why) => return format!("{:<22}  regression: void, {why};", "–"),
            Self::NotTold(why) => return format!("{:<22}  {:<14}", "–", why),
        };
        let ratio = ratio.map_or_else(String::new, |Ratio { ratio, least, most }| {
            format!("{ratio:.3} ({least:.3}–{most:.3})")
        });
        format!("{ratio:<22}  {what:<14}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{figure, record};

    const ROUNDS: [f64; 7] = [98.0, 99.0, 100.0, 101.0, 103.0, 97.0, 100.5];

    fn told(before: &Figure, after: &Figure) -> &'static str {
        match verdict(before, after, 0.05) {
            Verdict::Regression(_) => "regression",
            Verdict::Improvement(_) => "improvement",
            Verdict::NoDifference(_) => "no difference",
            Verdict::Void(_) => "void",
            Verdict::Gone => "gone",
            Verdict::NotTold(_) => "not told",
        }
    }

    fn scaled(by: f64) -> Figure {
        figure("ours", 64, &ROUNDS.map(|value| value * by))
    }

    #[test]
    fn planted_regressions_and_improvements_are_seen_in_both_directions() {
        let cases = [
            (0.8, "regression"),
            (0.9, "regression"),
            (1.25, "improvement"),
            (1.0, "no difference"),
        ];
        for (by, expected) in cases {
            let [mut before, mut after] = [scaled(1.0), scaled(by)];
            assert_eq!(told(&before, &after), expected, "{by}");
            // Where less is better, the opposite.
            for figure in [&mut before, &mut after] {
                figure.better = Better::Lower;
            }
            let opposite = match expected {
                "regression" => "improvement",
                "improvement" => "regression",
                same => same,
            };
            assert_eq!(told(&before, &after), opposite, "{by}, less is better");
        }
    }

    #[test]
    fn a_change_within_the_spread_or_below_the_least_is_none() {
        assert_eq!(told(&scaled(1.0), &scaled(0.97)), "no difference");
        let wide = [50.0, 150.0, 100.0, 60.0, 140.0];
        let [before, after] = [wide, wide.map(|value| value * 0.9)];
        assert_eq!(told(&figure("a", 1, &before), &figure("a", 1, &after)), "no difference");
    }

    #[test]
    fn too_few_rounds_tell_nothing_and_void_ones_are_worse() {
        let few = figure("ours", 64, &[100.0, 100.0, 100.0]);
        assert_eq!(told(&few, &figure("ours", 64, &[1.0, 1.0, 1.0])), "not told");
        let mut void = figure("ours", 64, &[]);
        void.void = Some("two at once".to_owned());
        assert_eq!(told(&scaled(1.0), &void), "void");
        assert!(verdict(&scaled(1.0), &void, 0.05).is_worse());
        assert_eq!(told(&void, &scaled(1.0)), "not told");
    }

    #[test]
    fn different_configurations_are_named_with_both_values() {
        let (before, mut after) = (record(vec![scaled(1.0)]), record(vec![scaled(1.0)]));
        assert!(differences(&before, &after).is_empty());
        after.configuration = serde_json::json!({"round_ms": 50, "rounds": 9, "durable": true});
        let found = differences(&before, &after);
        let found: Vec<_> =
            found.iter().map(|(name, [one, other])| (&**name, &**one, &**other)).collect();
        assert_eq!(found, [("durable", "absent", "true"), ("round_ms", "1000", "50")]);
        after = record(vec![scaled(1.0)]);
        after.machine.cores = 64;
        assert_eq!(differences(&before, &after)["the number of cores"], ["2", "64"]);
        after.versions.insert("redis".to_owned(), "8.0".to_owned());
        assert_eq!(versions(&before, &after)["redis"], ["7.0", "8.0"]);
    }

    #[test]
    fn figures_of_one_record_only_are_named() {
        let before = record(vec![scaled(1.0)]);
        let told = |after: &Record| -> Vec<(bool, String)> {
            let verdicts = verdicts(&before, after, 0.05).into_iter();
            verdicts.map(|(verdict, ..)| (verdict.is_worse(), verdict.show())).collect()
        };
        let mut after = record(vec![figure("b", 1, &ROUNDS)]);
        let lost = told(&after);
        assert!(lost[0].0 && lost[0].1.contains("gone"), "{lost:?}");
        assert!(!lost[1].0 && lost[1].1.contains("only after"), "{lost:?}");
        // It was not there to be measured, or something else was asked for.
        after.skipped = vec!["ours: not installed".to_owned()];
        assert!(!told(&after)[0].0);
        after.skipped.clear();
        after.configuration = serde_json::json!({"round_ms": 1000, "rounds": 3, "tasks": [1]});
        let unasked = told(&after);
        assert!(!unasked[0].0 && unasked[0].1.contains("only before"), "{unasked:?}");
    }
}
