//! What a person reads afterwards: lines for the terminal, and a page that needs nothing else.

mod timeline;

use std::{fmt::Write as _, time::Duration};

use crate::{
    figures::Spread,
    holders,
    run::{Plan, Ran},
};

/// How many violations are shown; the rest is counted.
const SHOWN: usize = 50;

/// The result in lines.
#[must_use]
pub fn text(plan: &Plan, ran: &Ran) -> String {
    let mut text = String::new();
    for (name, value) in facts(plan, ran) {
        writeln!(text, "  {name:<34} {value}").ok();
    }
    for (kind, count) in &ran.figures.faults {
        let silence = ran.figures.silence.get(kind).copied().unwrap_or_default();
        let fault = format!("{count} × {kind}");
        writeln!(text, "  {fault:<34} longest without a yes: {}", spread(&silence)).ok();
    }
    for found in ran.violations.iter().chain(&ran.left).take(SHOWN) {
        writeln!(text, "VIOLATION {found}").ok();
    }
    let more = (ran.violations.len() + ran.left.len()).saturating_sub(SHOWN);
    if more > 0 {
        writeln!(text, "and {more} more").ok();
    }
    text
}

/// The page.
#[must_use]
pub fn page(plan: &Plan, ran: &Ran, command: &str) -> String {
    let found: Vec<&String> = ran.violations.iter().chain(&ran.left).collect();
    let verdict = match found.len() {
        0 => "<p class=\"well\">No violation</p>".to_owned(),
        1 => "<p class=\"ill\">1 violation</p>".to_owned(),
        more => format!("<p class=\"ill\">{more} violations</p>"),
    };
    let list: String =
        found.iter().take(SHOWN).map(|what| format!("<li>{}</li>", escaped(what))).collect();
    let facts: String = facts(plan, ran)
        .into_iter()
        .map(|(name, value)| format!("<tr><th>{name}</th><td>{}</td></tr>", escaped(&value)))
        .collect();
    let faults: String = ran
        .figures
        .faults
        .iter()
        .map(|(kind, count)| {
            let gap = ran.figures.silence.get(kind).copied().unwrap_or_default();
            format!(
                "<tr><th>{kind}</th><td>{count}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                time(gap.median),
                time(gap.p99),
                time(gap.max)
            )
        })
        .collect();
    include_str!("page.html")
        .replace("{{verdict}}", &verdict)
        .replace("{{list}}", &list)
        .replace("{{facts}}", &facts)
        .replace("{{faults}}", &faults)
        .replace("{{timeline}}", &timeline::svg(plan, ran))
        .replace("{{command}}", &escaped(command))
}

fn facts(plan: &Plan, ran: &Ran) -> Vec<(&'static str, String)> {
    let figures = &ran.figures;
    let answers: Vec<String> =
        figures.answers.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let sales: Vec<String> =
        plan.sales.iter().map(|(strategy, capacity)| format!("{strategy} {capacity}")).collect();
    vec![
        ("seed", plan.seed.to_string()),
        ("took", time(ran.took)),
        ("sales (strategy, capacity)", sales.join(", ")),
        ("requests", answers.join(", ")),
        ("purchases acknowledged", figures.purchases.to_string()),
        ("accepted writes", ran.accepted.len().to_string()),
        ("writes of lock holders", figures.increments.to_string()),
        ("leases judged", format!("{} of {}", figures.leases_judged, figures.leases)),
        ("leases last for", time(holders::TTL)),
        ("stale writes blocked", figures.stale_refused.to_string()),
        ("faults", ran.faults.len().to_string()),
        ("next grant after a holder's end", spread(&figures.next_grant)),
        ("violations", ran.violations.len().to_string()),
        ("left behind", ran.left.len().to_string()),
    ]
}

pub(crate) fn spread(spread: &Spread) -> String {
    let Spread { count, median, p99, max } = *spread;
    if count == 0 {
        return "none".to_owned();
    }
    format!("median {}, p99 {}, max {} ({count})", time(median), time(p99), time(max))
}

pub(crate) fn time(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds >= 120.0 => format!("{:.1} min", seconds / 60.0),
        seconds if seconds >= 1.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.0} ms", seconds * 1000.0),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_cannot_be_markup() {
        assert_eq!(escaped("<b>&"), "&lt;b&gt;&amp;");
        assert_eq!(time(Duration::from_millis(1500)), "1.5 s");
        assert_eq!(time(Duration::from_millis(15)), "15 ms");
    }
}
