//! Runs configurations and prints a table.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

use std::{process::ExitCode, time::Duration};

use leasehold_protocol::{
    catalogue,
    config::Config,
    mistakes,
    run::{self, Found, Limit},
};

const USAGE: &str =
    "usage: leasehold-protocol (small | exhaustive | mistakes) [--seconds N] [name…]";

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let Some(seconds) = take_seconds(&mut words) else { return usage() };
    let limit = Limit { time: Duration::from_secs(seconds), threads: 2 };
    let Some((what, names)) = words.split_first() else { return usage() };
    println!("| configuration | result | unique states | depth | seconds |");
    println!("| --- | --- | --- | --- | --- |");
    let as_meant = match what.as_str() {
        "small" => all_hold(&wanted(catalogue::small(), names), limit),
        "exhaustive" => all_hold(&wanted(catalogue::large(), names), limit),
        "mistakes" => all_are_caught(names, limit),
        _ => return usage(),
    };
    if as_meant { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    println!("{USAGE}");
    ExitCode::FAILURE
}

/// How long one configuration may take; ten minutes unless told.
fn take_seconds(words: &mut Vec<String>) -> Option<u64> {
    let Some(at) = words.iter().position(|word| word == "--seconds") else { return Some(600) };
    let seconds = words.get(at + 1)?.parse().ok()?;
    words.drain(at..at + 2);
    Some(seconds)
}

fn wanted(configs: Vec<Config>, names: &[String]) -> Vec<Config> {
    let is_wanted = |config: &Config| names.is_empty() || names.iter().any(|n| n == config.name);
    configs.into_iter().filter(is_wanted).collect()
}

fn all_hold(configs: &[Config], limit: Limit) -> bool {
    let mut all = true;
    for config in configs {
        let found = run::check(config, limit);
        let result = match (found.violated.first(), found.unreached.first()) {
            (Some((invariant, _)), _) => format!("**violated {invariant}**"),
            (None, Some(event)) => format!("never: {event}"),
            (None, None) if found.exhaustive => "holds, exhaustive".to_owned(),
            (None, None) => "none found, not exhaustive".to_owned(),
        };
        print(config.name, &result, &found);
        for (invariant, actions) in &found.violated {
            println!("\n{invariant}: {actions:#?}");
        }
        all &= found.holds();
    }
    all
}

fn all_are_caught(names: &[String], limit: Limit) -> bool {
    let mut all = true;
    for mistake in mistakes::mistakes() {
        let name = mistake.config.name;
        if !names.is_empty() && !names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let found = run::catch(&mistake.config, limit, mistake.violates);
        let violated: Vec<_> = found.violated.iter().map(|(invariant, _)| *invariant).collect();
        print(name, &format!("violated {}", violated.join(", ")), &found);
        for (invariant, actions) in found.violated.iter().filter(|_| !names.is_empty()) {
            println!("{invariant}: {actions:?}");
        }
        all &= mistake.violates.iter().all(|invariant| violated.contains(invariant));
    }
    all
}

fn print(name: &str, result: &str, found: &Found) {
    let Found { states, depth, took, .. } = found;
    println!("| {name} | {result} | {states} | {depth} | {:.1} |", took.as_secs_f64());
}
