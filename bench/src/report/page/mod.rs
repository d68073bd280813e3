//! A page about a record that needs nothing else, and that a phone can show.

mod axis;
mod chart;
mod charts;

use std::fmt::Write as _;

use super::{
    record::Record,
    table::{Table, contestants, tables},
};

/// The page.
pub(super) fn page(record: &Record) -> String {
    let legend: String = contestants(record)
        .into_iter()
        .enumerate()
        .map(|(number, name)| {
            let colour = chart::colour(number);
            format!("<span><i style=\"background:{colour}\"></i>{}</span>\n", escaped(name))
        })
        .collect();
    let facts = facts(record).into_iter();
    let facts: String = facts
        .map(|(name, value)| {
            format!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(&name), escaped(&value))
        })
        .collect();
    let tables: String = tables(record).iter().map(table).collect();
    include_str!("page.html")
        .replace("{{question}}", &escaped(&record.question))
        .replace("{{legend}}", &legend)
        .replace(
            "{{percentiles}}",
            &section(
                "Latency percentiles",
                "Log axes: each step to the right is a nine more.",
                &charts::percentiles(record),
            ),
        )
        .replace("{{scaling}}", &section("Scaling", "Medians, log axes.", &charts::scaling(record)))
        .replace(
            "{{over_time}}",
            &section(
                "Throughput over time",
                "Within a round, in steps of a tenth of a second: medians of rounds.",
                &charts::over_time(record),
            ),
        )
        .replace(
            "{{rounds}}",
            &section(
                "Round by round",
                "Rounds of the same number ran side by side.",
                &charts::rounds(record),
            ),
        )
        .replace("{{tables}}", &tables)
        .replace("{{facts}}", &facts)
        .replace("{{command}}", &escaped(&record.command()))
}

/// What was measured on, by name.
pub(crate) fn facts(record: &Record) -> Vec<(String, String)> {
    let machine = &record.machine;
    let dirty = if record.commit.dirty { ", with changes" } else { "" };
    let mut facts = vec![
        ("when".to_owned(), record.time.clone()),
        ("commit".to_owned(), format!("{}{dirty}", record.commit.id)),
        (
            "machine".to_owned(),
            format!(
                "{}, {} cores, {} MiB, {}",
                machine.cpu, machine.cores, machine.memory_mib, machine.kernel
            ),
        ),
    ];
    let versions = record.versions.iter().map(|(name, version)| (name.clone(), version.clone()));
    facts.extend(versions);
    facts.extend(record.skipped.iter().map(|line| ("skipped".to_owned(), line.clone())));
    let void = record.figures.iter().filter_map(|figure| Some((figure, figure.void.as_ref()?)));
    facts.extend(void.map(|(figure, why)| (format!("void: {}", figure.name()), why.clone())));
    facts
}

/// Nothing where there is nothing to draw.
fn section(title: &str, about: &str, charts: &[chart::Chart]) -> String {
    if charts.is_empty() {
        return String::new();
    }
    let charts: String = charts.iter().map(chart::Chart::html).collect();
    format!("<h2>{title}</h2>\n<p>{about}</p>\n<div class=\"charts\">{charts}</div>\n")
}

/// Beside long names the figures would be off a phone: sizes stand below who has them.
fn table(table: &Table<'_>) -> String {
    let leading = table.leading();
    let cells = |tag: &str, of: &[String]| {
        of.iter().map(|cell| format!("<{tag}>{}</{tag}>", escaped(cell))).collect::<String>()
    };
    let (heads, mut rows, mut before) = (table.heads(), String::new(), None);
    for row in table.rows() {
        // A line where another case begins.
        let case = row.get(..leading - 1).map(<[String]>::to_vec);
        let begins = if before.as_ref() == Some(&case) { "" } else { " class=\"case\"" };
        before = Some(case);
        let (lead, figures) = row.split_at(leading);
        let (who, sizes) =
            lead.split_last().map_or(("", lead), |(who, sizes)| (who.as_str(), sizes));
        let sizes = heads.iter().zip(sizes).map(|(name, size)| format!("{name} {size}"));
        let sizes = escaped(&sizes.collect::<Vec<_>>().join(", "));
        let figures = cells("td", figures);
        let who = escaped(who);
        writeln!(rows, "<tr{begins}><th>{who}<small>{sizes}</small></th>{figures}</tr>").ok();
    }
    format!(
        "<h3>{}</h3>\n<div class=\"scroll\"><table><tr><th></th>{}</tr>\n{rows}</table></div>\n",
        escaped(&table.title()),
        cells("th", heads.get(leading..).unwrap_or_default()),
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::{figure, record};

    #[test]
    fn a_page_is_whole_and_asks_nobody_for_anything() {
        let mut ours = figure("ours", 1, &[1.0, 2.0]);
        ours.histogram = vec![(10, 5), (2000, 1)];
        let more = figure("ours", 64, &[0.0, 2.0]);
        let page = page(&record(vec![ours, more]));
        assert!(!page.contains("{{") && !page.contains("http") && !page.contains("NaN"), "{page}");
        for part in ["a &lt;fast&gt; one", "Latency percentiles", "Scaling", "Round by round"] {
            assert!(page.contains(part), "no {part}");
        }
    }
}
