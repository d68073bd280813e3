//! The folder of one stack, and the sweep of those that killed owners left behind.

use std::fs::{self, DirBuilder, File, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use nix::sys::signal::Signal;

use crate::identity::{Identity, give};
use crate::{Progress, disk, process_table};

const PREFIX: &str = "leasehold-stack-";
/// Held by the owner as long as it lives, whatever happens to its process number.
const LOCK: &str = "owner.lock";
/// How long left-overs may take to end, once told to and once killed.
const SWEEP_LIMIT: Duration = Duration::from_secs(2);

/// A folder under the temporary folder. Dropping it removes it with all it holds.
#[derive(Debug)]
pub(crate) struct StackFolder {
    path: PathBuf,
    /// Kept open: the lock says that the owner lives.
    _lock: File,
}

impl StackFolder {
    pub(crate) fn create(
        servers: Option<Identity>,
        progress: &dyn Progress,
    ) -> anyhow::Result<Self> {
        let parent = parent_folder(servers)?;
        for left in sweep(&parent) {
            progress.step(&format!("removed {}, its owner was killed", left.display()));
        }
        let name = format!("{PREFIX}{}-{:08x}", std::process::id(), rand::random::<u32>());
        let path = parent.join(name);
        private_folder(&path, None)?;
        let lock = lock_folder(&path).inspect_err(|_| drop(fs::remove_dir_all(&path)))?;
        let folder = Self { path, _lock: lock };
        if servers.is_some() {
            // The servers walk through it to their own folders; they cannot list it.
            fs::set_permissions(&folder.path, Permissions::from_mode(0o711))?;
        }
        Ok(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StackFolder {
    fn drop(&mut self) {
        // Twice: a process of the caller that still writes its log may add a file meanwhile.
        if fs::remove_dir_all(&self.path).is_err() {
            fs::remove_dir_all(&self.path).ok();
        }
    }
}

/// Makes a folder that only `owner` (ourselves when `None`) may enter.
pub(crate) fn private_folder(path: &Path, owner: Option<Identity>) -> anyhow::Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .with_context(|| format!("cannot make the folder {}", path.display()))?;
    give(path, owner)
}

fn lock_folder(path: &Path) -> anyhow::Result<File> {
    let file = File::create(path.join(LOCK))?;
    file.lock().with_context(|| format!("cannot lock {}", path.join(LOCK).display()))?;
    Ok(file)
}

/// The temporary folder; when we are root, one that the servers' user can reach.
fn parent_folder(servers: Option<Identity>) -> anyhow::Result<PathBuf> {
    let usual = std::env::temp_dir();
    let usual = fs::canonicalize(&usual)
        .with_context(|| format!("no temporary folder at {}", usual.display()))?;
    if servers.is_none() || Identity::can_reach(&usual) {
        return Ok(usual);
    }
    ["/tmp", "/var/tmp"]
        .into_iter()
        .map(PathBuf::from)
        .find(|folder| Identity::can_reach(folder))
        .with_context(|| {
            format!("uid 65534 can reach neither {} nor /tmp nor /var/tmp", usual.display())
        })
}

/// Removes the folders of our user whose owners ended without removing them, and ends what
/// still works inside: a paused server sleeps through its owner's death.
fn sweep(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    let left: Vec<PathBuf> =
        entries.flatten().map(|entry| entry.path()).filter(|path| is_left_over(path)).collect();
    for folder in &left {
        let pids = process_table::working_in(folder);
        // A paused Postgres has been told to shut down when its owner died; awake it does, and
        // gives its shared memory back. Whoever does not obey is killed.
        for signal in [Signal::SIGCONT, Signal::SIGKILL] {
            for pid in &pids {
                process_table::send(*pid, signal);
            }
            if process_table::all_gone(&pids, SWEEP_LIMIT) {
                break;
            }
        }
        disk::unmount_below(folder);
        fs::remove_dir_all(folder).ok();
    }
    left
}

/// The owner's process is gone *and* its lock is free: under another container's process
/// numbers the first alone would be wrong, while a folder is being made the second would.
fn is_left_over(path: &Path) -> bool {
    let owner = path
        .file_name()
        .and_then(|name| name.to_str()?.strip_prefix(PREFIX)?.split('-').next()?.parse().ok());
    let Some(owner) = owner else { return false };
    let ours = fs::symlink_metadata(path)
        .is_ok_and(|found| found.is_dir() && found.uid() == nix::unistd::geteuid().as_raw());
    if !ours || process_table::is_alive(owner) {
        return false;
    }
    File::open(path.join(LOCK)).map_or(true, |lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Silent;

    #[test]
    fn a_folder_is_left_over_when_its_owner_is_dead_and_its_lock_is_free() {
        let temp = tempfile::tempdir().unwrap();
        // Larger than any process number that Linux or macOS gives out.
        let dead = temp.path().join("leasehold-stack-2000000000-1");
        private_folder(&dead, None).unwrap();
        let lock = lock_folder(&dead).unwrap();
        assert!(!is_left_over(&dead), "its lock is held");
        drop(lock);
        assert!(is_left_over(&dead));

        let alive = temp.path().join(format!("leasehold-stack-{}-1", std::process::id()));
        private_folder(&alive, None).unwrap();
        assert!(!is_left_over(&alive));
        assert_eq!(sweep(temp.path()), std::slice::from_ref(&dead));
        assert!(!dead.exists() && alive.exists());
    }

    #[test]
    fn dropping_it_removes_it() {
        let folder = StackFolder::create(Identity::for_servers(), &Silent).unwrap();
        let path = folder.path().to_owned();
        assert!(path.join(LOCK).exists());
        drop(folder);
        assert!(!path.exists());
    }
}
