//! The critical section: how long it lasts, and who is in it.

use std::{
    fs::{File, TryLockError},
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::timer::Timer;

/// Sleeps for the length of the section.
pub(super) struct Section {
    length: Duration,
    timer: Timer,
}

impl Section {
    pub(super) fn new(length: Duration) -> io::Result<Self> {
        Ok(Self { length, timer: Timer::new()? })
    }

    /// A section without length does not even yield.
    pub(super) async fn pass(&mut self) -> io::Result<()> {
        if self.length.is_zero() { Ok(()) } else { self.timer.sleep(self.length).await }
    }
}

/// Sees whether two were in the section at once.
pub(super) struct Witness {
    inside: Arc<AtomicU64>,
    /// Locked while inside, which other processes notice.
    file: Option<File>,
    locked: bool,
}

impl Witness {
    /// One of several that know of each other through `inside`, and of those in other processes
    /// through the file at `path`.
    pub(super) fn new(inside: &Arc<AtomicU64>, path: Option<&Path>) -> io::Result<Self> {
        let file = path.map(|path| File::options().append(true).create(true).open(path));
        Ok(Self { inside: Arc::clone(inside), file: file.transpose()?, locked: false })
    }

    /// Says whether somebody is in there already.
    pub(super) fn enter(&mut self) -> io::Result<bool> {
        let mut met = self.inside.fetch_add(1, Ordering::SeqCst) > 0;
        if let Some(file) = &self.file {
            self.locked = match file.try_lock() {
                Ok(()) => true,
                Err(TryLockError::WouldBlock) => false,
                Err(TryLockError::Error(error)) => return Err(error),
            };
            met |= !self.locked;
        }
        Ok(met)
    }

    pub(super) fn leave(&mut self) -> io::Result<()> {
        if let Some(file) = self.file.as_ref().filter(|_| self.locked) {
            file.unlock()?;
        }
        self.locked = false;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn two_at_once_are_seen_in_one_process_and_through_the_file() {
        let path = std::env::temp_dir().join(format!("bench-witness-{}", std::process::id()));
        for path in [None, Some(path.as_path())] {
            let here = Arc::new(AtomicU64::new(0));
            // With a file the other might be in another process: it shares no counter.
            let there = if path.is_some() { Arc::default() } else { Arc::clone(&here) };
            let mut one = Witness::new(&here, path).unwrap();
            let mut other = Witness::new(&there, path).unwrap();
            assert!(!one.enter().unwrap());
            assert!(other.enter().unwrap());
            other.leave().unwrap();
            one.leave().unwrap();
            assert!(!other.enter().unwrap());
        }
        std::fs::remove_file(path).unwrap();
    }

    #[tokio::test]
    async fn a_section_lasts_as_long_as_asked_each_time() {
        let mut section = Section::new(Duration::from_micros(1500)).unwrap();
        for _ in 0..3 {
            let begun = Instant::now();
            section.pass().await.unwrap();
            assert!(begun.elapsed() >= Duration::from_micros(1500));
        }
    }
}
