//! A chart: lines over two axes, small enough for a phone.

use std::fmt::Write as _;

use super::{axis::Axis, escaped};

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 230.0;
/// Room for what stands beside the axes.
const LEFT: f64 = 46.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 34.0;

/// Contestants' colours; those who are more begin again, dashed.
const COLOURS: [&str; 9] = [
    "#3b82c4", "#d1762b", "#3c9d6b", "#a64ca6", "#b8a02c", "#5f6caf", "#c4506a", "#2f9aa0",
    "#7a6a53",
];

pub(super) struct Line {
    pub(super) name: String,
    /// Of the contestant, in the order of the record.
    pub(super) number: usize,
    pub(super) points: Vec<(f64, f64)>,
}

pub(super) struct Chart {
    pub(super) title: String,
    pub(super) below: String,
    pub(super) x: Axis,
    pub(super) y: Axis,
    pub(super) lines: Vec<Line>,
    /// What a value is called.
    pub(super) value: fn(f64) -> String,
    /// Whether each point is a value of its own, rather than a place on a curve.
    pub(super) has_dots: bool,
}

pub(super) fn colour(number: usize) -> &'static str {
    COLOURS[number % COLOURS.len()]
}

fn dash(number: usize) -> &'static str {
    if number < COLOURS.len() { "none" } else { "4 3" }
}

impl Chart {
    pub(super) fn html(&self) -> String {
        let title = escaped(&self.title);
        let (mut svg, below) = (String::new(), escaped(&self.below));
        self.axes(&mut svg);
        for line in &self.lines {
            self.line(&mut svg, line);
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        format!(
            "<figure><figcaption>{title}</figcaption>\
             <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title}\">{svg}\
             <text x=\"{middle}\" y=\"{:.0}\" text-anchor=\"middle\">{below}</text></svg></figure>\n",
            HEIGHT - 4.0
        )
    }

    fn place(&self, x: f64, y: f64) -> Option<(f64, f64)> {
        let (right, up) = (self.x.at(x)?, self.y.at(y)?);
        let across = (WIDTH - LEFT - RIGHT).mul_add(right, LEFT);
        Some((across, (HEIGHT - TOP - BOTTOM).mul_add(1.0 - up, TOP)))
    }

    fn axes(&self, svg: &mut String) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for (at, name) in self.y.ticks() {
            let y = (bottom - TOP).mul_add(1.0 - at, TOP);
            write!(
                svg,
                "<path d=\"M{LEFT} {y:.1}H{right}\" class=\"grid\"/>\
                 <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
                LEFT - 5.0,
                y + 4.0
            )
            .ok();
        }
        let mut free = f64::NEG_INFINITY;
        for (at, name) in self.x.ticks() {
            let x = (right - LEFT).mul_add(at, LEFT);
            write!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" class=\"grid\"/>").ok();
            // Names that would touch the one before are left out.
            if x >= free {
                let y = bottom + 14.0;
                write!(svg, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\">{name}</text>")
                    .ok();
                free = x + 30.0;
            }
        }
    }

    fn line(&self, svg: &mut String, line: &Line) {
        let (colour, dash, name) = (colour(line.number), dash(line.number), escaped(&line.name));
        let mut path = String::new();
        for &(x, y) in &line.points {
            let Some((across, down)) = self.place(x, y) else { continue };
            let verb = if path.is_empty() { 'M' } else { 'L' };
            write!(path, "{verb}{across:.1} {down:.1}").ok();
            if self.has_dots {
                write!(
                    svg,
                    "<circle cx=\"{across:.1}\" cy=\"{down:.1}\" r=\"3\" fill=\"{colour}\">\
                     <title>{name}: {}</title></circle>",
                    (self.value)(y)
                )
                .ok();
            }
        }
        write!(
            svg,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" \
             stroke-dasharray=\"{dash}\"><title>{name}</title></path>"
        )
        .ok();
    }
}
