//! With every rule in force, every invariant holds in every reachable state.

use std::time::Duration;

use leasehold_protocol::{
    catalogue,
    run::{self, Limit},
};

/// Far above what any of them takes, on a slow machine too.
const LIMIT: Limit = Limit { time: Duration::from_secs(300), threads: 2 };

#[test]
fn no_order_of_events_violates_an_invariant() {
    for config in catalogue::small() {
        let found = run::check(&config, LIMIT);
        assert!(found.holds(), "{}: {found:#?}", config.name);
        assert!(found.exhaustive, "{}: not all states were seen", config.name);
    }
}
