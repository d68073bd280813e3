//! Sleeps of less than a millisecond.
//!
//! The clock of tokio ticks in milliseconds, and to spin would take a core from the servers, so on Linux this
//! is a timer of the kernel (timerfd); elsewhere, a thread that sleeps.

use std::{io, time::Duration};

#[cfg(target_os = "linux")]
use nix::sys::{
    time::TimeSpec,
    timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags},
};

#[cfg(target_os = "linux")]
pub(crate) struct Timer {
    timer: TimerFd,
    /// The same timer. It is read like a pipe, eight bytes when it rings.
    rings: tokio::net::unix::pipe::Receiver,
}

#[cfg(target_os = "linux")]
impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        use std::os::fd::AsFd as _;

        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        let same = timer.as_fd().try_clone_to_owned()?;
        Ok(Self { timer, rings: tokio::net::unix::pipe::Receiver::from_owned_fd_unchecked(same)? })
    }

    /// A length of nothing is over at once.
    pub(crate) async fn sleep(&mut self, length: Duration) -> io::Result<()> {
        use tokio::io::AsyncReadExt as _;

        if length.is_zero() {
            return Ok(());
        }
        let once = Expiration::OneShot(TimeSpec::from_duration(length));
        self.timer.set(once, TimerSetTimeFlags::empty())?;
        self.rings.read_exact(&mut [0; 8]).await.map(drop)
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) struct Timer;

#[cfg(not(target_os = "linux"))]
impl Timer {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// A length of nothing is over at once.
    pub(crate) async fn sleep(&mut self, length: Duration) -> io::Result<()> {
        if length.is_zero() {
            return Ok(());
        }
        Ok(tokio::task::spawn_blocking(move || std::thread::sleep(length)).await?)
    }
}
