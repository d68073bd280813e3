//! A line on the terminal that says how far a table's row is. Without a terminal there is none.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// How often the time on the line moves: seldom, since whoever draws takes from what is measured.
const TICK: Duration = Duration::from_secs(1);

/// Rounds of one row. Dropping it clears the line, so that tables can be printed.
#[derive(Debug)]
pub(crate) struct Rounds {
    bar: ProgressBar,
    about: String,
}

impl Rounds {
    /// So many rounds of each of so many contestants.
    pub(crate) fn new(about: &str, rounds: u32, contestants: usize) -> Self {
        let bar = ProgressBar::new(u64::from(rounds) * contestants as u64);
        // Only a malformed template is refused.
        if let Ok(style) = ProgressStyle::with_template("{elapsed} {bar:24} {pos}/{len}  {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(TICK);
        Self { bar, about: about.to_owned() }
    }

    /// The next round is of this contestant.
    pub(crate) fn next(&self, contestant: &str) {
        self.bar.set_message(format!("{contestant}: {}", self.about));
        self.bar.inc(1);
    }
}

impl Drop for Rounds {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
