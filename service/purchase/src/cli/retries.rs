//! How often a decision that was overtaken is taken again.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::grant::{Pause, Retries};

/// By how much a growing pause grows: each time, half as many meet again.
const FACTOR: f64 = 2.0;

/// How often a decision that was overtaken is taken again, in sales that grant without a lease.
#[derive(Args)]
pub(super) struct RetryArgs {
    /// Of sales without leases: how often a request that others overtook is decided again at once. More
    /// answer sooner while few collide, and make it worse when many do
    #[arg(long = "retries-instant", env = "LEASEHOLD_RETRIES_INSTANT", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=1000))]
    instant: u32,

    /// How often it is decided again after a pause, beyond those, as long as its patience lasts. More
    /// mean fewer answers "conflict" in a rush, fewer mean that buyers know sooner
    #[arg(long = "retries-delayed", env = "LEASEHOLD_RETRIES_DELAYED", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    delayed: u32,

    /// The first of these pauses, in milliseconds; each is a random part of what is set, so that those
    /// who collided do not do so again. About as long as a transaction takes
    #[arg(long = "retries-pause-ms", env = "LEASEHOLD_RETRIES_PAUSE_MS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pause_ms: u64,

    /// How the pauses go on: growing ones spread a crowd of any size, fixed ones answer sooner where
    /// few collide
    #[arg(long = "retries-growth", env = "LEASEHOLD_RETRIES_GROWTH", value_enum, default_value_t = Growth::Exponential)]
    growth: Growth,

    /// The longest pause, if they grow, in milliseconds: nobody waits for longer after the others
    /// have gone
    #[arg(long = "retries-pause-max-ms", env = "LEASEHOLD_RETRIES_PAUSE_MAX_MS", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pause_max_ms: u64,
}

/// How pauses go on from the first one.
#[derive(Clone, Copy, ValueEnum)]
enum Growth {
    /// All are as long as the first
    Fixed,
    /// Each is twice as long as the one before, up to the longest
    Exponential,
}

impl RetryArgs {
    pub(super) fn check(&self) -> anyhow::Result<Retries> {
        let first = Duration::from_millis(self.pause_ms);
        let pause = match self.growth {
            Growth::Fixed => Pause::Fixed(first),
            Growth::Exponential => {
                let max = Duration::from_millis(self.pause_max_ms);
                anyhow::ensure!(
                    first <= max,
                    "LEASEHOLD_RETRIES_PAUSE_MS is more than LEASEHOLD_RETRIES_PAUSE_MAX_MS"
                );
                Pause::Exponential { first, factor: FACTOR, max }
            }
        };
        Ok(Retries { instant: self.instant, delayed: self.delayed, pause, jitter: true })
    }
}
