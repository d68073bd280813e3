//! Rules left out on purpose: each must be caught, or the checker proves nothing.

use crate::{
    config::{
        ClientRule, Config, Expiry, Floor, Guard, Hints, Loss, NodeRule, RegisterRule, Waits,
    },
    protocol::{I1, I2, I3, I4, I5, I6},
};

/// A configuration that breaks one rule, and the invariants that this violates.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// The configuration.
    pub config: Config,
    /// What must be found violated.
    pub violates: &'static [&'static str],
}

/// 50 seconds between two readings of the clock: longer than numbers lead it.
const FAR: u64 = 50_000_000;

/// A millisecond between two readings.
const NEAR: u64 = 1000;

const FLUSHED: &[Loss] = &[Loss::Flushed];

/// Every planted mistake.
#[must_use]
pub fn mistakes() -> Vec<Mistake> {
    [tokens(), stores(), memories(), limits()].concat()
}

/// Mistakes of nodes and clients that never forget anything.
#[must_use]
pub fn tokens() -> Vec<Mistake> {
    let new = |name, at_once, attempts| planted(Config::new(name, at_once, attempts));
    let naive = Config { client_rule: ClientRule::LargestGrant, ..new("naive-increment", 2, 3) };
    let commit = Config { node_rule: NodeRule::CommitUnchecked, ..new("commit-unchecked", 2, 3) };
    let renew = Config {
        node_rule: NodeRule::RenewByOwner,
        renewals: true,
        late: 1,
        ..new("renew-by-owner", 2, 2)
    };
    let release = Config {
        node_rule: NodeRule::ReleaseAnyone,
        releases: true,
        expiry: Expiry::Never,
        ..new("release-anyone", 2, 3)
    };
    let number = Config {
        node_rule: NodeRule::HandOverOldNumber,
        waits: Waits::InOrder,
        ..new("handed-over-with-old-number", 2, 2)
    };
    vec![
        Mistake { config: number, violates: &[I2] },
        Mistake { config: naive, violates: &[I2] },
        Mistake { config: commit, violates: &[I2] },
        Mistake { config: renew, violates: &[I5] },
        Mistake { config: release, violates: &[I6] },
    ]
}

/// Mistakes of the protected store.
#[must_use]
pub fn stores() -> Vec<Mistake> {
    let with = |name, rule| Config { register: Some(rule), ..planted(Config::new(name, 2, 2)) };
    let equal = Config {
        losses: FLUSHED,
        amnesias: 1,
        guard: Guard::Nothing,
        ..with("register-equal-token", RegisterRule::EqualTokenOfAnother)
    };
    vec![
        Mistake { config: with("register-unfenced", RegisterRule::Unfenced), violates: &[I3, I4] },
        Mistake {
            config: with("register-at-write-only", RegisterRule::OnlyAtWrite),
            violates: &[I4],
        },
        Mistake {
            config: with("register-two-transactions", RegisterRule::TwoTransactions),
            violates: &[I3],
        },
        Mistake { config: equal, violates: &[I3] },
    ]
}

/// Mistakes around nodes that forget.
#[must_use]
pub fn memories() -> Vec<Mistake> {
    let forgets = |name, at_once, attempts, guard| Config {
        losses: FLUSHED,
        amnesias: 1,
        guard,
        ..planted(Config::new(name, at_once, attempts))
    };
    let rollback = Config {
        losses: &[Loss::RolledBack],
        ..forgets("rollback-without-guard", 2, 2, Guard::Nothing)
    };
    let hasty =
        Config { hints: Hints::UpTo(3), ..forgets("no-quarantine", 1, 2, Guard::FloorAtOnce) };
    let store_alone = Config {
        amnesias: 2,
        floor: Floor::RegisterAlone,
        hints: Hints::UpTo(3),
        register: Some(RegisterRule::Fenced),
        ..forgets("floor-from-store-alone", 1, 2, Guard::QuarantineAndFloor)
    };
    let no_guard = forgets("amnesia-without-guard", 2, 2, Guard::Nothing);
    let bounded = Config {
        expiry: Expiry::AfterItsOwner,
        ..forgets("amnesia-without-guard-bounded-timing", 2, 2, Guard::Nothing)
    };
    vec![
        Mistake { config: no_guard, violates: &[I1, I2] },
        Mistake { config: bounded, violates: &[I2, I6] },
        Mistake { config: rollback, violates: &[I2] },
        Mistake { config: hasty, violates: &[I1] },
        Mistake { config: store_alone, violates: &[I1] },
    ]
}

/// Nodes keep their places, so that a counterexample can be read.
fn planted(mut config: Config) -> Config {
    config.symmetric = false;
    config
}

/// Not mistakes but limits: what the protocol does not withstand, so that nobody believes it does.
#[must_use]
pub fn limits() -> Vec<Mistake> {
    let forgets = |name, amnesias| Config {
        losses: FLUSHED,
        amnesias,
        hints: Hints::UpTo(3),
        // Nothing but the loss of data frees a lease: fewer states, and it suffices.
        expiry: Expiry::Never,
        ..Config::new(name, 1, 2)
    };
    let wrong_clock =
        Config { hints: Hints::WrongClock(FAR), ..forgets("total-loss-with-wrong-clock", 2) };
    let too_soon =
        Config { hints: Hints::Clock(NEAR), ..forgets("total-loss-soon-after-rejoin", 3) };
    vec![
        Mistake { config: wrong_clock, violates: &[I1] },
        Mistake { config: too_soon, violates: &[I1] },
    ]
}
