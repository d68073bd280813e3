//! The configurations in which every invariant must hold.

use crate::config::{Config, Expiry, Hints, Loss, RegisterRule, Replies, Waits};

/// A second between two readings of the clock, less than the quarantine that lies between them: then
/// clocks are past all numbers that were written ahead. `mistakes::limits` has the other case.
const FAR: u64 = 1_000_000;

/// The configurations that a test run goes through completely.
#[must_use]
pub fn small() -> Vec<Config> {
    let fenced = Some(RegisterRule::Fenced);
    vec![
        grants("grants", 2, 2),
        Config { silence: true, ..Config::new("silence", 2, 2) },
        Config { hints: Hints::UpTo(2), ..Config::new("hints", 2, 2) },
        Config { late: 1, ..Config::new("late", 2, 2) },
        Config { nodes: 1, ..grants("one-node", 2, 3) },
        Config { nodes: 5, ..Config::new("five-nodes", 1, 2) },
        Config { register: fenced, ..Config::new("register", 2, 2) },
        Config { renewals: true, ..Config::new("renewals", 2, 2) },
        Config { late: 1, ..bounded("bounded-timing", 2, 2) },
        Config { expiry: Expiry::Never, late: 1, ..bounded("releases-only", 2, 2) },
        amnesia("flush", Loss::Flushed, 2, 2, 1),
        amnesia("restart", Loss::Restarted, 1, 2, 1),
        amnesia("rollback", Loss::RolledBack, 1, 2, 1),
        clock(amnesia("two-amnesias", Loss::Flushed, 1, 2, 2)),
        clock(amnesia("total-loss", Loss::RestartedEmpty, 1, 2, 2)),
        bounded_amnesia("bounded-timing-flush", 2, 2),
        Config { renewals: true, ..amnesia("renewals-flush", Loss::Flushed, 1, 2, 1) },
        stale_admission(),
        waits(Config::new("handed-over", 2, 2)),
        waits(bounded("handed-over-bounded-timing", 2, 2)),
        waits(Config { nodes: 1, ..amnesia("handed-over-restart", Loss::Restarted, 2, 3, 1) }),
    ]
}

/// The configurations that are run by hand, completely where time allows. "2x3" is two at once,
/// three in all.
#[must_use]
pub fn large() -> Vec<Config> {
    let fenced = Some(RegisterRule::Fenced);
    vec![
        grants("grants-2x3", 2, 3),
        grants("grants-3x3", 3, 3),
        Config::new("grants-2x4", 2, 4),
        Config { hints: Hints::UpTo(2), ..Config::new("hints-2x3", 2, 3) },
        Config { late: 2, ..Config::new("late-2x2", 2, 2) },
        Config { late: 1, ..Config::new("late-2x3", 2, 3) },
        Config { nodes: 5, ..Config::new("five-nodes-2x2", 2, 2) },
        Config { register: fenced, ..Config::new("register-2x3", 2, 3) },
        Config { register: fenced, ..Config::new("register-3x3", 3, 3) },
        Config { renewals: true, late: 1, ..Config::new("renewals-late-2x2", 2, 2) },
        Config { late: 1, ..bounded("bounded-timing-2x3", 2, 3) },
        bounded_amnesia("bounded-timing-flush-2x3", 2, 3),
        amnesia("flush-2x3", Loss::Flushed, 2, 3, 1),
        Config { late: 1, ..amnesia("flush-late-2x2", Loss::Flushed, 2, 2, 1) },
        amnesia("restart-2x2", Loss::Restarted, 2, 2, 1),
        amnesia("rollback-2x2", Loss::RolledBack, 2, 2, 1),
        clock(amnesia("two-amnesias-2x2", Loss::RestartedEmpty, 2, 2, 2)),
        clock(amnesia("total-loss-2x2", Loss::Flushed, 2, 2, 3)),
        Config {
            register: fenced,
            renewals: true,
            ..amnesia("everything-2x2", Loss::Flushed, 2, 2, 1)
        },
        named(Config::new("handed-over-2x2", 2, 2)),
        named(Config { nodes: 1, ..Config::new("handed-over-one-node-3x3", 3, 3) }),
        named(Config::new("handed-over-3x3", 3, 3)),
        named(Config { register: fenced, ..Config::new("handed-over-register-2x2", 2, 2) }),
        waits(Config { late: 1, ..bounded("handed-over-bounded-timing-2x2", 2, 2) }),
        waits(bounded("handed-over-bounded-timing-3x3", 3, 3)),
        named(amnesia("handed-over-restart-1x2", Loss::Restarted, 1, 2, 1)),
        waits(amnesia("handed-over-flush-2x2", Loss::Flushed, 2, 2, 1)),
        named(bounded_amnesia("handed-over-bounded-timing-flush-2x2", 2, 2)),
    ]
}

fn grants(name: &'static str, at_once: usize, attempts: usize) -> Config {
    Config { replies: Replies::AnyTime, ..Config::new(name, at_once, attempts) }
}

fn bounded(name: &'static str, at_once: usize, attempts: usize) -> Config {
    let expiry = Expiry::AfterItsOwner;
    Config { expiry, releases: true, ..Config::new(name, at_once, attempts) }
}

fn amnesia(
    name: &'static str,
    loss: Loss,
    at_once: usize,
    attempts: usize,
    amnesias: u8,
) -> Config {
    let losses = match loss {
        Loss::Flushed => const { &[Loss::Flushed] },
        Loss::RestartedEmpty => const { &[Loss::RestartedEmpty] },
        Loss::Restarted => const { &[Loss::Restarted] },
        Loss::RolledBack => const { &[Loss::RolledBack] },
    };
    Config { losses, amnesias, ..Config::new(name, at_once, attempts) }
}

fn bounded_amnesia(name: &'static str, at_once: usize, attempts: usize) -> Config {
    Config { expiry: Expiry::AfterItsOwner, ..amnesia(name, Loss::Flushed, at_once, attempts, 1) }
}

/// An admission arrives twice, and the second time after another outage.
fn stale_admission() -> Config {
    Config {
        late: 1,
        one_at_a_time: true,
        hints: Hints::UpTo(3),
        expiry: Expiry::Never,
        ..amnesia("admission-from-before", Loss::Flushed, 1, 2, 2)
    }
}

fn waits(mut config: Config) -> Config {
    config.waits = Waits::InOrder;
    config
}

fn named(mut config: Config) -> Config {
    config.waits = Waits::Named;
    config
}

fn clock(mut config: Config) -> Config {
    config.hints = Hints::Clock(FAR);
    config
}
