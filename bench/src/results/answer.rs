//! Questions to which no limit was set: the figures that answer them, in a sentence each.

use crate::{
    report::{Figure, Record, contestants, ratios, span},
    stats::median,
};

/// A question, and where its answer is.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) text: &'static str,
    pub(super) question: &'static str,
    pub(super) metric: &'static str,
    pub(super) by: By,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum By {
    /// The largest of these sizes, in times of the smallest.
    Growth(&'static str),
    /// Of the first contestant, in each case with this fault.
    Fault(&'static str),
    /// Of all, in each case that has this size.
    All(&'static str),
}

const fn growth(text: &'static str, size: &'static str) -> Answer {
    Answer { text, question: "growth", metric: "answered", by: By::Growth(size) }
}

const fn fault(text: &'static str, fault: &'static str) -> Answer {
    let metric = "time without a grant by TTL";
    Answer { text, question: "failover", metric, by: By::Fault(fault) }
}

pub(super) const ANSWERS: &[Answer] = &[
    growth("Does a sale slow down as its history grows?", "purchases before"),
    growth(
        "Are refusals of what is sold out slower as the waiting list grows?",
        "in the waiting list",
    ),
    growth("As buyers who wait for an answer become more?", "waiting buyers"),
    growth("As there are more sales at once?", "sales"),
    growth("As more replicas sell it?", "replicas"),
    fault("For how long is nobody granted a lease whose holder is killed?", "holder killed"),
    fault("Whose holder is paused?", "holder paused"),
    fault("Whose holder leaves?", "holder leaves"),
    fault("And when a node is killed?", "node killed"),
    Answer {
        text: "For how long can nobody buy, beyond the time that Postgres was away?",
        question: "failover",
        metric: "of which while Postgres was there",
        by: By::All("TTL ms"),
    },
    Answer {
        text: "What does a lease take in the sidecar's memory?",
        question: "sidecar",
        metric: "memory a lease",
        by: By::All("leases"),
    },
    Answer {
        text: "What of a core does the sidecar take while it holds them, and nobody asks?",
        question: "sidecar",
        metric: "sidecar's processor, idle",
        by: By::All("leases"),
    },
];

impl Answer {
    /// `None` where it was not measured.
    pub(super) fn of(&self, record: &Record) -> Option<String> {
        if record.question != self.question {
            return None;
        }
        let figures = record.figures.iter().filter(|figure| figure.metric == self.metric);
        let figures: Vec<&Figure> = figures.filter(|figure| !figure.counted().is_empty()).collect();
        let told: Vec<String> = match self.by {
            By::Growth(size) => {
                contestants(record).iter().filter_map(|of| grown(&figures, of, size)).collect()
            }
            By::Fault(fault) => {
                let first = figures.first().map(|figure| figure.contestant.as_str());
                let wanted = |one: &&&Figure| {
                    one.case.name("fault") == Some(fault) && Some(one.contestant.as_str()) == first
                };
                figures.iter().filter(wanted).map(|one| sized(one, "TTL ms")).collect()
            }
            By::All(size) => {
                let wanted = figures.iter().filter(|one| one.case.size(size).is_some());
                wanted.map(|one| format!("{}, {}", one.contestant, sized(one, size))).collect()
            }
        };
        (!told.is_empty()).then(|| told.join("; "))
    }
}

fn sized(figure: &Figure, size: &str) -> String {
    let at = figure.case.size(size).unwrap_or_default();
    format!("{} {} ({size} {at})", span(&figure.counted()), figure.unit)
}

/// `None` where there is only one size.
fn grown(figures: &[&Figure], contestant: &str, size: &str) -> Option<String> {
    let of = figures.iter().filter(|figure| figure.contestant == contestant);
    let sized = of.filter_map(|figure| Some((figure.case.size(size)?, *figure)));
    let mut sized: Vec<_> = sized.collect();
    sized.sort_by_key(|(size, _)| *size);
    let (&(least, before), &(most, after)) = sized.first().zip(sized.last())?;
    let ratios = ratios(after, before);
    if least == most || ratios.is_empty() {
        return None;
    }
    let is_slower = median(ratios.iter().copied()) < 1.0;
    let verb = if is_slower { "falls to" } else { "grows to" };
    Some(format!("{contestant} {verb} {} × from {least} to {most}", span(&ratios)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{
        Case,
        samples::{figure, record},
    };

    #[test]
    fn growth_is_told_by_its_ends() {
        let of = |size: u64, values: &[f64]| {
            let mut figure = figure("leased", 1, values);
            figure.metric = "answered".to_owned();
            figure.case = Case::default().with("sales", size);
            figure
        };
        let mut record = record(vec![of(10, &[9.0]), of(1000, &[5.0]), of(1, &[10.0])]);
        record.question = "growth".to_owned();
        let answer = growth("", "sales");
        assert_eq!(answer.of(&record).unwrap(), "leased falls to 0.50 × from 1 to 1000");
        assert_eq!(growth("", "replicas").of(&record), None);
    }
}
