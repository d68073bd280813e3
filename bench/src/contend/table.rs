//! All rounds of one contestant, and the row they make.

use std::time::Duration;

use super::{contestant::Kind, round::Outcome};
use crate::{
    commands::Calls,
    report::{Case, Report},
    stats::{Times, float, median, median_ratio},
};

pub(super) const HEADS: [&str; 2] = [
    "nodes  clients    contestant      ours  hand-offs  idle   per task             wait ms  calls per acquisition  over-",
    "                                  ÷ it   a second         min–max         p50/p99/max   sent + in scripts      laps",
];

/// Hand-offs a second of rounds, in order; nothing when two were in the section at once, for then
/// it was no hand-off.
pub(super) struct Measured {
    kind: Kind,
    span: Duration,
    rounds: Vec<Outcome>,
    waits: Times,
    pub(super) calls: Calls,
}

impl Measured {
    pub(super) fn new(kind: Kind, span: Duration) -> anyhow::Result<Self> {
        let (rounds, calls) = (Vec::new(), Calls::default());
        Ok(Self { kind, span, rounds, waits: Times::new()?, calls })
    }

    pub(super) fn add(&mut self, round: Outcome) -> anyhow::Result<()> {
        for &(wait, count) in &round.waits {
            self.waits.record_n(wait, count);
        }
        self.rounds.push(round);
        self.waits.end_round()
    }

    /// Two in the section at once make all of it void.
    pub(super) fn tell(&self, report: &mut Report, nodes: usize, case: Case) {
        let (sent, inside) = self.commands(nodes);
        let overlaps = self.overlaps();
        let entry = report
            .of(self.kind.name(), case.with("nodes", nodes))
            .void_if(overlaps > 0, format!("{overlaps} times two were in the section at once"))
            .higher("hand-offs", "1/s", self.rates())
            .lower("idle", "%", self.idle().iter().map(|idle| 100.0 * idle).collect())
            .lower("most by least of a task", "×", self.unfairness())
            .higher("least of a task by its share", "×", self.least_share())
            .lower("p99 wait by tasks × cycle", "×", self.longest_by_turns())
            .times("wait", &self.waits);
        // Others have other servers.
        if self.calls.all() > 0 {
            entry.lower("calls sent per acquisition and node", "calls", vec![sent]).lower(
                "calls in scripts per acquisition and node",
                "calls",
                vec![inside],
            );
        }
    }

    /// The part of each round in which nobody was in the section.
    fn idle(&self) -> Vec<f64> {
        let span = self.span.as_secs_f64();
        self.rounds.iter().map(|round| 1.0 - round.held.as_secs_f64() / span).collect()
    }

    /// In each round, the sections of the task that had fewest, by what each would have had of equal parts.
    fn least_share(&self) -> Vec<f64> {
        let of = |round: &Outcome| {
            let least = round.sections.iter().min().copied().unwrap_or_default();
            let all = float(round.sections.iter().sum());
            float(least) * float(round.sections.len() as u64) / all
        };
        self.rounds.iter().map(of).collect()
    }

    /// The 99th percentile of each round's waits, by the time in which each task would have had one turn.
    fn longest_by_turns(&self) -> Vec<f64> {
        let [_, p99] = self.waits.of_rounds();
        let tasks = self.rounds.iter().map(|round| float(round.sections.len() as u64));
        let rounds = self.rates().into_iter().zip(tasks).zip(p99);
        rounds.map(|((rate, tasks), wait)| wait / 1e6 * rate / tasks).collect()
    }

    /// In each round, the sections of the task that had most, by those of the one that had fewest.
    fn unfairness(&self) -> Vec<f64> {
        let of = |round: &Outcome| {
            let most = round.sections.iter().max().copied().unwrap_or_default();
            float(most) / float(round.sections.iter().min().copied().unwrap_or_default())
        };
        self.rounds.iter().map(of).collect()
    }

    pub(super) fn row(&self, clients: &str, nodes: usize, ours: Option<&Self>) -> String {
        let ratio = ours.filter(|ours| ours.overlaps() + self.overlaps() == 0).map_or_else(
            || "–".to_owned(),
            |ours| format!("{:.2}", median_ratio(&ours.rates(), &self.rates())),
        );
        let rate = match self.overlaps() {
            0 => format!("{:.0}", median(self.rates())),
            _ => "–".to_owned(),
        };
        let idle = median(self.idle());
        let (min, max) = self.least_and_most();
        let at = |quantile| float(self.waits.value_at_quantile(quantile)) / 1000.0;
        let waits = format!("{:.1}/{:.1}/{:.0}", at(0.5), at(0.99), at(1.0));
        let (sent, inside) = self.commands(nodes);
        format!(
            "{nodes:>5}  {clients:<9}  {:<14}  {ratio:>4}  {rate:>9}  {:>3.0}%  {:>9}  {waits:>18}  {sent:>6.2} + {inside:<12.2}  {:>5}",
            self.kind.name(),
            100.0 * idle,
            format!("{min}–{max}"),
            self.overlaps(),
        )
    }

    fn rates(&self) -> Vec<f64> {
        let sections = self.rounds.iter().map(|round| round.sections.iter().sum());
        sections.map(|sections| float(sections) / self.span.as_secs_f64()).collect()
    }

    fn overlaps(&self) -> u64 {
        self.rounds.iter().map(|round| round.overlaps).sum()
    }

    /// Sections of the task that had fewest and of the one that had most, in the round whose rate
    /// is the median: sums of rounds would hide who was unlucky in one.
    fn least_and_most(&self) -> (u64, u64) {
        let mut rounds: Vec<_> = self.rounds.iter().map(|round| &round.sections).collect();
        rounds.sort_by_key(|sections| sections.iter().sum::<u64>());
        let Some(sections) = rounds.get(rounds.len() / 2) else { return (0, 0) };
        let (min, max) = (sections.iter().min(), sections.iter().max());
        (min.copied().unwrap_or_default(), max.copied().unwrap_or_default())
    }

    /// Calls per acquisition and node: sent, and called in scripts.
    fn commands(&self, nodes: usize) -> (f64, f64) {
        let acquired: u64 = self.rounds.iter().map(|round| round.acquired).sum();
        #[expect(clippy::cast_precision_loss, reason = "a handful of nodes")]
        let per = float(acquired) * nodes as f64;
        let sent = float(self.calls.sent(self.kind.plain())) / per;
        (sent, float(self.calls.all()) / per - sent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(kind: Kind, sections: &[u64], overlaps: u64) -> Measured {
        let mut measured = Measured::new(kind, Duration::from_secs(1)).unwrap();
        let (acquired, held) = (sections.iter().sum(), Duration::from_millis(750));
        let (sections, waits) = (sections.to_vec(), vec![(2000, acquired)]);
        measured.add(Outcome { sections, acquired, held, overlaps, waits }).unwrap();
        measured
    }

    #[test]
    fn a_row_has_the_ratio_the_rate_and_the_least_and_most_of_a_task() {
        let ours = measured(Kind::Ours, &[40, 60], 0);
        let row = measured(Kind::Rslock, &[10, 190], 0).row("2 tasks", 1, Some(&ours));
        for part in ["0.50", " 200 ", " 25%", "10–190", "2.0/2.0/2"] {
            assert!(row.contains(part), "{part} is not in {row}");
        }
    }

    #[test]
    fn two_at_once_leave_neither_rate_nor_ratio() {
        let ours = measured(Kind::Ours, &[40, 60], 0);
        let row = measured(Kind::Rslock, &[10, 190], 3).row("2 tasks", 1, Some(&ours));
        assert!(!row.contains(" 200 ") && !row.contains("0.50"), "{row}");
        assert!(row.ends_with("    3"), "{row}");
    }
}
