//! How a person, or a program, ends one that has started servers: what it started ends in order, and nothing is left.

use std::{error::Error, fmt, future::Future};

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signal that ended a program before it was done. By then everything that it started has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Ctrl-C (SIGINT).
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// The terminal is gone (SIGHUP).
    HungUp,
}

impl Ended {
    /// What a shell expects of a program that such a signal ended: 128 and the signal's number.
    #[must_use]
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::HungUp => 129,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupted => "interrupted; everything is stopped",
            Self::Terminated => "terminated (SIGTERM); everything is stopped",
            Self::HungUp => "the terminal is gone (SIGHUP); everything is stopped",
        })
    }
}

impl Error for Ended {}

/// Works until it is done, or until somebody asks this program to end: then `work` is dropped, and with it all that
/// it started, and the error is an [`Ended`]. What tasks of the runtime hold ends with the runtime, so say so only
/// afterwards.
///
/// A hang-up is no reason where it is ignored, as under `nohup`.
///
/// # Errors
/// Those of `work`, and [`Ended`].
pub async fn until_ended<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    // Before anything is started: from here on no signal ends us in the midst of it.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = match hang_ups_are_ignored() {
        true => None,
        false => Some(signal(SignalKind::hangup())?),
    };
    let ended = tokio::select! {
        done = work => return done,
        _ = interrupt.recv() => Ended::Interrupted,
        _ = terminate.recv() => Ended::Terminated,
        () = heard(hang_up.as_mut()) => Ended::HungUp,
    };
    Err(ended.into())
}

async fn heard(signal: Option<&mut Signal>) {
    match signal {
        Some(signal) => drop(signal.recv().await),
        None => std::future::pending().await,
    }
}

/// Whether whoever started us wants us to outlive the terminal. Where there is no `/proc`, nobody does.
fn hang_ups_are_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores_hang_ups(&status)
}

fn ignores_hang_ups(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // The first signal is the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_lowest_bit_is_the_hang_up() {
        for (mask, is_ignored) in
            [("0000000000000001", true), ("fffffffe7ffbfefe", false), ("0", false), ("?", false)]
        {
            let status = format!("Name:\tx\nSigBlk:\tffff\nSigIgn:\t{mask}\nSigCgt:\tffff\n");
            assert_eq!(ignores_hang_ups(&status), is_ignored, "{mask}");
        }
        assert!(!ignores_hang_ups(""));
    }

    #[tokio::test]
    async fn what_is_done_in_time_is_as_it_is() {
        assert_eq!(until_ended(async { Ok(7) }).await.unwrap(), 7);
        let failed = until_ended::<()>(async { anyhow::bail!("broken") }).await.unwrap_err();
        assert_eq!(failed.downcast_ref::<Ended>(), None);
    }
}
