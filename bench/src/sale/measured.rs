//! All rounds of one lane, and the table that they make.
#![expect(clippy::print_stdout, reason = "the tables are the program's output")]

use std::time::Duration;

use super::{
    answers::{Answers, Final, STEP},
    cost::Cost,
    lane::Lane,
};
use crate::stats::{Times, float, median, median_ratio, micros};

/// What the others are compared with.
pub(crate) const BESIDE: Lane = Lane::Strategy("row_lock");

/// Answers of one kind, round by round.
pub(crate) struct Kind {
    pub(crate) rates: Vec<f64>,
    pub(crate) times: Times,
}

impl Kind {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { rates: Vec::new(), times: Times::new()? })
    }

    fn add(&mut self, of: &Final, length: Duration) -> anyhow::Result<()> {
        self.rates.push(float(of.in_time) / length.as_secs_f64());
        for time in &of.times {
            self.times.saturating_record(micros(*time));
        }
        self.times.end_round()
    }

    fn rate(&self) -> f64 {
        median(self.rates.iter().copied())
    }

    /// A rate, and times in milliseconds: median, one in a hundred, and the longest.
    fn columns(&self) -> String {
        if self.times.len() == 0 {
            return format!("{:>9} {:>8} {:>8} {:>8}", "–", "–", "–", "–");
        }
        let ms = |quantile| float(self.times.value_at_quantile(quantile)) / 1000.0;
        format!("{:>9.1} {:>8.2} {:>8.2} {:>8.1}", self.rate(), ms(0.5), ms(0.99), ms(1.0))
    }
}

/// All rounds of one lane.
pub(crate) struct Measured {
    pub(crate) lane: Lane,
    pub(crate) granted: Kind,
    pub(crate) refused: Kind,
    /// Answers that were neither, and those who could not even ask.
    pub(crate) turned_away: u64,
    pub(crate) not_sent: u64,
    pub(crate) costs: Vec<Cost>,
    /// Of each round, final answers in each whole step of time.
    steps: Vec<Vec<u64>>,
}

impl Measured {
    pub(crate) fn new(lane: Lane) -> anyhow::Result<Self> {
        let (granted, refused) = (Kind::new()?, Kind::new()?);
        let (costs, steps) = (Vec::new(), Vec::new());
        Ok(Self { lane, granted, refused, turned_away: 0, not_sent: 0, costs, steps })
    }

    pub(crate) fn of(lanes: &[Lane]) -> anyhow::Result<Vec<Self>> {
        lanes.iter().copied().map(Self::new).collect()
    }

    /// Adds a round of this length.
    pub(crate) fn add(
        &mut self,
        (answers, cost): (Answers, Cost),
        length: Duration,
    ) -> anyhow::Result<()> {
        self.costs.push(cost);
        let whole = usize::try_from(length.as_millis() / STEP.as_millis())?;
        let at = |of: &Final, step: usize| of.steps.get(step).copied().unwrap_or_default();
        let both = |step| at(&answers.granted, step) + at(&answers.refused, step);
        self.steps.push((0..whole).map(both).collect());
        self.turned_away += answers.turned_away + answers.unknown;
        self.not_sent += answers.not_sent;
        self.granted.add(&answers.granted, length)?;
        self.refused.add(&answers.refused, length)
    }

    /// How long answers took, where all are of one kind.
    pub(crate) fn times(&self) -> &Times {
        if self.granted.times.len() > 0 { &self.granted.times } else { &self.refused.times }
    }

    /// Final answers a second in each step of time: the median of rounds. Nothing where that is not known.
    pub(crate) fn over_time(&self) -> Vec<f64> {
        let steps = self.steps.iter().map(Vec::len).min().unwrap_or_default();
        let of = |step: usize| median(self.steps.iter().map(|round| float(round[step])));
        let rates: Vec<f64> = (0..steps).map(|step| of(step) / STEP.as_secs_f64()).collect();
        if rates.iter().any(|rate| *rate > 0.0) { rates } else { Vec::new() }
    }

    /// Final answers a second, round by round.
    pub(crate) fn rates(&self) -> Vec<f64> {
        self.granted.rates.iter().zip(&self.refused.rates).map(|(yes, no)| yes + no).collect()
    }
}

/// Prints what came of all lanes, under a line that says what was done.
pub(crate) fn print(what: &str, all: &[Measured]) {
    println!("{what}");
    println!(
        "  {:<21} ÷ row_lock ÷ no-op | {:>9} {:>8} {:>8} {:>8} | {:>9} {:>8} {:>8} {:>8} | turned away",
        "", "granted/s", "p50 ms", "p99 ms", "max ms", "refused/s", "p50 ms", "p99 ms", "max ms"
    );
    let ratio = |one: &Measured, beside: Lane| {
        let beside = all.iter().find(|measured| measured.lane == beside);
        beside.map_or_else(
            || "–".to_owned(),
            |beside| format!("{:.2}", median_ratio(&one.rates(), &beside.rates())),
        )
    };
    for measured in all {
        let not_sent = match measured.not_sent {
            0 => String::new(),
            not_sent => format!(", {not_sent} not sent"),
        };
        println!(
            "  {:<21} {:>10} {:>7} | {} | {} | {}{not_sent}",
            measured.lane.name(),
            ratio(measured, BESIDE),
            ratio(measured, Lane::Nothing),
            measured.granted.columns(),
            measured.refused.columns(),
            measured.turned_away,
        );
    }
    println!();
}
