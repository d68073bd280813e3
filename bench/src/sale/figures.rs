//! What is kept of a sale's lanes.

use super::{answers::STEP, cost, measured::Measured};
use crate::{
    report::{Case, Report},
    stats::float,
};

/// Rates, times and costs of each lane.
pub(super) fn tell(report: &mut Report, case: &Case, all: &[Measured]) {
    for measured in all {
        let mut entry = report
            .of(&measured.lane.name(), case.clone())
            .higher("answered", "1/s", measured.rates())
            .over_time(STEP, measured.over_time())
            .lower("turned away", "answers", vec![float(measured.turned_away)]);
        if case.name("load") == Some("open loop") {
            entry = entry.lower("not sent", "buyers", vec![float(measured.not_sent)]);
        }
        let kinds =
            [("granted", "grant", &measured.granted), ("refused", "refusal", &measured.refused)];
        // Where all were told the same, that rate is the one of all answers.
        let has_both = kinds.iter().all(|(.., kind)| kind.times.len() > 0);
        for (what, time, kind) in kinds {
            if has_both {
                entry = entry.higher(what, "1/s", kind.rates.clone());
            }
            if kind.times.len() > 0 {
                entry = entry.times(time, &kind.times);
            }
        }
        cost::tell(report, case, measured);
    }
}
