//! The timeline of a run, drawn: faults as bands, answers, who held each sale's lease, and tokens.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use crate::{
    history::{Asked, Outcome},
    run::{Plan, Ran},
};

/// Where the drawing begins, right of the names.
const LEFT: f64 = 190.0;
/// What is left free at its end, for half of the last time.
const RIGHT: f64 = 28.0;
/// How wide all is.
const WIDTH: f64 = 1200.0;
/// How high a row of bands is.
const ROW: f64 = 15.0;
/// How high the answers and the tokens of a sale are drawn.
const CHART: f64 = 90.0;
/// Into how many moments the time is cut.
const MOMENTS: usize = 240;
/// Holders' colours; those who are more begin again.
const COLOURS: [&str; 9] = [
    "#3b82c4", "#d1762b", "#3c9d6b", "#a64ca6", "#b8a02c", "#5f6caf", "#c4506a", "#2f9aa0",
    "#7a6a53",
];

struct Drawing {
    svg: String,
    y: f64,
    length: f64,
}

pub(super) fn svg(plan: &Plan, ran: &Ran) -> String {
    let length = ran.took.as_secs_f64().max(0.001);
    let mut drawing = Drawing { svg: String::new(), y: 4.0, length };
    drawing.faults(ran);
    drawing.answers(ran);
    for (sale, (strategy, capacity)) in plan.sales.iter().enumerate() {
        drawing.writers(ran, sale, &format!("{strategy}, {capacity}"));
    }
    drawing.axis();
    let Drawing { svg, y, .. } = drawing;
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {y:.0}\" role=\"img\" aria-label=\"timeline of the run\">{svg}</svg>"
    )
}

impl Drawing {
    fn x(&self, at: Duration) -> f64 {
        LEFT + (WIDTH - LEFT - RIGHT) * (at.as_secs_f64() / self.length).min(1.0)
    }

    fn name(&mut self, name: &str) {
        let y = self.y + 11.0;
        write!(self.svg, "<text x=\"0\" y=\"{y:.0}\">{}</text>", super::escaped(name)).ok();
    }

    fn faults(&mut self, ran: &Ran) {
        let mut kinds: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for planned in ran.faults.iter().map(|happened| &happened.fault) {
            kinds.entry(planned.fault.kind()).or_default().push(planned);
        }
        for (kind, faults) in kinds {
            self.name(kind);
            for planned in faults {
                let (from, to) = (self.x(planned.at), self.x(planned.ends()));
                write!(
                    self.svg,
                    "<rect x=\"{from:.1}\" y=\"{:.0}\" width=\"{:.1}\" height=\"{:.0}\" rx=\"2\" fill=\"#b0413e\" \
                     fill-opacity=\".55\"><title>{}, from {:.1} s for {:.1} s</title></rect>",
                    self.y,
                    (to - from).max(1.5),
                    ROW - 3.0,
                    super::escaped(&planned.fault.about()),
                    planned.at.as_secs_f64(),
                    planned.lasts.as_secs_f64()
                )
                .ok();
            }
            self.y += ROW;
        }
        self.y += ROW / 2.0;
    }

    fn moment(&self, at: Duration) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a part of a few hundred"
        )]
        let moment = (at.as_secs_f64() / self.length * MOMENTS as f64) as usize;
        moment.min(MOMENTS - 1)
    }

    fn answers(&mut self, ran: &Ran) {
        let mut counts = vec![[0_u32; 3]; MOMENTS];
        let asked = |operation: &&crate::history::Operation| operation.asked != Asked::Look;
        for operation in ran.evidence.history.operations.iter().filter(asked) {
            let kind = match operation.outcome {
                Outcome::Ok(_) => 0,
                Outcome::Refused(_) => 1,
                Outcome::Unknown(_) => 2,
            };
            counts[self.moment(operation.end)][kind] += 1;
        }
        let most = counts.iter().map(|three| three.iter().sum::<u32>()).max().unwrap_or(1).max(1);
        self.name("answers");
        let step = ran.took / u32::try_from(MOMENTS).unwrap_or(1);
        for (moment, three) in counts.iter().enumerate() {
            let at = step * u32::try_from(moment).unwrap_or(0);
            let (x, width) = (self.x(at), self.x(at + step) - self.x(at));
            let mut top = self.y + CHART;
            for (count, colour) in three.iter().zip(["--yes", "--no", "--doubt"]) {
                let height = CHART * f64::from(*count) / f64::from(most);
                top -= height;
                if *count > 0 {
                    write!(
                        self.svg,
                        "<rect x=\"{x:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" \
                         style=\"fill:var({colour})\"/>"
                    )
                    .ok();
                }
            }
        }
        self.y += CHART + ROW;
    }

    /// Who wrote to a sale under which token: a dot for the first write of each turn, as high as its
    /// token, and a band in the writer's colour.
    fn writers(&mut self, ran: &Ran, sale: usize, name: &str) {
        let writes = || ran.accepted.iter().filter(|write| write.sale == sale);
        let leased = || writes().filter_map(|write| Some((write, write.token?)));
        self.name(name);
        let band = self.y;
        let mut last: Option<(&str, f64)> = None;
        for write in writes() {
            let x = self.x(write.at);
            // What is no wider than a hair is not drawn twice.
            let is_new = last.is_none_or(|(who, at)| who != write.replica || x - at > 2.0);
            if is_new {
                write!(
                    self.svg,
                    "<rect x=\"{x:.1}\" y=\"{band:.0}\" width=\"2\" height=\"{:.0}\" fill=\"{}\"><title>{}</title></rect>",
                    ROW - 3.0,
                    colour(&write.replica),
                    super::escaped(&write.replica)
                )
                .ok();
                last = Some((&write.replica, x));
            }
        }
        self.y += ROW;
        let (least, most) = (leased().map(|(_, t)| t).min(), leased().map(|(_, t)| t).max());
        let (Some(least), Some(most)) = (least, most) else {
            self.y += ROW / 2.0;
            return;
        };
        self.name("  token");
        #[expect(clippy::cast_precision_loss, reason = "a height on a picture")]
        let height =
            |token: i64| (token - least) as f64 / ((most - least).max(1)) as f64 * (CHART - 8.0);
        let mut seen = (0, -10.0);
        for (write, token) in leased() {
            let x = self.x(write.at);
            if token == seen.0 || x - seen.1 < 1.0 {
                continue;
            }
            seen = (token, x);
            let y = self.y + CHART - 4.0 - height(token);
            write!(
                self.svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"1.6\" fill=\"{}\"><title>{token}, {}</title></circle>",
                colour(&write.replica),
                super::escaped(&write.replica)
            )
            .ok();
        }
        self.y += CHART + ROW / 2.0;
    }

    fn axis(&mut self) {
        let bottom = self.y + 2.0;
        for tenth in 0..=10 {
            let at = Duration::from_secs_f64(self.length * f64::from(tenth) / 10.0);
            let x = self.x(at);
            write!(
                self.svg,
                "<line x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{bottom:.0}\" stroke=\"#8883\"/>\
                 <text x=\"{x:.1}\" y=\"{:.0}\" text-anchor=\"middle\">{}</text>",
                bottom + 14.0,
                super::time(at)
            )
            .ok();
        }
        self.y += 22.0;
    }
}

fn colour(replica: &str) -> &'static str {
    let number: usize =
        replica.rsplit('-').next().and_then(|number| number.parse().ok()).unwrap_or(0);
    COLOURS[number % COLOURS.len()]
}
