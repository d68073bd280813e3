//! What this machine can do to servers.

use leasehold_stack::Namespace;
use serde::{Deserialize, Serialize};

/// What this machine can do to servers, beyond what every one can. All false by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Means {
    /// Whether clocks can be set.
    pub clocks: bool,
    /// Whether there is a load balancer.
    pub balancer: bool,
    /// Whether disks can be full. They are in memory then, and small: not for long runs.
    pub small_disks: bool,
    /// Whether syncs can be held up.
    pub slow_syncs: bool,
    /// Whether the first replica can have a network of its own.
    pub networks: bool,
}

impl Means {
    /// How many requests the small disks of a run surely have room for.
    pub const REQUESTS_ON_SMALL_DISKS: f64 = 60_000.0;

    /// Which kinds of fault do not take part without what is missing, and what that would be.
    #[must_use]
    pub fn lacking(self) -> Vec<&'static str> {
        let all = [
            (self.clocks, "clocks that jump (libfaketime, and no --no-clocks)"),
            (self.balancer, "the load balancer (haproxy)"),
            (self.small_disks, "full disks (root, and a run that is not too long for small ones)"),
            (self.slow_syncs, "slow syncs (strace that may attach to processes)"),
            (self.networks, "parted networks (Linux, root, ip and nft)"),
        ];
        all.into_iter().filter(|(is_here, _)| !is_here).map(|(_, what)| what).collect()
    }

    /// All that this machine has. Blocks while it is tried out.
    #[must_use]
    pub fn here() -> Self {
        let has = |means: leasehold_stack::Means| means.missing().is_none();
        Self {
            clocks: has(leasehold_stack::Means::Clocks),
            balancer: has(leasehold_stack::Means::LoadBalancer),
            small_disks: has(leasehold_stack::Means::SmallDisks),
            slow_syncs: has(leasehold_stack::Means::SlowSyncs),
            networks: Namespace::create().is_ok(),
        }
    }
}
