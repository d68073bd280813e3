//! Tells a person what is going on while servers are found, fetched and started.

use std::io::Write as _;
use std::time::Instant;

/// Hears about each step as it begins.
pub trait Progress: Send + Sync {
    /// One line for a person, lower case, without a full stop.
    fn step(&self, message: &str);
}

/// Says nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn step(&self, _message: &str) {}
}

/// Writes a line to stderr with the seconds since it was made.
#[derive(Clone, Copy, Debug)]
pub struct Stderr {
    begun: Instant,
}

impl Stderr {
    /// Starts counting the seconds now.
    #[must_use]
    pub fn new() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Default for Stderr {
    fn default() -> Self {
        Self::new()
    }
}

impl Progress for Stderr {
    fn step(&self, message: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        // A closed stderr is no reason to stop.
        writeln!(std::io::stderr(), "{seconds:6.1}s  {message}").ok();
    }
}
