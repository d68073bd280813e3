//! What faults need that a machine may lack.

use std::env;
use std::io::Write as _;
use std::thread;

use crate::{clock, disk, load_balancer, slow_sync};

/// What some faults need. A test without it is skipped aloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    /// To set the clock of a process: libfaketime. `LEASEHOLD_FAKETIME=required` forbids to skip.
    Clocks,
    /// To have a load balancer: haproxy. `LEASEHOLD_PROXY=required` forbids to skip.
    LoadBalancer,
    /// To give a server a disk that can be full: root, and the right to mount.
    /// `LEASEHOLD_ROOT=required` forbids to skip.
    SmallDisks,
    /// To hold up the syncs of a process: strace. `LEASEHOLD_STRACE=required` forbids to skip.
    SlowSyncs,
}

impl Means {
    /// Whether this machine has it. If not, says on stderr that the test of this thread is skipped, and
    /// why.
    ///
    /// # Panics
    /// When it is missing although its variable says `required`, or when that says something unknown.
    #[must_use]
    #[track_caller]
    pub fn are_here(self) -> bool {
        let variable = self.variable();
        let said = env::var(variable).unwrap_or_default();
        // A word that is misspelt would otherwise require nothing, in silence.
        assert!(
            ["", "required"].contains(&said.as_str()),
            "{variable} is the unknown word {said:?}"
        );
        let Some(why) = self.missing() else { return true };
        assert!(said.is_empty(), "{variable}={said}, but {why}");
        let thread = thread::current();
        let test = thread.name().unwrap_or("a test");
        let line = format!("\nskipped: {test}: {why} ({variable}=required makes this a failure)\n");
        // Past the capture of the test harness, which shows nothing of a test that passes.
        std::io::stderr().write_all(line.as_bytes()).ok();
        false
    }

    /// Why this machine lacks it; `None` if it does not. Blocks while it is tried out.
    #[must_use]
    pub fn missing(self) -> Option<&'static str> {
        let (is_missing, why) = match self {
            Self::Clocks => (clock::library().is_none(), clock::MISSING),
            Self::LoadBalancer => (load_balancer::program().is_none(), load_balancer::MISSING),
            Self::SmallDisks => (!disk::can_be_mounted(), disk::MISSING),
            Self::SlowSyncs => (!slow_sync::is_possible(), slow_sync::MISSING),
        };
        is_missing.then_some(why)
    }

    const fn variable(self) -> &'static str {
        match self {
            Self::Clocks => "LEASEHOLD_FAKETIME",
            Self::LoadBalancer => "LEASEHOLD_PROXY",
            Self::SmallDisks => "LEASEHOLD_ROOT",
            Self::SlowSyncs => "LEASEHOLD_STRACE",
        }
    }
}
