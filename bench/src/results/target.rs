//! What a figure is held against.

use crate::{
    report::{Figure, Record, ratios, span},
    stats::median,
};

/// A limit that was set before it was measured.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) text: &'static str,
    pub(super) question: &'static str,
    pub(super) contestant: &'static str,
    pub(super) metric: &'static str,
    /// Sizes that the case must have. Others may be anything: then the worst of them counts.
    pub(super) sizes: &'static [(&'static str, u64)],
    /// How load comes, where a question has several ways.
    pub(super) load: Option<&'static str>,
    pub(super) limit: Limit,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Limit {
    AtLeast(f64),
    AtMost(f64),
    /// In times of what another contestant did in the same case.
    TimesAtLeast(&'static str, f64),
    TimesAtMost(&'static str, f64),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Told {
    Met(String),
    NotMet(String),
    NotMeasured,
}

impl Told {
    pub(super) const fn verdict(&self) -> &'static str {
        match self {
            Self::Met(_) => "met",
            Self::NotMet(_) => "**not met**",
            Self::NotMeasured => "not measured",
        }
    }

    pub(super) fn figure(&self) -> String {
        match self {
            Self::Met(figure) | Self::NotMet(figure) => figure.clone(),
            Self::NotMeasured => "–".to_owned(),
        }
    }
}

impl Target {
    pub(super) fn judge(&self, record: &Record) -> Told {
        if record.question != self.question {
            return Told::NotMeasured;
        }
        let ours = record.figures.iter().filter(|figure| self.is_about(figure));
        let told = ours.filter_map(|figure| self.of(record, figure));
        let worst = told.min_by(|one, other| one.0.total_cmp(&other.0));
        worst.map_or(Told::NotMeasured, |(_, told)| told)
    }

    fn is_about(&self, figure: &Figure) -> bool {
        figure.contestant == self.contestant
            && figure.metric == self.metric
            && (self.load.is_none() || figure.case.name("load") == self.load)
            && self.sizes.iter().all(|(name, size)| figure.case.size(name) == Some(*size))
    }

    /// What it comes to, with how far it is on the right side of the limit: 1 is just met. `None` where
    /// there is no value. Where what it is to be compared with has none, the target is not measured,
    /// whatever other cases came to: the worst one counts.
    fn of(&self, record: &Record, figure: &Figure) -> Option<(f64, Told)> {
        if let Some(why) = &figure.void {
            return Some((f64::NEG_INFINITY, Told::NotMet(format!("void: {why}"))));
        }
        let (values, unit) = match self.limit {
            Limit::AtLeast(_) | Limit::AtMost(_) => (figure.counted(), figure.unit.as_str()),
            Limit::TimesAtLeast(other, _) | Limit::TimesAtMost(other, _) => {
                let is_it = |one: &&Figure| {
                    one.contestant == other
                        && one.metric == figure.metric
                        && one.case == figure.case
                };
                let Some(other) = record.figures.iter().find(is_it) else {
                    return Some((f64::NEG_INFINITY, Told::NotMeasured));
                };
                let ratios = ratios(figure, other);
                if ratios.is_empty() && !figure.counted().is_empty() {
                    return Some((f64::NEG_INFINITY, Told::NotMeasured));
                }
                (ratios, "×")
            }
        };
        if values.is_empty() {
            return None;
        }
        let value = median(values.iter().copied());
        let margin = match self.limit {
            Limit::AtLeast(limit) | Limit::TimesAtLeast(_, limit) => value / limit,
            Limit::AtMost(limit) | Limit::TimesAtMost(_, limit) => limit / value,
        };
        let told = format!("{} {unit}; {}", span(&values), figure.case);
        Some((margin, if margin >= 1.0 { Told::Met(told) } else { Told::NotMet(told) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{figure, record};

    const TARGET: Target = Target {
        text: "",
        question: "lease",
        contestant: "ours",
        metric: "pairs",
        sizes: &[("nodes", 3)],
        load: None,
        limit: Limit::TimesAtLeast("rslock", 1.0),
    };

    #[test]
    fn the_worst_case_counts_and_what_is_absent_is_not_measured() {
        let mut all = record(vec![
            figure("ours", 1, &[3.0]),
            figure("rslock", 1, &[2.0]),
            figure("ours", 64, &[1.0]),
            figure("rslock", 64, &[2.0]),
        ]);
        assert_eq!(TARGET.judge(&all), Told::NotMet("0.50 ×; nodes 3, tasks 64".to_owned()));
        let one = Target { sizes: &[("tasks", 1)], ..TARGET };
        assert_eq!(one.judge(&all), Told::Met("1.50 ×; nodes 3, tasks 1".to_owned()));
        let alone = Target { limit: Limit::AtMost(5.0), ..TARGET };
        assert!(matches!(alone.judge(&all), Told::Met(_)));
        let other = Target { sizes: &[("nodes", 5)], ..TARGET };
        assert_eq!(other.judge(&all), Told::NotMeasured);
        all.figures[0].void = Some("two at once".to_owned());
        assert!(matches!(one.judge(&all), Told::NotMet(_)));
        all.question = "sale".to_owned();
        assert_eq!(one.judge(&all), Told::NotMeasured);
    }
}
