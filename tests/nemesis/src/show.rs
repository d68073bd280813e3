//! What a person sees while it runs.

use std::{io::Write as _, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use leasehold_stack::Progress;

use crate::{fault::Planned, run::Watch};

/// A line that moves, on a terminal; otherwise only the steps.
#[derive(Debug)]
pub struct Screen {
    bar: ProgressBar,
}

impl Screen {
    /// For a run of about this length.
    #[must_use]
    pub fn new(length: Duration) -> Self {
        let bar = ProgressBar::new(length.as_secs());
        // Only a malformed template is refused.
        if let Ok(style) =
            ProgressStyle::with_template("{elapsed_precise} {bar:24} {pos}/{len} s  {msg}")
        {
            bar.set_style(style);
        }
        Self { bar }
    }
}

impl Progress for Screen {
    fn step(&self, what: &str) {
        self.bar.suspend(|| print(what));
    }
}

impl Watch for Screen {
    fn now(&self, at: Duration, answered: usize, under_way: &[Planned]) {
        let faults: Vec<String> = under_way.iter().map(|one| one.fault.about()).collect();
        self.bar.set_position(at.as_secs());
        self.bar.set_message(format!("{answered} answered  {}", faults.join(", ")));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Tells the person who started this program.
pub fn print(what: &str) {
    // Nobody may be listening any more.
    writeln!(std::io::stderr(), "{what}").ok();
}
