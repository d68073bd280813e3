//! Every rule that is left out is missed: a checker that finds nothing then proves nothing.
#![expect(
    clippy::print_stdout,
    reason = "what each took is shown when a test fails, or is asked for"
)]

use std::time::Duration;

use leasehold_protocol::{
    mistakes::{self, Mistake},
    run::{self, Limit},
    step::Action,
};

/// Far above what any of them takes, on a slow machine too.
const LIMIT: Limit = Limit { time: Duration::from_secs(300), threads: 2 };

#[track_caller]
fn check_caught(mistakes: Vec<Mistake>) {
    for Mistake { config, violates } in mistakes {
        let found = run::catch(&config, LIMIT, violates);
        println!("{}: {} states in {:?}", config.name, found.states, found.took);
        for invariant in violates {
            let leads_there = |(violated, actions): &(&str, Vec<Action>)| {
                violated == invariant && !actions.is_empty()
            };
            let caught = found.violated.iter().any(leads_there);
            assert!(caught, "{} does not violate {invariant}", config.name);
        }
    }
}

#[test]
fn tokens_need_a_commit_that_is_checked_and_renewals_that_compare_the_token() {
    check_caught(mistakes::tokens());
}

#[test]
fn the_store_must_claim_before_it_reads_and_again_with_the_write() {
    check_caught(mistakes::stores());
}

#[test]
fn a_node_that_forgot_needs_a_guard_a_quarantine_and_a_floor() {
    check_caught(mistakes::memories());
}

#[test]
fn the_known_limits_are_limits() {
    check_caught(mistakes::limits());
}
