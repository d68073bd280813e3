//! A run's figures in a file, and a section of a page made of such files: what is published is what was measured.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use crate::{
    figures::{Figures, Spread},
    holders,
    report::{spread, time},
    run::{Plan, Ran},
};

/// What stands around the section.
const BEGIN: &str = "<!-- nemesis: begin -->";
const END: &str = "<!-- nemesis: end -->";

/// A run on record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The command that made it.
    pub command: String,
    /// How long it took, from the first request to the last.
    pub took: Duration,
    /// How long the leases lasted.
    pub ttl: Duration,
    /// Lease nodes, replicas, and lock holders.
    pub servers: [usize; 3],
    /// Sales: strategy and capacity.
    pub sales: Vec<(String, u32)>,
    /// What cannot be and was found, and what was left behind.
    pub violations: usize,
    /// Accepted writes of the service.
    pub accepted: usize,
    /// The figures.
    pub figures: Figures,
}

impl Record {
    /// Of a run, and the command that made it.
    #[must_use]
    pub fn of(plan: &Plan, ran: &Ran, command: &str) -> Self {
        Self {
            command: command.to_owned(),
            took: ran.took,
            ttl: holders::TTL,
            servers: [plan.shape.nodes, plan.shape.replicas, plan.shape.holders],
            sales: plan.sales.clone(),
            violations: ran.violations.len() + ran.left.len(),
            accepted: ran.accepted.len(),
            figures: ran.figures.clone(),
        }
    }
}

/// The page with the section replaced by one about these runs; at its end where it has none.
///
/// # Errors
/// When the section has no end, or there is no run.
pub fn published(page: &str, runs: &[Record]) -> anyhow::Result<String> {
    ensure!(!runs.is_empty(), "no run is given");
    let section = format!("{BEGIN}\n{}{END}\n", runs.iter().map(text).collect::<String>());
    let Some((before, rest)) = page.split_once(BEGIN) else {
        let gap = if page.is_empty() || page.ends_with("\n\n") { "" } else { "\n" };
        return Ok(format!("{page}{gap}{section}"));
    };
    let (_, after) = rest.split_once(END).context("the section about runs has no end")?;
    Ok(format!("{before}{section}{}", after.strip_prefix('\n').unwrap_or(after)))
}

fn text(run: &Record) -> String {
    let Record { figures, servers: [nodes, replicas, holders], .. } = run;
    let mut text = String::new();
    writeln!(text, "## {} of random faults under load\n", time(run.took)).ok();
    writeln!(text, "```sh\n{}\n```\n", run.command).ok();
    let mut row = |name: &str, value: String| writeln!(text, "| {name} | {value} |").ok();
    row("what", "came to".to_owned());
    row("---", "---".to_owned());
    row("lease nodes, replicas, lock holders", format!("{nodes}, {replicas}, {holders}"));
    let sales = run.sales.iter().map(|(strategy, capacity)| format!("{strategy} of {capacity}"));
    row("sales", sales.collect::<Vec<_>>().join(", "));
    let answers = figures.answers.iter().map(|(what, count)| format!("{count} {what}"));
    row("requests", answers.collect::<Vec<_>>().join(", "));
    row("purchases acknowledged", figures.purchases.to_string());
    row(
        "accepted writes of the service, of lock holders",
        format!("{}, {}", run.accepted, figures.increments),
    );
    row("**violations**", format!("**{}**", run.violations));
    row("faults", figures.faults.values().sum::<usize>().to_string());
    let judged = format!("{} of {}", figures.leases_judged, figures.leases);
    row("leases judged (the others began after a node's clock jumped)", judged);
    row("stale writes blocked", figures.stale_refused.to_string());
    let next = spread(&figures.next_grant);
    row(&format!("next grant after a holder's end (leases last for {})", time(run.ttl)), next);
    text.push_str("\n| fault | times | without a yes, at the longest: median | p99 | max |\n|---|---|---|---|---|\n");
    for (kind, count) in &figures.faults {
        let Spread { median, p99, max, .. } =
            figures.silence.get(kind).copied().unwrap_or_default();
        let (median, p99, max) = (time(median), time(p99), time(max));
        writeln!(text, "| {kind} | {count} | {median} | {p99} | {max} |").ok();
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(purchases: usize) -> Record {
        let second = Duration::from_secs(1);
        let figures = Figures {
            purchases,
            faults: [("kill a node".to_owned(), 3)].into(),
            silence: [("kill a node".to_owned(), Spread::of(vec![second]))].into(),
            ..Figures::default()
        };
        Record {
            command: "nemesis --seed 7".to_owned(),
            took: 300 * second,
            ttl: second,
            servers: [3, 3, 3],
            sales: vec![("leased".to_owned(), 60)],
            violations: 0,
            accepted: 9,
            figures,
        }
    }

    #[test]
    fn a_section_is_added_once_and_replaced_afterwards() {
        let first = published("# Results\n", &[record(1_234_567)]).unwrap();
        for part in ["# Results", "1234567", "nemesis --seed 7", "| kill a node | 3 | 1.0 s"] {
            assert!(first.contains(part), "{part}: {first}");
        }
        let page = format!("{first}\n## Others\n");
        let second = published(&page, &[record(2), record(3)]).unwrap();
        assert!(!second.contains("1234567"));
        assert!(second.starts_with("# Results\n") && second.ends_with("\n## Others\n"));
        assert_eq!(published(&second, &[record(2), record(3)]).unwrap(), second);
        assert!(published(BEGIN, &[record(1)]).is_err());
        assert!(published("", &[]).is_err());
    }

    #[test]
    fn a_record_survives_its_file() {
        let text = serde_json::to_string(&record(5)).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record(5));
    }
}
